"""Handle SIGINT, SIGTERM and SIGHUP: raise an exception, or remember the signal until a training can stop.

Python ignores the exception of a signal handler that runs while an object is finalised ("Exception ignored in ...").
Both classes therefore also remember the signal, and a training checks for it regularly with `raise_if_stopped`. A
critical section always ends before the exception is raised.
"""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, NoReturn, Self

from qlit.runtime.batch_job import job_folder
from qlit.runtime.critical_section import raise_or_defer

_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_OF_SCHEDULERS = (signal.SIGUSR1, signal.SIGTERM)
_ONE_PRESS_S = 0.5  # a terminal and a wrapper such as `timeout` may both deliver the same Ctrl-C


class StoppedBySignal(SystemExit):
    """Exit after a signal. Lightning does not catch a SystemExit, and the run ends as KILLED."""

    def __init__(self, stopped_by: signal.Signals) -> None:
        super().__init__(128 + stopped_by)
        self.signal = stopped_by

    def __str__(self) -> str:
        return f"stopped by {self.signal.name}"


class _Asked:
    """The first signal that asked this process to stop, and when."""

    by: signal.Signals | None = None
    at = 0.0


def _note(number: int) -> None:
    if _Asked.by is None:
        _Asked.by, _Asked.at = signal.Signals(number), time.monotonic()


def seconds_since_stop() -> float | None:
    """Seconds since a signal asked this process to stop; None without one."""
    return None if _Asked.by is None else time.monotonic() - _Asked.at


def raise_if_stopped() -> None:
    """Raise `StoppedBySignal` if a signal arrived but its exception was lost."""
    if _Asked.by is not None:
        raise StoppedBySignal(_Asked.by)


def stop_by(number: signal.Signals) -> NoReturn:
    """Stop this process as if it had received a signal.

    Raises:
        StoppedBySignal: Always.
    """
    _note(number)
    raise StoppedBySignal(number)


class _Held:
    """Whether signals of a scheduler are held, the first of them, and when it arrived."""

    is_on = False
    by: signal.Signals | None = None
    at = 0.0


def hold_signals() -> None:
    """Only remember SIGUSR1 and SIGTERM from now on, if this process belongs to a submitted job.

    A training looks for them between two batches with `held_signal`, and can then write a checkpoint.
    """
    _Held.is_on, _Held.by = job_folder() is not None, None


def held_signal() -> signal.Signals | None:
    """The signal that arrived since `hold_signals`; None without one."""
    return _Held.by


def release_signals() -> None:
    """End what `hold_signals` began; a signal that was held has its usual effect.

    Raises:
        StoppedBySignal: If a signal was held.
    """
    held, _Held.is_on, _Held.by = _Held.by, False, None
    if held is not None:
        stop_by(held)


def _is_held(number: signal.Signals) -> bool:
    """Whether a signal is only remembered; a second one, not delivered with the first, is not."""
    if not _Held.is_on or (_Held.by is not None and time.monotonic() - _Held.at > _ONE_PRESS_S):
        return False
    if _Held.by is None:
        _Held.by, _Held.at = number, time.monotonic()
    return True


def _stopping() -> tuple[signal.Signals, ...]:
    """Signals that stop a command; a scheduler announces the end of a submitted job by SIGUSR1."""
    return _STOPPING if job_folder() is None else (*_STOPPING, signal.SIGUSR1)


class RaisingSignals:
    """Raise `StoppedBySignal` at the first SIGINT, SIGTERM or SIGHUP; end the process at the second.

    In a submitted job, SIGUSR1 is one of these signals. Signals that are ignored or have another handler are not
    changed, and outside the main thread none is. An error raised after a signal counts as a consequence of the signal,
    and becomes a `StoppedBySignal`.
    """

    def __init__(self) -> None:
        self._before: dict[signal.Signals, Any] = {}
        self._ends_as: str | None = None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in _stopping():
                if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
                    self._before[number] = signal.signal(number, self._received)
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        stopped_by, _Asked.by = _Asked.by, None
        _Held.is_on, _Held.by = False, None
        if stopped_by is not None and isinstance(error, Exception):
            raise StoppedBySignal(stopped_by) from error

    @contextmanager
    def ending(self, name: str) -> Iterator[None]:
        """End the process `name` at once on a signal, because an exception during imports leaves broken modules."""
        self._ends_as = name
        try:
            yield
        finally:
            self._ends_as = None

    def _received(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        waited = seconds_since_stop()
        if self._ends_as is not None:
            with suppress(OSError):
                os.write(2, f"{self._ends_as}: {StoppedBySignal(signal.Signals(number))}\n".encode())
            os._exit(128 + number)
        if number in _OF_SCHEDULERS and _is_held(signal.Signals(number)):
            return
        if waited is None:
            _note(number)
            raise_or_defer(StoppedBySignal(signal.Signals(number)))
        elif waited > _ONE_PRESS_S:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)


class Interrupts:
    """Handle SIGINT, SIGTERM and, unless it is ignored (nohup), SIGHUP of this process.

    A change of a storage must not be interrupted. The first signal is therefore only remembered, in `signal`, except
    inside `raising`.
    """

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None
        self._raises = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        for number in _stopping():
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._received)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        _Asked.by = None

    @contextmanager
    def raising(self) -> Iterator[None]:
        """Raise `StoppedBySignal` once at a signal, also if it arrived before the context."""
        self._raises = True
        try:
            if self.signal is not None:
                self._raise()
            yield
        finally:
            self._raises = False

    def raise_if_stopped(self) -> None:
        """Raise `StoppedBySignal` if a signal arrived but its exception was lost."""
        if self.signal is not None:
            raise StoppedBySignal(self.signal)

    def _received(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        _note(number)
        if self.signal is None:
            self.signal = signal.Signals(number)
            if self._raises:
                self._raise()

    def _raise(self) -> None:
        assert self.signal is not None
        self._raises = False
        raise_or_defer(StoppedBySignal(self.signal))
