"""The worker processes of `qlit study run`: started, replaced when they are killed, and stopped."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from shutil import disk_usage

import psutil

from qlit.jobs.distributed.cores import Placement
from qlit.jobs.distributed.launchers import without_launchers
from qlit.runtime.allowed import allow_options
from qlit.runtime.interrupts import Interrupts
from qlit.runtime.quiet import VARIABLE, is_quiet
from qlit.runtime.retry import OutageError, no_retries
from qlit.studies.trials.storage_retry import OUTAGES, retry_storage
from qlit.studies.trials.trials import Trials

_POLL_S = 1.0
_PROGRESS_S = 15.0  # between two messages about the progress
_STOP_S = 7.0  # for workers to stop; trials and runs of slower ones are recovered here
_STOPPED = tuple(128 + number for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM))


@dataclass(frozen=True)
class Supervisor:
    """Keeps worker processes running until a study is finished or a signal arrives.

    Args:
        trials: The trials of the study.
        arguments: Words of a worker's command line that name the study.
        placement: Cores and GPUs of the workers.
        num_workers: Number of workers, at least 1.
        say: Prints a message.
        progress: Returns a message about the progress since the start, from the seconds since then.
    """

    trials: Trials
    arguments: Sequence[str]
    placement: Placement
    num_workers: int
    say: Callable[[str], None]
    progress: Callable[[float], str]

    def run(self, interrupts: Interrupts) -> None:
        """Start workers, wait for their end, and recover trials of killed ones.

        Args:
            interrupts: Signals of this process; the first one stops the workers.
        Raises:
            ValueError: If a worker failed; the message is the last line of its log.
            OutageError: If the storage of the trials stays unreachable.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        workers = [self._start(number) for number in range(self.num_workers)]
        self._watch(workers, interrupts)
        _stop(workers)
        failed = [number for number, worker in enumerate(workers) if worker.returncode not in (0, *_STOPPED)]
        if not failed or interrupts.signal is not None:
            retry_storage(self.trials.recover)  # the trial of the last killed worker
            return
        with suppress(OutageError), no_retries():
            retry_storage(self.trials.recover)
        reason = _last_line(self._log(failed[0]))
        if disk_usage(self._folder).free == 0:
            where = self._folder.absolute()
            reason = f"the disk of {where} is full, so its log is incomplete; free space, and run it again."
        raise ValueError(f"Worker {failed[0]} ended with status {workers[failed[0]].returncode}: {reason}")

    def _watch(self, workers: "list[subprocess.Popen[bytes]]", interrupts: Interrupts) -> None:
        """Return when all workers have ended or a signal has arrived; replace killed workers in the list."""
        restarts, begun = 0, time.monotonic()
        reported = begun
        while interrupts.signal is None:
            for number, worker in enumerate(workers):
                # Killed, for example because memory ran out. A worker that fails writes the reason to its log.
                if worker.poll() is not None and worker.returncode < 0 and restarts < 3 * self.num_workers:
                    restarts += 1
                    killed_by = signal.Signals(-worker.returncode).name
                    self.say(f"worker {number} was killed by {killed_by}; another takes its place")
                    workers[number] = self._start(number)
            if all(worker.poll() is not None for worker in workers):
                return
            if time.monotonic() - reported > _PROGRESS_S and not is_quiet():
                reported = time.monotonic()
                with suppress(*OUTAGES):  # workers retry; this process must react to signals
                    self.say(self.progress(reported - begun))
            time.sleep(_POLL_S)

    def _start(self, number: int) -> "subprocess.Popen[bytes]":
        cores = self.placement.cores_of(number, self.num_workers)
        command = [
            sys.executable, "-m", "qlit", "study", "worker", *self.arguments, *allow_options(),
            "--cores", ",".join(map(str, cores)), "--parent", str(os.getpid()),
        ]  # fmt: skip
        environment = (
            without_launchers(os.environ) | {VARIABLE: ""} | self.placement.environment_of(number, self.num_workers)
        )
        with self._log(number).open("ab") as log:
            # In a session of its own: Ctrl-C in a terminal reaches this process alone, which passes it on once.
            return subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)

    @property
    def _folder(self) -> Path:
        return Path("mlruns") / "studies" / self.trials.definition.name

    def _log(self, number: int) -> Path:
        return self._folder / f"worker-{number}.log"


def _stop(workers: "Sequence[subprocess.Popen[bytes]]") -> None:
    for worker in workers:
        if worker.poll() is None:
            worker.terminate()
    _, left = psutil.wait_procs([psutil.Process(worker.pid) for worker in workers if worker.poll() is None], _STOP_S)
    for process in left:
        process.kill()
    for worker in workers:
        worker.wait()


def _last_line(log: Path) -> str:
    lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else "its log is empty"
