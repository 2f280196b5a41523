"""Recognise outages, such as an unreachable server or a full disk, and retry after them."""

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

RETRY_S = 180.0
"""Seconds to keep retrying an unreachable server or, in all, a disk that stays full."""
_RETRY_AFTER_STOP_S = 5.0  # seconds to keep retrying after a stop signal
_FULL_AGAIN_S = 600.0  # a disk that fills again after this many seconds is a new outage
_FIRST_PAUSE_S, _LONGEST_PAUSE_S, _LOOK_S = 0.5, 5.0, 0.2

_T = TypeVar("_T")


class OutageError(RuntimeError):
    """An outage lasted longer than the retries; the message says what was unavailable."""


def is_outage(error: BaseException) -> bool:
    """Whether an error comes from an unreachable server or database, or from a full disk."""
    return any(_means_outage(each) for each in _chain(error))


def is_full_disk(error: BaseException) -> bool:
    """Whether an error comes from a full disk or an exhausted disk quota."""
    return any(_is_full(each) for each in _chain(error))


class _Retries:
    """Whether this process retries at all, and for how long it has waited for disk space without success."""

    allowed = True
    disk_wait_s = 0.0
    full_at = -math.inf


@contextmanager
def no_retries() -> Iterator[None]:
    """Let `retry_during_outage` try only once, because the process should end or has already waited long enough."""
    before, _Retries.allowed = _Retries.allowed, False
    try:
        yield
    finally:
        _Retries.allowed = before


def retry_during_outage(
    call: Callable[[], _T],
    *,
    what: str,
    is_retryable: Callable[[Exception], bool] = is_outage,
    retry_s: float | None = None,
    pause_s: float = _FIRST_PAUSE_S,
) -> _T:
    """Call a function and return its result; retry while it raises an error that means an outage.

    Args:
        call: Function that may safely run twice.
        what: The outage as a clause, for messages: "MLflow is unreachable".
        is_retryable: Whether an error means an outage; any other error is raised at once.
        retry_s: Seconds to keep retrying; None for `RETRY_S`.
        pause_s: Seconds between the first two tries; the pause grows to 5 s.
    Raises:
        OutageError: If the outage lasts longer.
    """
    begun, has_said = time.monotonic(), False
    retry_s = 0.0 if not _Retries.allowed else RETRY_S if retry_s is None else retry_s
    if seconds_since_stop() is not None:
        retry_s = min(retry_s, _retry_s_after_stop())
    while True:
        try:
            return call()
        except Exception as error:
            if isinstance(error, OutageError) or not is_retryable(error):
                raise
            if (waited := time.monotonic() - begun) >= retry_s or has_retried_after_stop():
                raise OutageError(f"{what}, for {waited:.0f} s by now ({cause_of(error)})") from error
            if not has_said:
                has_said = True
                say(f"{what} ({cause_of(error)}). It is tried again for {retry_s:.0f} s.")
            pause(min(pause_s, retry_s))
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


def pause(seconds: float) -> None:
    """Sleep, but end early if a stop signal arrives and the time for retries after it is over."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0 and not has_retried_after_stop():
        time.sleep(min(left, _LOOK_S))


def has_retried_after_stop() -> bool:
    """Whether a stop signal has arrived and the time for retries after it is over."""
    return _retry_s_after_stop() <= 0


def _retry_s_after_stop() -> float:
    """Seconds left for retries after a stop signal; infinite without a signal."""
    since = seconds_since_stop()
    return math.inf if since is None else max(0.0, _RETRY_AFTER_STOP_S - since)


def retry_until_mlflow_answers(call: Callable[[], _T]) -> _T:
    """Call MLflow and return the result; retry with `retry_during_outage` while MLflow is unreachable.

    Raises:
        OutageError: If it stays unreachable for longer.
    """
    return retry_during_outage(call, what="MLflow is unreachable")


def write_whole(stream: io.FileIO, data: bytes) -> None:
    """Append data to an unbuffered file completely, or write nothing and raise an OSError.

    A partial write to a full disk would corrupt the next record.
    """
    end, left = stream.tell(), memoryview(data)
    try:
        while left:
            left = left[stream.write(left) :]
    except OSError:
        stream.truncate(end)
        raise


def retry_while_disk_is_full(write: Callable[[], _T]) -> _T:
    """Call `write` and return its result; retry while the disk is full.

    All calls of a process share `RETRY_S` while the disk stays full. Otherwise, on a nearly full disk where small
    files still fit, every larger file would wait for the whole time again. A retry that succeeds resets the time.

    Raises:
        OutageError: If the disk stays full for longer.
    """
    begun, tries = time.monotonic(), 0

    def tried() -> _T:
        nonlocal tries
        tries += 1
        return write()

    if begun - _Retries.full_at > _FULL_AGAIN_S:
        _Retries.disk_wait_s = 0.0
    left = max(0.0, RETRY_S - _Retries.disk_wait_s)
    try:
        result = retry_during_outage(tried, what="The disk is full", is_retryable=is_full_disk, retry_s=left)
    except OutageError:
        _Retries.full_at = time.monotonic()
        _Retries.disk_wait_s += _Retries.full_at - begun
        raise
    if tries > 1:
        _Retries.disk_wait_s = 0.0
    return result


def _means_outage(error: BaseException) -> bool:
    if isinstance(error, OutageError | ConnectionError | TimeoutError | sqlite3.OperationalError) or _is_full(error):
        return True
    # Compared by name, so that the libraries need not be imported.
    kinds = {f"{kind.__module__.partition('.')[0]}.{kind.__name__}" for kind in type(error).__mro__}
    if kinds & {"sqlalchemy.OperationalError", "sqlalchemy.InterfaceError", "requests.ConnectionError",
                "requests.Timeout", "requests.RetryError", "requests.ChunkedEncodingError"}:  # fmt: skip
        return True
    if "mlflow.RestException" in kinds:  # the server answers with a server error
        return int(error.get_http_status_code()) >= 500  # type: ignore[attr-defined]
    # A gateway in front of the server answers with a server error.
    return "mlflow.MlflowException" in kinds and re.search(r"failed with error code 5\d\d", str(error)) is not None


def _is_full(error: BaseException) -> bool:
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and its chain of causes."""
    seen: list[BaseException] = []
    following: BaseException | None = error
    while following is not None and following not in seen:
        seen.append(following)
        yield following
        following = following.__cause__ or (None if following.__suppress_context__ else following.__context__)


def cause_of(error: BaseException) -> str:
    """First line of the most informative error in the chain: for an outage, the original error."""
    return first_line(next((each for each in reversed([*_chain(error)]) if _means_outage(each)), error))


def first_line(error: BaseException) -> str:
    """Type of `error` and the first line of its message, without credentials, at most 200 characters."""
    text = scrub(str(error)).strip().partition("\n")[0]
    return f"{type(error).__name__}: {text[:200]}"


def say(text: str) -> None:
    """Print a line on stderr. This is no `warnings.warn`, because warnings can become exceptions and end a training."""
    with suppress(OSError, ValueError):  # stderr may be closed, or on a full disk
        print(f"qlit: {text}", file=sys.stderr, flush=True)
