"""`qlit study run`: prepare a study, and train it in worker processes."""

import signal
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch

from qlit.jobs.distributed.cores import Placement, placement_of
from qlit.jobs.study.contents import check_study
from qlit.jobs.study.embedding import data_modules_of, embed
from qlit.jobs.study.parent_run import ParentRun, Record
from qlit.jobs.study.setup import NamedStudy, check_cells, checked_configs
from qlit.jobs.study.supervisor import Supervisor
from qlit.runtime.interrupts import Interrupts
from qlit.studies.definition import Study
from qlit.studies.trials.storage_retry import retry_storage
from qlit.studies.trials.trials import Trials
from qlit.tracking.tracker import Status
from qlit.training.datamodule import SentenceDataModule


@dataclass(frozen=True)
class Preparation:
    """A checked study and what its workers will use.

    Args:
        placement: Cores and GPUs of this machine for the workers.
        num_workers: Number of workers.
        tracking: Section `tracking` of the config of its trainings.
        data: One data module for all trainings that embed the same sentences.
    """

    placement: Placement
    num_workers: int
    tracking: dict[str, Any]
    data: list[SentenceDataModule]


class Trained(NamedTuple):
    """A study after its workers have ended.

    Args:
        trials: Its trials, still open.
        status: Status of its own run in MLflow.
        stopped_by: Signal that stopped it; None without one.
    """

    trials: Trials
    status: Status
    stopped_by: signal.Signals | None


def prepare(study: Study, num_workers: int | None, trials_at_once: int = 1) -> Preparation:
    """Check a study before it is created, and choose the threads of this process for timing steps.

    Args:
        study: The study.
        num_workers: Number of workers; None for as many as this machine has places for.
        trials_at_once: Most trials that a worker trains at the same time.
    Raises:
        ValueError, UsageError, FileNotFoundError, ConnectionError: If the study cannot be trained, or its data is
            missing.
    """
    configs = checked_configs(study, trials_at_once)
    placement = placement_of(study.name, [config["trainer"] for config in configs])
    num_workers = placement.num_workers if num_workers is None else num_workers
    torch.set_num_threads(placement.num_threads(num_workers))
    data = data_modules_of(study, configs[0])
    check_cells(study)
    return Preparation(placement, num_workers, configs[0]["tracking"], data)


def train_study(
    named: NamedStudy,
    prepared: Preparation,
    study_file: Path,
    *,
    say: Callable[[str], None],
    progress: Callable[[Trials, float | None], str],
    record: Record,
) -> Trained:
    """Queue the trials that are not done, and train them in worker processes.

    Args:
        named: The study.
        prepared: Its preparation.
        study_file: The study file, which its run in MLflow keeps.
        say: Prints a message.
        progress: Returns a message about trials by state, and about the pace in the last so many seconds.
        record: As of `ParentRun`.
    Raises:
        ChangedError: If the data, the body or a setting of the study has changed since it started.
        ValueError: If a worker failed.
        OutageError: If MLflow, the storage of the trials or disk space stays unavailable.
    """
    trials = Trials(named.study, named.location)
    check_study(trials)
    lost = retry_storage(trials.recover)
    queued = retry_storage(trials.fill)
    num_left = retry_storage(lambda: trials.num_left)
    states = retry_storage(lambda: progress(trials, None))
    say(f"{named.study.name}: {queued} trials queued, {len(lost)} lost ones among them; {states}")
    if num_left:
        embed(prepared.data, len(prepared.placement.cores))
    num_workers = max(1, min(prepared.num_workers, num_left))
    supervisor = Supervisor(trials, named.arguments, prepared.placement, num_workers, say, partial(progress, trials))
    with Interrupts() as interrupts, ParentRun(trials, prepared.tracking, study_file, interrupts, record) as parent_run:
        supervisor.run(interrupts)
    return Trained(trials, parent_run.status, interrupts.signal)
