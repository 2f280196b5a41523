"""The jobs that were submitted from a folder, with their states in Slurm's queue."""

import json
import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qlit.jobs.requeued import RUN_FILE
from qlit.jobs.slurm.submission import RECORD

UNKNOWN = "UNKNOWN"
_ENDED = frozenset(
    {"BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "TIMEOUT", UNKNOWN}
)
_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Task:
    """A job, or one worker of an array.

    Args:
        number: Number of the worker; None for a job that is no array.
        state: Slurm's state; for a job that Slurm has forgotten "COMPLETED" or "FAILED" by the exit status that its
            script stored, and "UNKNOWN" without one.
        note: Why it waits, or its exit status; may be empty.
    """

    number: int | None
    state: str
    note: str = ""

    @property
    def has_ended(self) -> bool:
        return self.state in _ENDED


@dataclass(frozen=True)
class SubmittedJob:
    """A job of `qlit submit`.

    Args:
        job_id: Its id.
        name: Its name.
        command: The command that it runs.
        submitted: Time of its submission, ISO 8601.
        folder: Its folder.
        run_id: Of a fit, the id of its run; None before it starts.
        tasks: Its tasks: one, or one per worker.
    """

    job_id: str
    name: str
    command: str
    submitted: str
    folder: Path
    run_id: str | None
    tasks: tuple[Task, ...]

    @property
    def has_ended(self) -> bool:
        """Whether no task is queued or running."""
        return all(task.has_ended for task in self.tasks)

    @property
    def state(self) -> str:
        """State, with the reason for which it waits or its exit status; for several workers their number by state."""
        if len(self.tasks) == 1 and self.tasks[0].number is None:
            task = self.tasks[0]
            return f"{task.state} ({task.note})" if task.note else task.state
        counts = Counter(task.state for task in self.tasks)
        return ", ".join(f"{count} {state}" for state, count in counts.items())


def submitted_jobs(place: Path) -> list[SubmittedJob]:
    """The jobs whose folders are in a folder, in the order of their submission.

    Raises:
        FileNotFoundError: If there are jobs, but no squeue on this machine.
        ConnectionError: If Slurm does not answer.
    """
    records = [(folder, record) for folder in sorted(place.glob("*/")) if (record := _record(folder)) is not None]
    if not records:
        return []
    known = _known_tasks()
    jobs = [_job(folder, record, known.get(str(record["job_id"]), ())) for folder, record in records]
    return sorted(jobs, key=lambda job: (job.submitted, int(job.job_id)))


def cancel(job: SubmittedJob, number: int | None = None) -> None:
    """Cancel a job, or one worker of an array.

    Raises:
        ValueError: If it has ended, there is no such worker, or Slurm refuses; the message contains Slurm's own.
    """
    name = job.job_id if number is None else f"{job.job_id}_{number}"
    tasks = [task for task in job.tasks if number is None or task.number == number]
    if not tasks:
        numbers = f"0 to {len(job.tasks) - 1}" if len(job.tasks) > 1 else "no numbers"
        raise ValueError(f"Job {job.job_id} has no worker {number}: its workers have {numbers}.")
    if all(task.has_ended for task in tasks):
        raise ValueError(f"Job {name} has ended: {tasks[0].state}.")
    done = _ran("scancel", name)
    if done.returncode != 0:
        raise ValueError(f"Slurm did not cancel job {name}: {_reason(done)}")


def _record(folder: Path) -> dict[str, Any] | None:
    """What `submit` stored of a job; None in a folder without a job, or with one that Slurm refused."""
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, json.JSONDecodeError, UnicodeDecodeError):
        return None
    is_job = isinstance(record, dict) and str(record.get("job_id") or "").isdecimal()
    return record if is_job and {"name", "command", "submitted", "is_array", "settings"} <= record.keys() else None


def _job(folder: Path, record: Mapping[str, Any], known: Sequence[Task]) -> SubmittedJob:
    tasks = {task.number: task for task in known}
    numbers = range(int(record["settings"]["workers"])) if record["is_array"] else [None]
    run = folder / RUN_FILE
    return SubmittedJob(
        job_id=str(record["job_id"]),
        name=str(record["name"]),
        command=str(record["command"]),
        submitted=str(record["submitted"]),
        folder=folder,
        run_id=Path(run.read_text(encoding="utf-8").strip()).name if run.is_file() else None,
        tasks=tuple(_task(folder, number, tasks.get(number)) for number in numbers),
    )


def _task(folder: Path, number: int | None, known: Task | None) -> Task:
    file = folder / ("exit" if number is None else f"exit-{number}")
    status = file.read_text(encoding="utf-8").strip() if file.is_file() else ""
    if known is None:
        state = UNKNOWN if not status else "COMPLETED" if status == "0" else "FAILED"
        known = Task(number, state, "Slurm has forgotten it" if not status else "")
    is_failure = status not in ("", "0") and known.has_ended
    return Task(number, known.state, f"exit status {status}") if is_failure else known


def _known_tasks() -> dict[str, list[Task]]:
    """Tasks of this user that Slurm knows, by the id of their job; it forgets them some minutes after their end."""
    columns = "%A|%F|%K|%T|%r"
    done = _ran(
        "squeue", "--noheader", "--array", "--states=all", f"--user={os.getuid()}", f"--format={columns}",
    )  # fmt: skip
    if done.returncode != 0:
        raise ConnectionError(f"Slurm does not answer: {_reason(done)}")
    found: dict[str, list[Task]] = {}
    for line in done.stdout.splitlines():
        job, array, number, state, reason = line.split("|", 4)
        is_waiting = state == "PENDING" and reason not in ("None", "")
        task = Task(int(number) if number.isdecimal() else None, state, reason if is_waiting else "")
        found.setdefault(array if task.number is not None else job, []).append(task)
    return found


def _ran(program: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    path = shutil.which(program)
    if path is None:
        raise FileNotFoundError(
            f"There is no {program} on this machine (PATH): run this on a login node of the cluster."
        )
    try:
        return subprocess.run(
            [path, *arguments],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=_TIMEOUT_S,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise ConnectionError(f"Slurm does not answer: {program} waited for {_TIMEOUT_S:.0f} s.") from error


def _reason(done: "subprocess.CompletedProcess[str]") -> str:
    """Slurm's message, as a sentence."""
    text = "; ".join(line.strip() for line in done.stderr.splitlines() if line.strip())
    return f"{text or 'it gave no reason'} (exit status {done.returncode})."
