"""Retry calls on the storage of trials after an outage, such as a restarted server or a full disk."""

from collections.abc import Callable
from typing import TypeVar

from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import InterfaceError, OperationalError

from qlit.runtime import retry
from qlit.runtime.critical_section import defer_signals

OUTAGES = (OperationalError, InterfaceError, StorageInternalError, OSError)
"""Errors of an unreachable storage: Optuna's, SQLAlchemy's, and Python's for files and `setup_lock`."""

_T = TypeVar("_T")


def retry_storage(call: Callable[[], _T]) -> _T:
    """Call the storage and return the result; retry for three minutes while it is unreachable.

    Args:
        call: Function, protected from signals. It must be safe to call twice, because the answer of a successful call
            can be lost in an outage.
    Raises:
        OutageError: If the storage stays unreachable.
    """
    return retry.retry_during_outage(
        defer_signals()(call),
        what="The storage of the trials is unreachable",
        is_retryable=lambda error: isinstance(error, OUTAGES),
        pause_s=0.1,
    )
