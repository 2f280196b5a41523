"""Ctrl-C and SIGTERM in a process that trains: raised inside a training, remembered between trainings, never lost.

What a signal's handler raises is dropped by Python while an object is being finalised ("Exception ignored in ..."). So
both classes also remember the signal, and a training asks them from time to time, with `raise_if_lost`. What is
`undivided` comes to its end first.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Self

from qlit.runtime.critical_section import raise_when_whole


class StoppedBySignal(SystemExit):
    """A training was interrupted. Lightning lets a SystemExit through, and its run is told KILLED."""

    def __init__(self, stopped_by: signal.Signals) -> None:
        super().__init__(128 + stopped_by)
        self.signal = stopped_by


class Sigint:
    """While entered, Ctrl-C raises KeyboardInterrupt, as ever, and is remembered.

    Where SIGINT is ignored or handled by somebody else, and in other threads than the main one, it changes nothing.
    """

    def __init__(self) -> None:
        self._came = False

    def __enter__(self) -> Self:
        self._before = signal.getsignal(signal.SIGINT)
        self._is_ours = (
            self._before is signal.default_int_handler and threading.current_thread() is threading.main_thread()
        )
        if self._is_ours:
            signal.signal(signal.SIGINT, self._received)
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_ours:
            signal.signal(signal.SIGINT, self._before)

    def raise_if_lost(self) -> None:
        """Raise the KeyboardInterrupt of a Ctrl-C after which the program went on."""
        if self._came:
            raise KeyboardInterrupt

    def _received(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        self._came = True
        raise_when_whole(KeyboardInterrupt())


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

    def raise_if_lost(self) -> None:
        """Raise the `StoppedBySignal` of a signal after which a training went on."""
        if self.signal is not None:
            raise StoppedBySignal(self.signal)

    def _received(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        if self.signal is None:
            self.signal = signal.Signals(number)
            if self._raises:
                self._raise()

    def _raise(self) -> None:
        assert self.signal is not None
        self._raises = False
        raise_when_whole(StoppedBySignal(self.signal))
