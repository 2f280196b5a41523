"""A training of a study in several processes, which the worker of its trial starts, answers and ends.

The processes (`qlit study trial`, in rank.py) do not use the study's storage. Rank 0 sends messages to the worker
through a socket, one line of JSON each: the id of its run; the validation scores after every epoch, which the
worker answers with whether to stop; and at its end the outcome or the error. The other ranks have no socket; they write
their error to a file.
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

from qlit.jobs.callbacks.pruning import GiveUp
from qlit.jobs.distributed.launchers import without_launchers
from qlit.jobs.job import Job
from qlit.jobs.outcome import Outcome
from qlit.runtime.allowed import allow_options
from qlit.runtime.retry import OutageError

ERROR_FILE = "error"
"""File next to the one with the job, for the error of a rank other than 0."""

_COMMAND = (sys.executable, "-m", "qlit", "study", "trial")
_STOP_S = 6.0  # for ranks to stop; the worker closes the run of slower ones
_END_S = 60.0  # for the end of the interpreter after the last message of rank 0


class LostError(Exception):
    """A process of a training was killed; the trial can be repeated."""


class FailedError(Exception):
    """A training in several processes failed. The message starts with the type of the error."""


def reason_of(error: Exception) -> str:
    """Type and message of an error in one line."""
    text = " ".join(str(error).split())
    return text if isinstance(error, FailedError) else f"{type(error).__name__}: {text}"


def train_in_processes(
    job: Job,
    count: int,
    tags: dict[str, str],
    raise_if_stopped: Callable[[], None],
    give_up: GiveUp | None,
) -> Outcome:
    """Run a job in several processes.

    Args:
        job: The training.
        count: Number of processes.
        tags: As of `train`, like the other arguments.
        raise_if_stopped: Called for every message.
        give_up: Called for the message of every epoch.
    Raises:
        LostError: If one of them was killed.
        FailedError: If one of them failed.
        OutageError: If MLflow or disk space stayed unavailable.
    """
    received: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="qlit-trial-") as folder:
        try:
            with _ranks(job, count, tags, Path(folder)) as (process, connection):
                for message in _messages(connection):
                    received |= message
                    raise_if_stopped()
                    if "epoch" in message:
                        answer = give_up is not None and give_up(message["epoch"], message["scores"])
                        with contextlib.suppress(BrokenPipeError):  # rank 0 has ended; then the messages end too
                            connection.sendall(f"{json.dumps(answer)}\n".encode())
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(_END_S)
                raise_if_stopped()
        except BaseException as error:
            _close_run(job, received, "KILLED", f"stopped with its worker: {type(error).__name__}")
            raise
        if "outcome" in received:
            return Outcome(**received["outcome"])
        failure = _error_of(received, process.returncode, Path(folder))
    _close_run(job, received, "FAILED" if isinstance(failure, FailedError) else "KILLED", str(failure))
    raise failure


def _messages(connection: socket.socket) -> Iterator[dict[str, Any]]:
    """Messages of rank 0 until it ends."""
    with connection.makefile(encoding="utf-8") as reader, contextlib.suppress(ConnectionResetError):
        for text in reader:
            if text.endswith("\n"):  # else rank 0 was killed while it was writing
                yield json.loads(text)


def _close_run(job: Job, received: dict[str, Any], status: Literal["FAILED", "KILLED"], cause: str) -> None:
    """Close the MLflow run of ended processes if it is still open, and record the cause there."""
    if "run_id" not in received or "outcome" in received:
        return
    # An unreachable MLflow must not change the result of the trial; the next start on this machine closes such runs.
    with contextlib.suppress(Exception):
        job.runs.close(received["run_id"], status, cause)


def _error_of(received: dict[str, Any], returned: int, folder: Path) -> LostError | FailedError | OutageError:
    """The error of processes that ended without an outcome."""
    for key, kind in (("lost", LostError), ("outage", OutageError), ("error", FailedError)):
        if key in received:
            return kind(received[key])
    with contextlib.suppress(FileNotFoundError):
        return FailedError((folder / ERROR_FILE).read_text(encoding="utf-8"))
    if returned < 0:
        return LostError(f"its process was killed by {signal.Signals(-returned).name}")
    if returned == 128 + signal.SIGINT:
        return LostError("its process was interrupted")
    return FailedError(f"its process ended with status {returned}; the worker's log has its messages")


@contextmanager
def _ranks(
    job: Job, count: int, tags: dict[str, str], folder: Path
) -> "Iterator[tuple[subprocess.Popen[bytes], socket.socket]]":
    """Context with rank 0, which starts the other ranks, and the socket to it; all ranks end with the context."""
    ours, theirs = socket.socketpair()
    file = folder / "trial.json"
    start = {"job": job.to_json(), "tags": tags, "worker": os.getpid(), "socket": theirs.fileno()}
    file.write_text(json.dumps(start), encoding="utf-8")
    environment = without_launchers(os.environ)
    environment["OMP_NUM_THREADS"] = str(max(1, len(os.sched_getaffinity(0)) // count))
    with ours, theirs:
        with _sigterm_blocked():
            # In a session of its own, which Ctrl-C in a terminal does not reach. It prints to the worker's log.
            process = subprocess.Popen(
                [*_COMMAND, str(file), *allow_options()],
                env=environment,
                pass_fds=[theirs.fileno()],
                stdout=2,
                start_new_session=True,
            )
        theirs.close()  # so that the messages end with rank 0
        try:
            yield process, ours
        finally:
            _end(process)


@contextmanager
def _sigterm_blocked() -> Iterator[None]:
    """Context in which processes start with SIGTERM blocked, also for the processes that they start.

    Only the worker stops a training, by SIGINT to rank 0. A cluster sends SIGTERM to all processes of a job at its end,
    and Lightning then broadcasts at any point of the training, which may deadlock the ranks.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Interrupt rank 0 if it still runs, so that it closes its run as KILLED; then kill the rest of its session."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_S)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
