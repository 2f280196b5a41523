"""Number of processes of a study's training, and cores and GPUs of its workers."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from qlit.runtime.errors import UsageError


def num_processes(name: str, trainer: Mapping[str, Any]) -> int | None:
    """Number of processes that a training needs for itself; None if it runs in the process of its worker.

    Args:
        name: Name of the study, for messages.
        trainer: Options of the trainer; missing ones have Lightning's defaults.

    Raises:
        ValueError: If a study cannot run such trainings.
    """
    strategy, devices = trainer.get("strategy", "auto"), trainer.get("devices", "auto")
    num_nodes = trainer.get("num_nodes", 1)
    if num_nodes != 1:
        raise ValueError(
            f"A study trains each trial on one machine, but {name} has num_nodes {num_nodes}; leave it at 1, and let "
            "more machines work on the study (`qlit study worker`)."
        )
    if strategy not in ("auto", "ddp"):
        raise ValueError(
            f"A study trains in one process a trial (strategy 'auto') or several (strategy 'ddp'), but {name} has "
            f"strategy {strategy!r}."
        )
    check_keeps_runs("study", name, trainer)
    gpus = num_gpus(trainer)
    count = _count(devices, gpus)
    if count is None:
        raise ValueError(
            f"A study gives each trial a number of devices, but {name} has devices {devices!r}, and {gpus} GPUs are "
            "here; give a number, such as trainer.devices 1."
        )
    if count > max(gpus, 1) and gpus:
        raise ValueError(f"{name} has devices {devices!r}, but {gpus} GPU(s) are here.")
    return count if count > 1 or strategy == "ddp" else None


def check_keeps_runs(what: str, name: str, trainer: Mapping[str, Any]) -> None:
    """Raise a ValueError if trainings with these options record no runs, which a series or study needs."""
    if trainer.get("logger") is False or trainer.get("fast_dev_run") or trainer.get("barebones"):
        raise ValueError(
            f"A {what} needs the runs of its trainings, but {name} records none (trainer.logger false, fast_dev_run or "
            "barebones)."
        )
    for part, needed in (("test", "tests every model"), ("val", "chooses an epoch by validation")):
        limit = trainer.get(f"limit_{part}_batches")
        if limit is not None and not limit:
            raise ValueError(f"A {what} {needed}, but {name} has trainer.limit_{part}_batches {limit}; leave it out.")


def num_gpus(trainer: Mapping[str, Any]) -> int:
    """Number of GPUs of this machine that trainings with these options may use."""
    return 0 if trainer.get("accelerator") == "cpu" else torch.cuda.device_count()


def _count(devices: Any, gpus: int) -> int | None:
    if devices == "auto":
        return 1 if gpus < 2 else None
    try:
        count = int(devices)
    except (TypeError, ValueError):  # a list of devices
        return None
    return count if count >= 1 else None


@dataclass(frozen=True)
class Placement:
    """Cores and GPUs for the workers of a study.

    Args:
        num_processes: Number of processes of one training.
        cores: Cores that this process may use.
        gpus: Number of GPUs that the trainings may use.
        visible: CUDA_VISIBLE_DEVICES, the names of the GPUs; None for 0, 1, and so on.
    """

    num_processes: int
    cores: tuple[int, ...]
    gpus: int = 0
    visible: str | None = None

    @property
    def num_workers(self) -> int:
        """Default number of workers: one core, or one GPU, for every process of a training."""
        return max(1, (self.gpus or len(self.cores)) // self.num_processes)

    def cores_of(self, worker: int, num_workers: int) -> list[int]:
        """Cores of one of several workers; shared if there are more workers than cores."""
        return list(self.cores[worker::num_workers]) or [self.cores[worker % len(self.cores)]]

    def num_threads(self, num_workers: int) -> int:
        """Number of threads of a process of a training."""
        return max(1, len(self.cores) // (num_workers * self.num_processes))

    def environment_of(self, worker: int, num_workers: int) -> dict[str, str]:
        """Environment variables of one of several workers; GPUs are shared if there are too few."""
        threads = {"OMP_NUM_THREADS": str(len(self.cores_of(worker, num_workers)))}
        if not self.gpus:
            return threads
        names = self.visible.split(",") if self.visible else [str(number) for number in range(self.gpus)]
        first = worker % (self.gpus // self.num_processes) * self.num_processes
        return {**threads, "CUDA_VISIBLE_DEVICES": ",".join(names[first : first + self.num_processes])}


def placement_of(name: str, trainers: Sequence[Mapping[str, Any]]) -> Placement:
    """Cores and GPUs of this machine for the workers of a study, enough for its largest training.

    Args:
        name: Name of the study, for messages.
        trainers: Options of the trainers of its trainings.

    Raises:
        ValueError: As `num_processes`.
    """
    count = max(num_processes(name, trainer) or 1 for trainer in trainers)
    gpus = min(num_gpus(trainer) for trainer in trainers)
    return Placement(count, tuple(sorted(os.sched_getaffinity(0))), gpus, os.environ.get("CUDA_VISIBLE_DEVICES"))


def use_cores(cores: str) -> None:
    """Run this process and its threads on some cores alone.

    Args:
        cores: Their numbers, with commas between them: "0,1".
    Raises:
        UsageError: If they are not numbers.
    """
    numbers = cores.split(",")
    if not all(number.isdecimal() for number in numbers):
        raise UsageError(f"`--cores` must be numbers with commas between them, 0,1 say, but got {cores!r}.")
    os.sched_setaffinity(0, set(map(int, numbers)))
    torch.set_num_threads(len(numbers))
