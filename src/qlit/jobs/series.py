"""Trainings of several configs with several seeds: find earlier ones, and train what is missing in this process."""

import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from qlit.data import expanded
from qlit.data.contents import Contents
from qlit.jobs.checks.readiness import Planned, check_all
from qlit.jobs.config.options import value_of
from qlit.jobs.distributed.cores import check_keeps_runs
from qlit.jobs.distributed.launchers import refuse_copies
from qlit.jobs.job import RESERVED_KEYS, Job
from qlit.jobs.outcome import Outcome
from qlit.runtime.interrupts import StoppedBySignal, raise_if_stopped
from qlit.runtime.quiet import is_quiet
from qlit.tracking.kept_runs import KeptRun, KeptRuns


@dataclass(frozen=True)
class Candidate:
    """A model that is trained with several seeds.

    Args:
        name: Name for messages and results.
        seeds: Values of both `data.seed` (split and batches) and `seed_everything` (starting parameters and shots).
        options: As of `Job`, without seeds.
        configs: As of `Job`.
        overrides: As of `Job`, without seeds.
    """

    name: str
    seeds: tuple[int, ...]
    options: tuple[str, ...] = ()
    configs: tuple[str | Path, ...] = ()
    overrides: Mapping[str, Any] = field(default_factory=dict)

    @property
    def job(self) -> Job:
        """Its training, without seeds."""
        return Job(self.options, configs=self.configs, overrides=self.overrides)


class Series:
    """The trainings of some candidates with their seeds.

    Only one process at a time may train a series: two processes would both train what is missing.

    Args:
        candidates: Candidates with different names.
    Raises:
        UsageError, ValueError: If a config is invalid or cannot be trained here.
    """

    def __init__(self, candidates: Sequence[Candidate]) -> None:
        self.candidates = tuple(candidates)
        self._jobs = [each.job for each in self.candidates]  # all, before the first hour of training
        for candidate, job in zip(self.candidates, self._jobs, strict=True):
            taken = [f"--{key}" for key in RESERVED_KEYS if value_of(f"--{key}", job.options) is not None]
            if taken:
                raise ValueError(
                    f"The trainings of a series get their own {taken[0]}; leave it out of {candidate.name}."
                )
            check_trainer(candidate.name, job.config["trainer"])
        for job in self._jobs:
            _ = job.runs  # an invalid tracking URI is also an error before the first training
        self.runs: list[dict[int, KeptRun]] = [{} for _ in self.candidates]
        """Finished runs of every candidate by seed, as far as `find` or `train` has read them."""
        self.diverged: list[dict[int, Outcome]] = [{} for _ in self.candidates]
        """Diverged trainings of every candidate by seed, as far as `find` or `train` has met them."""
        self._stopped: list[dict[int, Outcome]] = [{} for _ in self.candidates]

    @property
    def stores(self) -> list[KeptRuns]:
        """Readers of the stores of the candidates' runs."""
        return [job.runs for job in self._jobs]

    def contents(self) -> list[Contents]:
        """Contents of the data and the body of every candidate.

        Raises:
            ValueError, FileNotFoundError, ConnectionError: If data or body cannot be found or read.
        """
        return [job.contents for job in self._jobs]

    def find(self) -> None:
        """Look for earlier trainings of all candidates and seeds, and read the finished runs.

        Raises:
            ValueError, FileNotFoundError, ConnectionError: If there are runs, but the data or the body, whose contents
                identify them, cannot be found or read.
        """
        for number, candidate in enumerate(self.candidates):
            for seed in candidate.seeds:
                self._find(number, seed)

    def train(self) -> Outcome | None:
        """Train what is missing, and read the finished runs.

        The seeds are the outer loop, so that a stopped series has runs of all candidates to compare.

        Returns:
            The outcome "stopped" if a signal ended the series, which another call continues; None when it is complete.
        Raises:
            ValueError, UsageError: If a training is impossible (before the first one), or a run is incomplete.
        """
        refuse_copies("train the same models")
        try:
            return self._train_missing()
        except StoppedBySignal as stop:  # between two trainings
            return Outcome("stopped", stopped_by=stop.signal)

    def _train_missing(self) -> Outcome | None:
        self.contents()  # of all, before the first hour of training
        self.find()
        missing = [
            (seed, number)
            for number, candidate in enumerate(self.candidates)
            for seed in candidate.seeds
            if seed not in self.runs[number] and seed not in self.diverged[number]  # it would diverge again
        ]
        check_all(
            Planned(candidate.name, self._jobs[number].config, [seed for seed, of in missing if of == number])
            for number, candidate in enumerate(self.candidates)
        )
        for position, (seed, number) in enumerate(sorted(missing), 1):
            name = f"{self.candidates[number].name}, seed {seed}"
            _say(f"training {position} of {len(missing)}: {name}")
            outcome = self._train(number, seed)
            if outcome.status == "stopped":
                return outcome
            raise_if_stopped()
            self._find(number, seed)
            if (diverged := self.diverged[number].get(seed)) is not None:
                _say(f"{name}: {diverged.reason}")
            elif (run := self.runs[number].get(seed)) is not None:
                _say(f"{name}: test accuracy {run.predictions.is_right.mean():.2%}")
            else:
                raise ValueError(
                    f"The run of {name} is not complete in MLflow, so it cannot be read: run the same command again, "
                    "which continues it."
                )
        return None

    def diverged_text(self) -> str:
        """Sentences about the diverged trainings, with the reason of the first one; empty if there are none."""
        found = [
            (f"{candidate.name}, seed {seed} (run {run.run_id})", run.reason)
            for candidate, of_candidate in zip(self.candidates, self.diverged, strict=True)
            for seed, run in sorted(of_candidate.items())
        ]
        if not found:
            return ""
        count = sum(len(candidate.seeds) for candidate in self.candidates)
        return f"{len(found)} of {count} trainings diverged: {'; '.join(name for name, _ in found)}. {found[0][1]}"

    def _job(self, number: int, seed: int) -> Job:
        """The training of a candidate with a seed."""
        return self._jobs[number].with_settings({"data.seed": seed, "seed_everything": seed})

    def _find(self, number: int, seed: int) -> None:
        """Look for a training of a candidate, and keep it by its status."""
        found = self._job(number, seed).find()
        if found is None:
            return
        if found.status == "finished":
            self.runs[number][seed] = self._jobs[number].runs.read(str(found.run_id))
        else:
            (self.diverged if found.status == "failed" else self._stopped)[number][seed] = found

    def _train(self, number: int, seed: int) -> Outcome:
        """Train a candidate with a seed, from the checkpoint of a stopped training if there is one."""
        job, name = self._job(number, seed), self.candidates[number].name
        stopped = self._stopped[number].get(seed)
        settings = {
            "tracking.run_name": f"{name}, seed {seed}",
            "test_after_fit": True,
            "ckpt_path": None if stopped is None else stopped.checkpoint,
        }
        return job.with_settings(settings).run(tags={"series.model": name, "series.seed": str(seed)})


def stopped_status(command: str, stopped: Outcome) -> int:
    """Say that a signal stopped a series, and how to continue; return the exit status."""
    assert stopped.stopped_by is not None
    print(
        f"qlit {command}: stopped by {stopped.stopped_by.name}; run the same command again to continue", file=sys.stderr
    )
    return 128 + stopped.stopped_by


def _say(text: str) -> None:
    if not is_quiet():
        print(f"qlit: {text}", file=sys.stderr, flush=True)


def candidate_of(config: str, overrides: Sequence[str], seeds: Sequence[int]) -> Candidate:
    """Make a candidate from an argument of the command line.

    Args:
        config: A config file, optionally with its own options: "a.yaml --model.lr 0.01".
        overrides: Options for all candidates; a candidate's own options win.
        seeds: Seeds of the candidate.
    Returns:
        The candidate; its name consists of the file name and its own options.
    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If a quotation is not closed.
    """
    path, *own = _words(config)
    path = str(expanded(path, "--config"))
    if not Path(path).is_file():
        raise FileNotFoundError(f"There is no config {path} (in {Path.cwd()}); check the path.")
    words = [word.rpartition(".")[2] if word.startswith("--") else word for word in own]
    name = " ".join([Path(path).stem, *words])
    return Candidate(name, tuple(seeds), (*overrides, *own), configs=(path,))


def _words(config: str) -> list[str]:
    try:
        words = shlex.split(config)
    except ValueError as error:
        if Path(config).is_file():
            return [config]
        raise ValueError(f"The config {config} has a quotation that is not closed.") from error
    if words and Path(words[0]).is_file():
        return words
    return [config] if not words or " --" not in config else words  # a path may contain spaces


def check_trainer(name: str, trainer: dict[str, Any]) -> None:
    """Raise a ValueError if a series cannot run trainings of this config one after another in one process."""
    one_device = trainer["devices"] in (1, "1") or (trainer["devices"] == "auto" and torch.cuda.device_count() < 2)
    if trainer["strategy"] != "auto" or trainer["num_nodes"] != 1 or not one_device:
        raise ValueError(
            f"A series trains in one process, but {name} has strategy {trainer['strategy']!r}, devices "
            f"{trainer['devices']!r} and num_nodes {trainer['num_nodes']}. Train with `qlit fit`, and compare the runs."
        )
    check_keeps_runs("series", name, trainer)
