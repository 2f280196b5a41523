"""Servers that are restarted and disks that are full: told from other errors, and waited for."""

import errno
import io
import math
import re
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

from qlit.runtime.interrupts import seconds_since_stop
from qlit.runtime.secrets import scrub

PATIENCE_S = 180.0
"""Seconds to keep retrying an unreachable server or, in all, a disk that stays full."""
_STOP_PATIENCE_S = 5.0  # after a signal that asks to stop
_FULL_AGAIN_S = 600.0  # a disk that had space for so long is full anew
_FIRST_PAUSE_S, _LONGEST_PAUSE_S, _LOOK_S = 0.5, 5.0, 0.2

_T = TypeVar("_T")


class OutageError(RuntimeError):
    """Something was away for longer than it is waited for; the message tells what, and what to do."""


def is_outage(error: BaseException) -> bool:
    """Whether an error tells that a server or database is away, or a disk full, and not that something is wrong."""
    return any(_is_away(each) for each in _chain(error))


def is_full_disk(error: BaseException) -> bool:
    """Whether an error comes from a disk, or a quota on it, that is full."""
    return any(_is_full(each) for each in _chain(error))


class _Waiting:
    """Whether this process waits at all, and how long it has waited for space without success."""

    allowed = True
    for_space_s = 0.0
    full_at = -math.inf


@contextmanager
def without_waiting() -> Iterator[None]:
    """While entered, `patiently` tries once: where an end is wanted, or all has been waited for."""
    before, _Waiting.allowed = _Waiting.allowed, False
    try:
        yield
    finally:
        _Waiting.allowed = before


def patiently(
    call: Callable[[], _T],
    *,
    what: str,
    is_away: Callable[[Exception], bool] = is_outage,
    patience_s: float | None = None,
    pause_s: float = _FIRST_PAUSE_S,
) -> _T:
    """What a call returns, which is tried again while it raises an error that tells of an outage.

    Args:
        call: Something that may be done twice.
        what: Is the matter, as a clause: "MLflow is away".
        is_away: Whether an error is an outage; any other is raised at once.
        patience_s: How long to try; None for `PATIENCE_S`.
        pause_s: Between the first tries; it grows to 5 s.
    Raises:
        OutageError: If it is away for longer.
    """
    begun, told = time.monotonic(), False
    patience_s = 0.0 if not _Waiting.allowed else PATIENCE_S if patience_s is None else patience_s
    if seconds_since_stop() is not None:
        patience_s = min(patience_s, _stop_patience_s())
    while True:
        try:
            return call()
        except Exception as error:
            if isinstance(error, OutageError) or not is_away(error):
                raise
            if (waited := time.monotonic() - begun) >= patience_s or has_retried_after_stop():
                raise OutageError(f"{what}, for {waited:.0f} s by now ({cause_of(error)})") from error
            if not told:
                told = True
                say(f"{what} ({cause_of(error)}). It is tried again for {patience_s:.0f} s.")
            pause(min(pause_s, patience_s))
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


def pause(seconds: float) -> None:
    """Sleep, but not for long after a signal that asked this process to stop."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0 and not has_retried_after_stop():
        time.sleep(min(left, _LOOK_S))


def has_retried_after_stop() -> bool:
    """Whether a signal asked this process to stop, and the time for retries after it is over."""
    return _stop_patience_s() <= 0


def _stop_patience_s() -> float:
    """Seconds for which a process that was asked to stop may go on retrying; infinite for any other."""
    since = seconds_since_stop()
    return math.inf if since is None else max(0.0, _STOP_PATIENCE_S - since)


def when_mlflow_is_there(call: Callable[[], _T], patience_s: float | None = None) -> _T:
    """What a call on MLflow returns, which is tried again while that is away, as `patiently` does it.

    Raises:
        OutageError: If it is away for longer.
    """
    return patiently(call, what="MLflow is away", patience_s=patience_s)


def write_whole(stream: io.FileIO, data: bytes) -> None:
    """Write data at the end of a file that is not buffered, where the stream is: all of it, or nothing and an OSError.

    A part, left by a full disk, would spoil what is written next.
    """
    end, left = stream.tell(), memoryview(data)
    try:
        while left:
            left = left[stream.write(left) :]
    except OSError:
        stream.truncate(end)
        raise


def when_there_is_space(write: Callable[[], _T]) -> _T:
    """What `write` returns, which is tried again while the disk is full.

    All calls of a process share `PATIENCE_S`, as long as the disk stays full: on one that is nearly full small files
    can be written, and every larger one would be waited for anew. Space that came back renews it.

    Raises:
        OutageError: If it is full for longer.
    """
    begun, tries = time.monotonic(), 0

    def tried() -> _T:
        nonlocal tries
        tries += 1
        return write()

    if begun - _Waiting.full_at > _FULL_AGAIN_S:
        _Waiting.for_space_s = 0.0
    left = max(0.0, PATIENCE_S - _Waiting.for_space_s)
    try:
        result = patiently(tried, what="The disk is full", is_away=is_full_disk, patience_s=left)
    except OutageError:
        _Waiting.full_at = time.monotonic()
        _Waiting.for_space_s += _Waiting.full_at - begun
        raise
    if tries > 1:
        _Waiting.for_space_s = 0.0
    return result


def _is_away(error: BaseException) -> bool:
    if isinstance(error, OutageError | ConnectionError | TimeoutError | sqlite3.OperationalError) or _is_full(error):
        return True
    # Of libraries that may not be imported, and need not be where none of them has raised anything.
    kinds = {f"{kind.__module__.partition('.')[0]}.{kind.__name__}" for kind in type(error).__mro__}
    if kinds & {"sqlalchemy.OperationalError", "sqlalchemy.InterfaceError", "requests.ConnectionError",
                "requests.Timeout", "requests.RetryError", "requests.ChunkedEncodingError"}:  # fmt: skip
        return True
    if "mlflow.RestException" in kinds:  # the server speaks, and says that it is not well
        return int(error.get_http_status_code()) >= 500  # type: ignore[attr-defined]
    # A gateway before it speaks.
    return "mlflow.MlflowException" in kinds and re.search(r"failed with error code 5\d\d", str(error)) is not None


def _is_full(error: BaseException) -> bool:
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and those that it came from."""
    seen: list[BaseException] = []
    following: BaseException | None = error
    while following is not None and following not in seen:
        seen.append(following)
        yield following
        following = following.__cause__ or (None if following.__suppress_context__ else following.__context__)


def cause_of(error: BaseException) -> str:
    """The first line of what tells most: of an outage the first error, before the libraries above it spoke."""
    return first_line(next((each for each in reversed([*_chain(error)]) if _is_away(each)), error))


def first_line(error: BaseException) -> str:
    """The type of `error` and the first line of what it says, without credentials, at most 200 characters."""
    text = scrub(str(error)).strip().partition("\n")[0]
    return f"{type(error).__name__}: {text[:200]}"


def say(text: str) -> None:
    """Not a warning: those can be turned into exceptions, and tracking never ends a training."""
    with suppress(OSError, ValueError):  # a standard error on a full disk, or closed
        print(f"qlit: {text}", file=sys.stderr, flush=True)
