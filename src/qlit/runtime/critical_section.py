"""What a signal must not break off, such as a call on MLflow's database.

An exception that a signal's handler raises in the middle of a commit leaves a connection that holds the database's lock
while the exception lives, and one that is raised when a run was just made leaves nobody to close it.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

_depth = 0
_waiting: BaseException | None = None


@contextmanager
def undivided() -> Iterator[None]:
    """While entered, what `raise_when_whole` is given waits, and is raised at the end.

    Signals are handled in the main thread alone; in others this changes nothing.
    """
    global _depth, _waiting
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _depth += 1
    try:
        yield
    finally:
        _depth -= 1
        if _depth == 0 and _waiting is not None:
            waiting, _waiting = _waiting, None
            raise waiting


def raise_when_whole(error: BaseException) -> None:
    """For handlers of signals: raise `error`, now or at the end of what is undivided; a second one is not held up."""
    global _waiting
    if _depth and _waiting is None:
        _waiting = error
    else:
        _waiting = None
        raise error
