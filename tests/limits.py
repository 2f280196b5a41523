"""Limits of time and memory for what a test calls in its own process."""

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

MOST_SECONDS, MOST_BYTES = 5, 2**30


class TookTooLong(BaseException):
    """Raised in the middle of a call that takes too long; no handler of input errors takes it."""


@contextmanager
def limits() -> Iterator[None]:
    """Five seconds of processor time and one GiB beyond what this process has; time that others take does not count.

    Raises:
        TookTooLong: After that time.
        MemoryError: Where more memory is asked for.
    """

    def stop(*_: object) -> None:
        raise TookTooLong(f"takes more than {MOST_SECONDS} s")

    before, limit = signal.signal(signal.SIGPROF, stop), resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (psutil.Process().memory_info().vms + MOST_BYTES, limit[1]))
    signal.setitimer(signal.ITIMER_PROF, MOST_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        resource.setrlimit(resource.RLIMIT_AS, limit)
        signal.signal(signal.SIGPROF, before)
