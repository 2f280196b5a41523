"""Ctrl-C and SIGTERM in a process with many steps: raised inside a training, remembered between trainings."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Self


class StoppedBySignal(SystemExit):
    """A training was interrupted. Lightning lets a SystemExit through, and its run is told KILLED."""

    def __init__(self, stopped_by: signal.Signals) -> None:
        super().__init__(128 + stopped_by)
        self.signal = stopped_by


class Interrupts:
    """While entered, takes SIGINT and SIGTERM of this process.

    A storage must not be left in the middle of a change, so the first signal is only remembered, in `signal`, unless
    the process is inside `raising`.
    """

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None
        self._raises = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._received)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @contextmanager
    def raising(self) -> Iterator[None]:
        """Where a signal, also one that came just before, raises `StoppedBySignal`, once."""
        self._raises = True
        try:
            if self.signal is not None:
                self._raise()
            yield
        finally:
            self._raises = False

    def _received(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        if self.signal is None:
            self.signal = signal.Signals(number)
            if self._raises:
                self._raise()

    def _raise(self) -> None:
        assert self.signal is not None
        self._raises = False
        raise StoppedBySignal(self.signal)
