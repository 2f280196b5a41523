"""Trainings of several configs with several seeds: the missing ones are run, in this process, the others found."""

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
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
from qlit.tracking.kept_runs import KeptRun


@dataclass(frozen=True)
class Candidate:
    """A model that is trained with several seeds.

    Args:
        name: How it is called.
        options: As of `qlit fit`, `--config` included, without seeds.
        seeds: Each is `data.seed`, of split and batches, and `seed_everything`, of starting parameters and shots.
    """

    name: str
    options: tuple[str, ...]
    seeds: tuple[int, ...]


def stopped_status(command: str, stop: StoppedBySignal) -> int:
    """Tell that a series was stopped and how it goes on; the exit status of that."""
    print(f"qlit {command}: {stop}; the same command goes on", file=sys.stderr)
    return 128 + stop.signal


class Series:
    """The runs of some candidates.

    One process at a time: two that train the same series both train what is missing.

    Args:
        candidates: With names that differ.
    Raises:
        UsageError, ValueError: If a config cannot be understood or be trained here.
    """

    def __init__(self, candidates: Sequence[Candidate]) -> None:
        self.candidates = tuple(candidates)
        for candidate in self.candidates:
            taken = [f"--{key}" for key in RESERVED_KEYS if value_of(f"--{key}", candidate.options) is not None]
            if taken:
                raise ValueError(
                    f"The trainings of a series get their own {taken[0]}; leave it out of {candidate.name}."
                )
        self._jobs = [Job(each.options) for each in self.candidates]  # all, before the first hour of training
        for candidate, job in zip(self.candidates, self._jobs, strict=True):
            check_trainer(candidate.name, job.config["trainer"])
        for job in self._jobs:
            _ = job.runs  # a store that cannot be named is told before the first training, too
        self.diverged: list[dict[int, Outcome]] = [{} for _ in self.candidates]
        """The trainings of each candidate that diverged, by seed, as far as `found` or `trained` has met them."""

    def contents(self) -> list[Contents]:
        """What each candidate reads.

        Raises:
            ValueError, FileNotFoundError, ConnectionError: If data or body cannot be found or read.
        """
        return [job.contents for job in self._jobs]

    def found(self) -> list[dict[int, KeptRun]]:
        """The finished runs of each candidate, by seed.

        Raises:
            ValueError, FileNotFoundError, ConnectionError: If there are runs, and data or body, by whose contents they
                are known, cannot be found or read.
        """
        return [
            {seed: run for seed in candidate.seeds if (run := self._finished(number, seed))}
            for number, candidate in enumerate(self.candidates)
        ]

    def trained(self) -> list[dict[int, KeptRun]]:
        """The runs of each candidate by seed, after training those that are missing; without those in `diverged`.

        Seeds go outermost, so that what is there when it is stopped can be compared.

        Raises:
            StoppedBySignal: If a signal stopped a training; a second call goes on.
            ValueError, UsageError: If any of them cannot be trained, before the first is.
        """
        refuse_copies("train the same models")
        self.contents()  # of all, before the first hour of training
        runs = self.found()
        missing = [
            (seed, number)
            for number, candidate in enumerate(self.candidates)
            for seed in candidate.seeds
            if seed not in runs[number] and seed not in self.diverged[number]  # it would diverge again
        ]
        check_all(
            Planned(candidate.name, self._jobs[number].config, [seed for seed, of in missing if of == number])
            for number, candidate in enumerate(self.candidates)
        )
        for place, (seed, number) in enumerate(sorted(missing), 1):
            name = self.candidates[number].name
            print(f"qlit: training {place} of {len(missing)}: {name}, seed {seed}", file=sys.stderr, flush=True)
            outcome = self._train(number, seed)
            if outcome.stopped_by is not None:
                raise StoppedBySignal(outcome.stopped_by)
            raise_if_stopped()
            run = self._finished(number, seed)
            if (diverged := self.diverged[number].get(seed)) is not None:
                print(f"qlit: {name}, seed {seed}: {diverged.reason}", file=sys.stderr, flush=True)
                continue
            if run is None:
                raise ValueError(
                    f"The run of {name}, seed {seed}, is not complete in MLflow, so it cannot be read: run the same "
                    "command again, which goes on with it."
                )
            runs[number][seed] = run
            accuracy = run.predictions.is_right.mean()
            print(f"qlit: {name}, seed {seed}: test accuracy {accuracy:.2%}", file=sys.stderr, flush=True)
        return runs

    def diverged_text(self) -> str:
        """Which trainings diverged, and why the first of them did, in a sentence or two; empty if none did."""
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

    def _finished(self, number: int, seed: int) -> KeptRun | None:
        found = self._job(number, seed).find()
        if found is not None and found.status == "finished":
            return self._jobs[number].runs.read(str(found.run_id))
        if found is not None and found.status == "failed":
            self.diverged[number][seed] = found
        return None

    def _train(self, number: int, seed: int) -> Outcome:
        """Train a candidate with a seed, from the checkpoint of a stopped training if there is one."""
        job, name = self._job(number, seed), self.candidates[number].name
        found = job.find()
        checkpoint = found.checkpoint if found is not None and found.status == "stopped" else None
        settings = {"tracking.run_name": f"{name}, seed {seed}", "test_after_fit": True, "ckpt_path": checkpoint}
        return job.with_settings(settings).run(tags={"series.model": name, "series.seed": str(seed)})


def candidate_of(config: str, overrides: Sequence[str], seeds: Sequence[int]) -> Candidate:
    """A candidate as it is typed.

    Args:
        config: A config file, or one with options of its own in the same argument: "a.yaml --model.lr 0.01".
        overrides: Options for all candidates; own ones win.
        seeds: Its seeds.
    Returns:
        The candidate, named after the file and its own options.
    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a quotation in it is not closed.
    """
    path, *own = _words(config)
    path = str(expanded(path, "--config"))
    if not Path(path).is_file():
        raise FileNotFoundError(f"There is no config {path} (in {Path.cwd()}); check the path.")
    words = [word.rpartition(".")[2] if word.startswith("--") else word for word in own]
    name = " ".join([Path(path).stem, *words])
    return Candidate(name, ("--config", path, *overrides, *own), tuple(seeds))


def _words(config: str) -> list[str]:
    try:
        words = shlex.split(config)
    except ValueError as error:
        if Path(config).is_file():
            return [config]
        raise ValueError(f"The config {config} has a quotation that is not closed.") from error
    if words and Path(words[0]).is_file():
        return words
    return [config] if not words or " --" not in config else words  # a path may hold spaces


def split_overrides(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """A command's own arguments, and the options for configs: those with a dot in their name, and their values."""
    own: list[str] = []
    overrides: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        name, equals, _ = argument.partition("=")
        if not name.startswith("--") or "." not in name:
            own.append(argument)
            continue
        overrides += [argument] if equals else [argument, *([value] if (value := next(rest, None)) is not None else [])]
    return own, overrides


def check_trainer(name: str, trainer: dict[str, Any]) -> None:
    """Raise a ValueError if trainings of this config could not be made one after the other in one process."""
    one_device = trainer["devices"] in (1, "1") or (trainer["devices"] == "auto" and torch.cuda.device_count() < 2)
    if trainer["strategy"] != "auto" or trainer["num_nodes"] != 1 or not one_device:
        raise ValueError(
            f"A series trains in one process, but {name} has strategy {trainer['strategy']!r}, devices "
            f"{trainer['devices']!r} and num_nodes {trainer['num_nodes']}. Train with `qlit fit`, compare the runs."
        )
    check_keeps_runs("series", name, trainer)
