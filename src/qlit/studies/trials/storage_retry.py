"""Waiting for the storage of trials while it is away: a server that is restarted, a disk that is full."""

from collections.abc import Callable
from typing import TypeVar

from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import InterfaceError, OperationalError

from qlit.runtime import retry
from qlit.runtime.critical_section import undivided

AWAY = (OperationalError, InterfaceError, StorageInternalError, OSError)
"""What a storage that is away raises: Optuna's, SQLAlchemy's, and for files and `setup_lock` Python's own."""

_T = TypeVar("_T")


def patiently(call: Callable[[], _T]) -> _T:
    """What a call on the storage returns, tried again for three minutes while the storage is away.

    Args:
        call: No signal breaks it off. It may be done twice: of what was done before the storage went, its answer may
            be lost.
    Raises:
        OutageError: If it stays away.
    """
    return retry.patiently(
        undivided()(call),
        what="The storage of the trials is away",
        is_away=lambda error: isinstance(error, AWAY),
        pause_s=0.1,
    )
