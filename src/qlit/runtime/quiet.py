"""`--quiet`: commands say nothing about their progress."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

OPTION = "--quiet"
VARIABLE = "QLIT_QUIET"
"""Environment variable with the same meaning, which the processes that a command starts inherit."""


@contextmanager
def quieting(quiet: bool) -> Iterator[None]:
    """Be quiet while a command runs, in this process and in those that it starts; False changes nothing."""
    before = os.environ.get(VARIABLE)
    if quiet:
        os.environ[VARIABLE] = "1"
    try:
        yield
    finally:
        if quiet:
            os.environ.pop(VARIABLE)
            if before is not None:
                os.environ[VARIABLE] = before


def is_quiet() -> bool:
    """Whether progress and notes are not to be printed."""
    return os.environ.get(VARIABLE, "") not in ("", "0")
