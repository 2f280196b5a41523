"""Defer signal exceptions until a critical section ends.

An exception that a signal handler raises during a database commit would leave a connection that keeps the database
locked. An exception directly after the creation of a run would leave a run that no process closes.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

_depth = 0
_waiting: BaseException | None = None


@contextmanager
def defer_signals() -> Iterator[None]:
    """Defer exceptions passed to `raise_or_defer` until the end of the context.

    Python runs signal handlers only in the main thread, so in other threads this has no effect.
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


def raise_or_defer(error: BaseException) -> None:
    """Raise `error` now, or at the end of the critical section; for signal handlers.

    A second error is raised at once, also inside the critical section.
    """
    global _waiting
    if _depth and _waiting is None:
        _waiting = error
    else:
        _waiting = None
        raise error
