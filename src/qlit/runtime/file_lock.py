"""File locks between the processes of one machine; a stopping process does not wait long for them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from qlit.runtime.retry import has_retried_after_stop

_TIMEOUT_S = 120.0  # creating tables under a lock takes seconds, and several processes may queue


@contextmanager
def file_lock(path: Path) -> Iterator[None]:
    """Hold a lock; wait for it for at most 120 s, and after a stop signal no longer than `retry_during_outage` retries.

    Args:
        path: Lock file; it is created and not removed.
    Raises:
        TimeoutError: If other processes hold the lock for too long.
    """
    lock = FileLock(path)
    try:
        lock.acquire(timeout=_TIMEOUT_S, cancel_check=has_retried_after_stop)
    except Timeout as error:
        raise TimeoutError(f"Another process holds {path}; run the command again when it has ended.") from error
    try:
        yield
    finally:
        lock.release()
