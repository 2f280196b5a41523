"""`qlit study trial`: one process of a training. A worker starts rank 0, and rank 0 starts the others."""

import json
import os
import signal
import socket
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from subprocess import Popen
from typing import Any

from lightning.pytorch import LightningModule, Trainer

from qlit.jobs.callbacks.interruption import Interruption
from qlit.jobs.callbacks.pruning import Pruning
from qlit.jobs.distributed.launchers import local_rank
from qlit.jobs.job import Job
from qlit.jobs.run_logger import trackers_of
from qlit.jobs.study.processes import ERROR_FILE, reason_of
from qlit.jobs.terminal import quieten
from qlit.runtime.interrupts import Interrupts, StoppedBySignal
from qlit.runtime.retry import OutageError, cause_of, is_outage

_CHECK_S = 0.2  # between checks that the parent process still runs
_DEATH_S = 4.0  # maximum between the end of a process's connections and the end of the process
_WAIT_S = 1.0  # before a failed rank reports its error; it is killed meanwhile if another rank is the cause


def run_rank(arguments: Sequence[str]) -> int:
    """Train the job in a file together with the other ranks; return the exit status for Lightning and the worker.

    Args:
        arguments: Path of the JSON file with the job.
    """
    file = Path(arguments[0])
    rank = local_rank()
    start = json.loads(file.read_text(encoding="utf-8"))
    # The worker made rank 0 the leader of a session; rank 0 started the others.
    _end_with(start["worker"] if rank == 0 else os.getpgrp())
    quieten()
    if rank == 0:
        return _train_as_first(start, file.parent / ERROR_FILE)
    try:
        job = Job.from_json(start["job"])
        outcome = job.run(
            tags=start["tags"], interruption=Interruption(lambda: None), pruning=Pruning(lambda *_: False)
        )
    except Exception as error:
        time.sleep(_WAIT_S)
        traceback.print_exc()
        with (
            suppress(FileExistsError, FileNotFoundError),
            (file.parent / ERROR_FILE).open("x", encoding="utf-8") as kept,
        ):
            kept.write(reason_of(error))
        return 1
    return 0 if outcome.stopped_by is None else 1


def _train_as_first(start: dict[str, Any], error_of_another: Path) -> int:
    with socket.socket(fileno=start["socket"]) as connection, Interrupts() as interrupts:
        worker = _WorkerConnection(connection)
        interruption = _RankZeroInterruption(interrupts.raise_if_stopped, worker)
        try:
            with interrupts.raising():
                job = Job.from_json(start["job"])
                outcome = job.run(tags=start["tags"], interruption=interruption, pruning=Pruning(worker.ask))
        except StoppedBySignal as stop:
            return 128 + stop.signal
        except Exception as error:
            traceback.print_exc()  # into the worker's log
            worker.send(_error_message(error, interruption.lost, error_of_another))
            return 1
        if outcome.stopped_by is not None:
            return 128 + outcome.stopped_by
        worker.send({"outcome": asdict(outcome)})
    return 0


def _error_message(error: Exception, lost: str, error_of_another: Path) -> dict[str, str]:
    """Message to the worker about an error of rank 0."""
    if lost:
        return {"lost": lost}
    # If another rank failed, the error of this one only says that the connection is closed.
    if error_of_another.exists():
        return {"error": error_of_another.read_text(encoding="utf-8")}
    if is_outage(error):  # only rank 0 uses MLflow and writes checkpoints
        return {"outage": str(error) if isinstance(error, OutageError) else cause_of(error)}
    return {"error": reason_of(error)}


class _WorkerConnection:
    """Connection to the worker."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection, self._reader = connection, connection.makefile(encoding="utf-8")

    def send(self, message: dict[str, Any]) -> None:
        """Send a message, which needs no answer."""
        self._connection.sendall(f"{json.dumps(message)}\n".encode())

    def ask(self, epoch: int, scores: Mapping[str, float]) -> bool:
        """Report an epoch; return whether to stop."""
        self.send({"epoch": epoch, "scores": dict(scores)})
        answer: bool = json.loads(self._reader.readline())
        return answer


class _RankZeroInterruption(Interruption):
    """Reports the run to the worker, and checks whether another killed rank caused an exception."""

    def __init__(self, raise_if_stopped: Callable[[], None], worker: _WorkerConnection) -> None:
        super().__init__(raise_if_stopped)
        self.lost = ""
        self._worker = worker

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        for tracker in trackers_of(trainer):
            self._worker.send({"run_id": tracker.run_id})

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        super().on_exception(trainer, pl_module, exception)
        if not isinstance(exception, Exception):  # a stop request
            return
        others = getattr(trainer.strategy.launcher, "procs", [])
        self.lost = _killed(others)
        if self.lost:
            for process in others:
                process.kill()
            for tracker in trackers_of(trainer):  # before `RunStatus` closes it as FAILED
                tracker.close("KILLED", self.lost)


def _killed(others: "Sequence[Popen[bytes]]") -> str:
    """Sentence about the first killed rank; empty if none was killed."""
    deadline = time.monotonic() + _DEATH_S
    while others and all(process.poll() is None for process in others) and time.monotonic() < deadline:
        time.sleep(0.05)
    killed = [
        f"rank {number} of its processes was killed by {signal.Signals(-process.returncode).name}"
        for number, process in enumerate(others, 1)
        if process.poll() is not None and process.returncode < 0
    ]
    return killed[0] if killed else ""


def _end_with(parent: int) -> None:
    """Kill this process when its parent has ended."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_CHECK_S)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()
