"""A signal that raises as Ctrl-C does in a training, sent by a test to its own process."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from qlit.runtime.critical_section import raise_or_defer


@contextmanager
def raising_signal() -> Iterator[None]:
    """While entered, SIGUSR1 raises KeyboardInterrupt, after the end of a critical section."""

    def received(*_: object) -> None:
        raise_or_defer(KeyboardInterrupt())

    before = signal.signal(signal.SIGUSR1, received)
    try:
        yield
    finally:
        signal.signal(signal.SIGUSR1, before)


def interrupt() -> None:
    """Send the signal."""
    os.kill(os.getpid(), signal.SIGUSR1)
