"""A training of a study in processes of its own: started, answered and ended by the worker that holds its trial.

The processes (`qlit study trial`, in rank.py) know nothing of the study's storage. Rank 0 talks to the worker, a
line of JSON a message: the id of its run; after each epoch its accuracy, which is answered with whether to give up; and
at its end what was reached or what went wrong. Another rank has no line to the worker: its error comes as a file.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from qlit.jobs.distributed.launchers import without_launchers
from qlit.jobs.job import Job
from qlit.jobs.outcome import Outcome
from qlit.runtime.allowed import allow_options
from qlit.runtime.retry import OutageError

ERROR_FILE = "error"
"""Beside the file with what to train: what a rank other than 0 failed with."""

_COMMAND = (sys.executable, "-m", "qlit", "study", "trial")
_STOP_S = 6.0  # for ranks that are asked to stop; the worker closes the run of those that take longer
_END_S = 60.0  # for the end of the interpreter after the last word of rank 0


class LostError(Exception):
    """The processes of a training have died, or one of them has; it can be tried again."""


class FailedError(Exception):
    """A training in processes of its own failed. The message begins with the kind of its error."""


def reason_of(error: Exception) -> str:
    """An error in one line."""
    text = " ".join(str(error).split())
    return text if isinstance(error, FailedError) else f"{type(error).__name__}: {text}"


def train_in_processes(
    job: Job,
    count: int,
    tags: dict[str, str],
    raise_if_stopped: Callable[[], None],
    give_up: Callable[[int, float], bool] | None,
) -> Outcome:
    """Run a job in so many processes of its own; the other arguments as of `train`.

    Raises:
        LostError: If one of them was killed.
        FailedError: If one of them failed.
        OutageError: If MLflow, or space on the disk, was away for longer than it was waited for, there as here.
    """
    told: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="qlit-trial-") as folder:
        try:
            with _ranks(job, count, tags, Path(folder)) as (process, line):
                for message in _messages(line):
                    told |= message
                    raise_if_stopped()
                    if "epoch" in message:
                        asked = give_up is not None and give_up(message["epoch"], message["accuracy"])
                        with contextlib.suppress(BrokenPipeError):  # it has died since; then the line ends too
                            line.sendall(f"{json.dumps(asked)}\n".encode())
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(_END_S)
                raise_if_stopped()
        except BaseException as error:
            _close_run(job, told, "KILLED", f"stopped with its worker: {type(error).__name__}")
            raise
        if "outcome" in told:
            return Outcome(**told["outcome"])
        end = _what_happened(told, process.returncode, Path(folder))
    _close_run(job, told, "FAILED" if isinstance(end, FailedError) else "KILLED", str(end))
    raise end


def _messages(line: socket.socket) -> Iterator[dict[str, Any]]:
    """What rank 0 says until it ends."""
    with line.makefile(encoding="utf-8") as reader, contextlib.suppress(ConnectionResetError):
        for text in reader:
            if text.endswith("\n"):  # else it died in the middle of a word
                yield json.loads(text)


def _close_run(job: Job, told: dict[str, Any], status: Literal["FAILED", "KILLED"], why: str) -> None:
    """Close the MLflow run of processes that are gone, if they could not do so themselves, and tell the cause there."""
    if "run_id" not in told or "outcome" in told:
        return
    # The trial's fate does not hang on MLflow, which may be away; the next start on this machine looks for such runs.
    with contextlib.suppress(Exception):
        job.runs.close(told["run_id"], status, why)


def _what_happened(told: dict[str, Any], returned: int, folder: Path) -> LostError | FailedError | OutageError:
    """The error that stands for the end of processes that reached nothing."""
    for word, kind in (("lost", LostError), ("outage", OutageError), ("error", FailedError)):
        if word in told:
            return kind(told[word])
    with contextlib.suppress(FileNotFoundError):
        return FailedError((folder / ERROR_FILE).read_text(encoding="utf-8"))
    if returned < 0:
        return LostError(f"its process was killed by {signal.Signals(-returned).name}")
    if returned == 128 + signal.SIGINT:
        return LostError("its process was interrupted")
    return FailedError(f"its process ended with status {returned}; the worker's log tells more")


@contextmanager
def _ranks(
    job: Job, count: int, tags: dict[str, str], folder: Path
) -> "Iterator[tuple[subprocess.Popen[bytes], socket.socket]]":
    """Rank 0, which starts the others, and the line to it; ended with all others on leaving."""
    ours, theirs = socket.socketpair()
    file = folder / "trial.json"
    said = {"job": job.to_json(), "tags": tags, "worker": os.getpid(), "line": theirs.fileno()}
    file.write_text(json.dumps(said), encoding="utf-8")
    environment = without_launchers(os.environ)
    environment["OMP_NUM_THREADS"] = str(max(1, len(os.sched_getaffinity(0)) // count))
    with ours, theirs:
        with _sigterm_blocked():
            # In a session of its own, which a Ctrl-C in a terminal does not reach. What it prints is for the log.
            process = subprocess.Popen(
                [*_COMMAND, str(file), *allow_options()],
                env=environment,
                pass_fds=[theirs.fileno()],
                stdout=2,
                start_new_session=True,
            )
        theirs.close()  # so that the end of rank 0 is the end of the line
        try:
            yield process, ours
        finally:
            _end(process)


@contextmanager
def _sigterm_blocked() -> Iterator[None]:
    """Where processes are started that never receive a SIGTERM, nor do those that they start.

    Only the worker stops a training, by SIGINT to rank 0. Lightning answers a SIGTERM, which the end of a job sends to
    all processes at once, with a broadcast in the middle of whatever the ranks are at, and that may hold them for ever.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End rank 0, if it has not ended, so that its run is told KILLED; then whatever is left of its session."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_S)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
