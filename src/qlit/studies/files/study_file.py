"""Read study files (YAML) with one sentence for every mistake in them."""

import itertools
import math
import os
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qlit.runtime.secrets import has_credentials
from qlit.runtime.shipped_configs import find_shipped
from qlit.runtime.yaml_text import read_yaml
from qlit.runtime.yaml_values import (
    home_expanded,
    listed,
    mapping,
    number,
    numeric,
    plain_key,
    section,
    shown,
    text,
    whole,
)
from qlit.studies.definition import Factor, Objective, Pruner, Replicate, Study, plain_config
from qlit.studies.files.designs import check_factors, check_two_stages, read_design

_KEYS = (
    "name", "base", "overrides", "factors", "design", "replicates", "objectives", "pruner", "budget", "retries",
    "storage",
)  # fmt: skip
_NO_SCORES = ("parameters", "gates")
SCORES = ("loss", "accuracy", "f1", "auroc", "calibration_error")
"""Scores of a validation, as computed by `qlit.training.scores.Scores`."""
MAX_FACTORS, MAX_REPLICATES, MAX_HOURS, MAX_RETRIES = 50, 10_000, 100_000, 1000
"""Limits beyond any use, checked before a design is computed."""


def read_study(path: str | Path) -> Study:
    """Read a study file.

    Args:
        path: The file; relative paths in it start at its folder.
    Raises:
        FileNotFoundError: If the file, or a config that it names, does not exist.
        ValueError: If it is invalid; the message says where, and what would be valid.
    """
    file = Path(path)
    if not file.is_file():
        raise FileNotFoundError(f"There is no study file {path} (in {Path.cwd()}); check the path.")
    content = read_yaml(file, f"the study file {path}")
    try:
        return _study(mapping(content, "A study file", _KEYS), file)
    except ValueError as error:
        raise ValueError(f"In the study file {path}: {error}") from error


def _config_named(name: str, folder: Path) -> Path:
    """A config's path from the folder of the study file, or else the config of qlit with this name."""
    path = Path(os.path.normpath(folder / home_expanded(name)))
    return path if path.is_file() else find_shipped(name) or path


def _study(content: dict[str, Any], file: Path) -> Study:
    if content.get("base") in (None, []) or content.get("factors") in (None, {}):
        raise ValueError("`base` (a config, or a list of them) and `factors` must be given.")
    configs = [text(each, "`base`") for each in listed(content["base"])]
    base = tuple(_config_named(each, file.parent) for each in configs)
    for config in base:
        if not config.is_file():
            raise FileNotFoundError(f"There is no config {config}, the base of the study file {file}.")
        plain_config(config, "the base")
    given = mapping(content["factors"], "`factors`")
    if len(given) > MAX_FACTORS:
        raise ValueError(f"There may be at most {MAX_FACTORS} `factors`, but got {len(given):,}.")
    factors = tuple(_factor(str(name), value, file.parent) for name, value in given.items())
    design = read_design(content.get("design", "full_factorial"))
    check_factors(factors, design)
    pruner = _pruner(content.get("pruner", "none"))
    objectives = _objectives(content.get("objectives", "val/accuracy"))
    if pruner.kind != "none" and (not design.sampling.is_search or len(objectives) > 1):
        raise ValueError("a pruner needs a search with one objective: a design needs the values of all of its cells.")
    if pruner.kind != "none" and not objectives[0].metric.startswith("val/"):
        raise ValueError(f"a pruner needs a `val/` score as the objective: {objectives[0].metric} is known at once.")
    if len(objectives) > 1 and design.kind == "gp":
        raise ValueError("the search 'gp' has one objective here; use 'nsga2' or 'tpe' for several.")
    budget = section(content.get("budget"), "`budget`", ("hours",))
    study = Study(
        name=_name(content.get("name", file.stem)),
        base=base,
        overrides=_overrides(content.get("overrides")),
        factors=factors,
        design=design,
        replicates=_replicates(content.get("replicates")),
        objectives=objectives,
        pruner=pruner,
        hours=None if budget.get("hours") is None else number(budget["hours"], "`budget.hours`", 0, MAX_HOURS),
        retries=whole(content.get("retries", 2), "`retries`", 0, MAX_RETRIES),
        storage=None if content.get("storage") is None else text(content["storage"], "`storage`"),
        folder=file.parent,
    )
    check_two_stages(study)
    return study


def _factor(name: str, value: Any, folder: Path) -> Factor:
    where = f"factor {name!r}"
    if not isinstance(value, Mapping):
        value = {"values": value}
    known = ("keys", "values", "low", "high", "log", "step", "when", "screen")
    given = mapping(value, where, known)
    keys = tuple(text(each, f"`keys` of {where}") for each in listed(given.get("keys", name)))
    if not keys or len({plain_key(key) for key in keys}) < len(keys):
        raise ValueError(f"`keys` of {where} must be different config keys, but got {shown(list(keys))}.")
    if "keys" not in given and "." not in name and name != "config":
        raise ValueError(f"{where} names no config key: add `keys`, one key with dots or a list of them.")
    when = {
        str(other): tuple(map(numeric, listed(levels)))
        for other, levels in section(given.get("when"), f"`when` of {where}").items()
    }
    screen = tuple(map(numeric, listed(given.get("screen", []))))
    if "values" in given:
        if {"low", "high", "log", "step"} & given.keys():
            raise ValueError(f"{where} has `values` and a range; remove one of them.")
        levels = tuple(map(numeric, listed(given["values"])))
        if not levels:
            raise ValueError(f"{where} has no values.")
        if nan := [level for level in levels if isinstance(level, float) and not math.isfinite(level)]:
            raise ValueError(f"`values` of {where} must be finite, but one is {nan[0]}.")
        if any(has_credentials(str(level)) for level in levels):
            raise ValueError(f"{where} has a password among its values, which would be stored; remove it.")
        configs = [folder / home_expanded(text(each, f"`values` of {where}")) for each in levels if "config" in keys]
        if missing := [each for each in configs if not each.is_file()]:
            raise FileNotFoundError(f"There is no config {missing[0]}, a level of {where}.")
        for config in configs:
            plain_config(config)
        return Factor(name, keys, levels, when=when, screen=screen)
    if not {"low", "high"} <= given.keys():
        raise ValueError(f"{where} must have `values`, or `low` and `high`.")
    step, log = given.get("step"), given.get("log", False)
    if not isinstance(log, bool):
        raise ValueError(f"`log` of {where} must be true or false, but got {shown(log)}.")
    return Factor(
        name, keys,
        low=number(given["low"], f"`low` of {where}"), high=number(given["high"], f"`high` of {where}"),
        log=log, step=None if step is None else number(step, f"`step` of {where}"),
        when=when, screen=screen,
    )  # fmt: skip


def _overrides(value: Any) -> dict[str, Any]:
    given = section(value, "`overrides`")
    keys = [text(key, "a key of `overrides`") for key in given]
    spellings = Counter(map(plain_key, keys))
    if twice := [key for key in keys if spellings[plain_key(key)] > 1]:
        raise ValueError(f"`overrides` has the key {shown(twice[0])} twice, with and without `init_args`; keep one.")
    return given


def _objectives(value: Any) -> tuple[Objective, ...]:
    objectives = tuple(map(_objective, listed(value)))
    metrics = [each.metric for each in objectives]
    if not metrics or len(set(metrics)) < len(metrics):
        raise ValueError(f"`objectives` must be different scores, at least one, but got {shown(metrics)}.")
    return objectives


def _replicates(value: Any) -> tuple[Replicate, ...]:
    given = section(value, "`replicates`", ("seeds", "splits"))
    parts = []
    for name in ("seeds", "splits"):
        numbers = [whole(each, f"`replicates.{name}`", 0, 2**32 - 1) for each in listed(given.get(name, 0))]
        if not numbers or len(set(numbers)) < len(numbers):
            raise ValueError(f"`replicates.{name}` must be different numbers, but got {shown(numbers)}.")
        parts.append(numbers)
    if len(parts[0]) * len(parts[1]) > MAX_REPLICATES:
        raise ValueError(
            f"There may be at most {MAX_REPLICATES:,} `replicates`, but {len(parts[0]):,} seeds on {len(parts[1]):,} "
            "splits are more."
        )
    return tuple(Replicate(seed, split) for split, seed in itertools.product(parts[1], parts[0]))


def _objective(value: Any) -> Objective:
    given = mapping({"metric": value} if isinstance(value, str) else value, "`objectives`", ("metric", "direction"))
    metric = text(given.get("metric", "val/accuracy"), "`objectives.metric`")
    if metric.startswith("test/"):
        raise ValueError(f"the objective {shown(metric)} would tune on the test sentences; use the `val/` score.")
    if metric not in (known := [*(f"val/{name}" for name in SCORES), *_NO_SCORES]):
        raise ValueError(f"an objective is one of {', '.join(known)}, but got {shown(metric)}.")
    less_is_better = metric in _NO_SCORES or "loss" in metric or "error" in metric
    direction = given.get("direction", "minimize" if less_is_better else "maximize")
    if direction not in ("maximize", "minimize"):
        raise ValueError(
            f"`direction` of the objective {metric!r} must be maximize or minimize, but got {shown(direction)}."
        )
    return Objective(metric, direction)


def _pruner(value: Any) -> Pruner:
    given = mapping({"kind": value} if isinstance(value, str) else value, "`pruner`", ("kind", "warmup_epochs"))
    kind = given.get("kind", "none")
    if kind not in ("none", "median", "halving"):
        raise ValueError(f"`pruner.kind` must be none, median or halving, but got {shown(kind)}.")
    return Pruner(kind, whole(given.get("warmup_epochs", 10), "`pruner.warmup_epochs`", 1, 10**6))


def _name(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{,99}", value):
        raise ValueError(
            f"`name` must be at most 100 letters, digits, dots, dashes, underscores, but got {shown(value)}."
        )
    return value
