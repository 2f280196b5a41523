"""`qlit study trial`: one of the processes of a training, started by a worker (rank 0) or by rank 0 (the others)."""

import json
import os
import signal
import socket
import threading
import time
import traceback
from collections.abc import Callable, Sequence
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

_LOOK_S = 0.2  # between looks at the process that started this one
_DEATH_S = 4.0  # the most between the end of a process's connections and that of the process
_WAIT_S = 1.0  # in which a rank that no longer hears the others is ended, if it is not itself the cause


def run_rank(arguments: Sequence[str]) -> int:
    """Train with the others what the file says; the exit status, which nobody but Lightning and the worker reads."""
    file = Path(arguments[0])
    rank = local_rank()
    told = json.loads(file.read_text(encoding="utf-8"))
    # The worker made rank 0 the leader of a session; rank 0 started the others.
    _end_with(told["worker"] if rank == 0 else os.getpgrp())
    quieten()
    if rank == 0:
        return _train_as_first(told, file.parent / ERROR_FILE)
    try:
        job = Job.from_json(told["job"])
        outcome = job.run(tags=told["tags"], interruption=Interruption(lambda: None), pruning=Pruning(lambda *_: False))
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


def _train_as_first(told: dict[str, Any], error_of_another: Path) -> int:
    with socket.socket(fileno=told["line"]) as connection, Interrupts() as interrupts:
        line = _Line(connection)
        first = _First(interrupts.raise_if_stopped, line)
        try:
            with interrupts.raising():
                job = Job.from_json(told["job"])
                outcome = job.run(tags=told["tags"], interruption=first, pruning=Pruning(line.asked))
        except StoppedBySignal as stop:
            return 128 + stop.signal
        except Exception as error:
            traceback.print_exc()  # into the worker's log
            line.say(_told(error, first.lost, error_of_another))
            return 1
        if outcome.stopped_by is not None:
            return 128 + outcome.stopped_by
        line.say({"outcome": asdict(outcome)})
    return 0


def _told(error: Exception, lost: str, error_of_another: Path) -> dict[str, str]:
    """What the worker is told of an error of rank 0."""
    if lost:
        return {"lost": lost}
    # Where another rank failed, this one says only that it hears it no more.
    if error_of_another.exists():
        return {"error": error_of_another.read_text(encoding="utf-8")}
    if is_outage(error):  # this rank alone talks to MLflow and writes checkpoints
        return {"outage": str(error) if isinstance(error, OutageError) else cause_of(error)}
    return {"error": reason_of(error)}


class _Line:
    """To the worker, who answers questions alone."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection, self._reader = connection, connection.makefile(encoding="utf-8")

    def say(self, message: dict[str, Any]) -> None:
        self._connection.sendall(f"{json.dumps(message)}\n".encode())

    def asked(self, epoch: int, accuracy: float) -> bool:
        """Whether to give up."""
        self.say({"epoch": epoch, "accuracy": accuracy})
        answer: bool = json.loads(self._reader.readline())
        return answer


class _First(Interruption):
    """Tells the worker the run, and looks whether an exception comes from the death of another rank."""

    def __init__(self, raise_if_stopped: Callable[[], None], line: _Line) -> None:
        super().__init__(raise_if_stopped)
        self.lost = ""
        self._line = line

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        for tracker in trackers_of(trainer):
            self._line.say({"run_id": tracker.run_id})

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        super().on_exception(trainer, pl_module, exception)
        if not isinstance(exception, Exception):  # told to stop
            return
        others = getattr(trainer.strategy.launcher, "procs", [])
        self.lost = _killed(others)
        if self.lost:
            for process in others:
                process.kill()
            for tracker in trackers_of(trainer):  # before `RunStatus` tells it FAILED
                tracker.close("KILLED", self.lost)


def _killed(others: "Sequence[Popen[bytes]]") -> str:
    """Which rank was killed and by what; nothing if none was."""
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
    """Let this process be killed when the one that started it has ended."""

    def look() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK_S)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=look, daemon=True).start()
