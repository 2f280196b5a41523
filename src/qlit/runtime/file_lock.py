"""Locks between the processes of one machine, which a process that was asked to stop does not wait for."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from qlit.runtime.retry import has_retried_after_stop

_TIMEOUT_S = 120.0  # creating tables under a lock takes seconds; queueing behind others is normal


@contextmanager
def file_lock(path: Path) -> Iterator[None]:
    """Hold a lock, waiting for up to 120 s, and no longer than `patiently` does after a signal.

    Args:
        path: File of the lock; it is created and stays.
    Raises:
        TimeoutError: If other processes hold it for too long.
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
