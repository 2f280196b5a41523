"""A study from a command line: its file, overrides for all cells, its trainings, and checks of its cells."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from qlit.jobs.checks.readiness import Planned, check_all
from qlit.jobs.config.arguments import CommandParser, split_overrides
from qlit.jobs.distributed.cores import num_processes
from qlit.jobs.job import RESERVED_KEYS, Job
from qlit.runtime.errors import UsageError
from qlit.runtime.yaml_text import load_yaml
from qlit.studies.definition import Cell, Replicate, Study
from qlit.studies.designs import cells_of
from qlit.studies.files.study_file import read_study
from qlit.studies.fit_options import configs_and_overrides
from qlit.studies.trials.storage import Location, location_of


@dataclass(frozen=True)
class NamedStudy:
    """A study that a command line names.

    Args:
        study: Content of its file, with the overrides of the command line.
        location: Storage of its trials.
        arguments: Words that name the same study on the command line of a worker, and say how it works.
        trials_at_once: Most trials that a worker trains at the same time.
    """

    study: Study
    location: Location
    arguments: tuple[str, ...]
    trials_at_once: int = 1


def parse_arguments(parser: CommandParser, arguments: Sequence[str]) -> tuple[argparse.Namespace, NamedStudy]:
    """Parse the command line of a verb; return its options and its study.

    Options with a dot override config keys in all cells.

    Raises:
        UsageError, ValueError, FileNotFoundError: If the options or the study file are invalid.
    """
    own, overrides = split_overrides(arguments)
    options = parser.parse(own)
    study = read_study(options.config)
    given = _settings(overrides)
    if clash := [key for factor in study.factors for key in factor.keys if key in given]:
        raise UsageError(f"--{clash[0]} is a factor of study {study.name!r}, so it cannot be one value for all cells.")
    study = replace(study, overrides={**study.overrides, **given})
    keys = [*study.overrides, *(key for factor in study.factors for key in factor.keys)]
    if reserved := [key for key in keys if key in RESERVED_KEYS]:
        raise UsageError(f"a study sets {reserved[0]} itself; its file has `replicates` for seeds and splits.")
    location = location_of(options.storage or study.storage, study.name)
    at_once: int = getattr(options, "trials_at_once", 1)  # of verbs that train
    if at_once < 1:
        raise UsageError(f"`--trials_at_once >= 1` must hold, but got {at_once}.")
    words = ["--config", options.config, *(["--storage", options.storage] if options.storage else [])]
    words += ["--trials_at_once", str(at_once)] if at_once > 1 else []
    return options, NamedStudy(study, location, (*words, *overrides), at_once)


def _settings(overrides: Sequence[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    rest = iter(overrides)
    for argument in rest:
        name, equals, value = argument.removeprefix("--").partition("=")
        if not equals:
            following = next(rest, None)
            if following is None:
                raise UsageError(f"the option --{name} needs a value.")
            value = following
        found[name] = load_yaml(value, f"the value of --{name}")
    return found


def job_of(study: Study, cell: Mapping[str, Any]) -> Job:
    """The training of a cell; seeds are not set."""
    configs, overrides = configs_and_overrides(study, cell)
    return Job(configs=configs, overrides=overrides)


def replicate_of(job: Job, replicate: Replicate, name: str) -> Job:
    """One training of a cell, with the seed and split of a replicate and a name for its run."""
    return job.with_settings(
        {
            "data.seed": replicate.split,
            "seed_everything": replicate.seed,
            "tracking.run_name": name,
            "test_after_fit": True,
        }
    )


def checked_configs(study: Study, trials_at_once: int = 1) -> list[dict[str, Any]]:
    """Parse the configs of the first and the last cell.

    Args:
        study: The study.
        trials_at_once: Most trials that a worker trains at the same time.
    Raises:
        UsageError, ValueError: If a config is invalid (an unknown key of a factor is named with the nearest known one),
            or if a study cannot run such trainings.
    """
    first, last = extreme_cells(study)
    configs = [job_of(study, cell).config for cell in ([first] if last == first else [first, last])]
    for config in configs:
        count = num_processes(study.name, config["trainer"])
        if count is not None and trials_at_once > 1:
            raise UsageError(
                f"{study.name} trains every trial in {count} processes, of which a worker runs one trial at a time: "
                "leave out --trials_at_once, or `trainer.strategy: ddp`."
            )
    return configs


def check_cells(study: Study) -> None:
    """Check cells of a design that together have all levels, before the first training.

    The cells of a search are not checked: it may draw impossible combinations, and learns from their failures.

    Raises:
        UsageError, ValueError, FileNotFoundError, ConnectionError: As `check_all`.
    """
    if study.design.is_search:
        return
    chosen: list[Cell] = []
    seen: set[tuple[str, str]] = set()
    for cell in cells_of(study):
        levels = {(name, str(level)) for name, level in cell.items()}
        if not chosen or not levels <= seen:
            chosen.append(cell)
            seen |= levels
    splits = sorted({each.split for each in study.replicates})
    check_all(_planned(study, cell, splits) for cell in chosen)


def _planned(study: Study, cell: Cell, splits: Sequence[int]) -> Planned:
    config = job_of(study, cell).config
    levels = ", ".join(f"{name.rpartition('.')[2]} {level}" for name, level in cell.items())
    return Planned(f"{study.name} ({levels})", config, splits, num_processes(study.name, config["trainer"]) or 1)


def extreme_cells(study: Study) -> tuple[Cell, Cell]:
    """The first and the last cell of a design; the cells of the lowest and the highest levels of a search."""
    if not study.design.is_search:
        cells = cells_of(study)
        return cells[0], cells[-1]
    ends: tuple[Cell, Cell] = ({}, {})
    for factor in study.factors:
        for cell, level in zip(ends, factor.ends, strict=True):
            if factor.is_active(cell):
                cell[factor.name] = level
    return ends
