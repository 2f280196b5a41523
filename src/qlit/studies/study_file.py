"""Study files: YAML, read into a `Study`, with one sentence for whatever is wrong in them."""

import itertools
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qlit.runtime.secrets import has_credentials
from qlit.runtime.yaml_text import read_yaml
from qlit.studies.definition import Factor, Objective, Pruner, Replicate, Study
from qlit.studies.reading import home_expanded, listed, mapping, number, numeric, whole
from qlit.studies.reading_designs import check_factors, check_two_stages, read_design

_KEYS = (
    "name", "base", "overrides", "factors", "design", "replicates", "objectives", "pruner", "budget", "retries",
    "storage",
)  # fmt: skip
_NO_SCORES = ("parameters", "gates")


def read_study(path: str | Path) -> Study:
    """Read a study file.

    Args:
        path: The file; the paths in it are taken from its folder.
    Raises:
        FileNotFoundError: If the file, or a config it names, does not exist.
        ValueError: If it is not as it should be; the message says where and what would be right.
    """
    file = Path(path)
    if not file.is_file():
        raise FileNotFoundError(f"There is no study file {path} (in {Path.cwd()}); check the path.")
    content = read_yaml(file, f"the study file {path}")
    try:
        return _study(mapping(content, "A study file", _KEYS), file)
    except ValueError as error:
        raise ValueError(f"In the study file {path}: {error}") from error


def _study(content: dict[str, Any], file: Path) -> Study:
    if "base" not in content or not content.get("factors"):
        raise ValueError("`base` (a config, or a list of them) and `factors` must be given.")
    base = tuple(Path(os.path.normpath(file.parent / home_expanded(each))) for each in listed(content["base"]))
    for config in base:
        if not config.is_file():
            raise FileNotFoundError(f"There is no config {config}, the base of the study file {file}.")
    factors = tuple(
        _factor(str(name), value, file.parent) for name, value in mapping(content["factors"], "`factors`").items()
    )
    design = read_design(content.get("design", "full_factorial"))
    check_factors(factors, design)
    pruner = _pruner(content.get("pruner", "none"))
    objectives = tuple(map(_objective, listed(content.get("objectives", "val/accuracy"))))
    if pruner.kind != "none" and (not design.sampling.is_search or len(objectives) > 1):
        raise ValueError("a pruner needs a search with one objective: a design needs the values of all of its cells.")
    if len(objectives) > 1 and design.kind == "gp":
        raise ValueError("the search 'gp' has one objective here; use 'nsga2' or 'tpe' for several.")
    budget = mapping(content.get("budget") or {}, "`budget`", ("hours",))
    study = Study(
        name=_name(content.get("name", file.stem)),
        base=base,
        overrides=mapping(content.get("overrides") or {}, "`overrides`"),
        factors=factors,
        design=design,
        replicates=_replicates(content.get("replicates") or {}),
        objectives=objectives,
        pruner=pruner,
        hours=None if budget.get("hours") is None else number(budget["hours"], "`budget.hours`", 0),
        retries=whole(content.get("retries", 2), "`retries`", 0),
        storage=content.get("storage"),
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
    keys = tuple(map(str, listed(given.get("keys", name))))
    if "keys" not in given and "." not in name and name != "config":
        raise ValueError(f"{where} names no config key: add `keys`, one key with dots or a list of them.")
    when = {
        str(other): tuple(map(numeric, listed(levels)))
        for other, levels in mapping(given.get("when") or {}, f"`when` of {where}").items()
    }
    screen = tuple(map(numeric, listed(given.get("screen", []))))
    if "values" in given:
        if {"low", "high", "log", "step"} & given.keys():
            raise ValueError(f"{where} has `values` and a range; give one of them.")
        levels = tuple(map(numeric, listed(given["values"])))
        if not levels:
            raise ValueError(f"{where} has no values.")
        if any(has_credentials(str(level)) for level in levels):
            raise ValueError(f"{where} has a password among its values, which storages keep; leave it out.")
        configs = [folder / home_expanded(each) for each in levels] if "config" in keys else []
        if missing := [each for each in configs if not each.is_file()]:
            raise FileNotFoundError(f"There is no config {missing[0]}, a level of factor {name!r}.")
        return Factor(name, keys, levels, when=when, screen=screen)
    if not {"low", "high"} <= given.keys():
        raise ValueError(f"{where} must have `values`, or `low` and `high`.")
    step = given.get("step")
    return Factor(
        name, keys,
        low=number(given["low"], f"`low` of {where}"), high=number(given["high"], f"`high` of {where}"),
        log=bool(given.get("log", False)), step=None if step is None else number(step, f"`step` of {where}"),
        when=when, screen=screen,
    )  # fmt: skip


def _replicates(value: Any) -> tuple[Replicate, ...]:
    given = mapping(value, "`replicates`", ("seeds", "splits"))
    parts = []
    for name in ("seeds", "splits"):
        numbers = [whole(each, f"`replicates.{name}`", 0) for each in listed(given.get(name, 0))]
        if not numbers or len(set(numbers)) < len(numbers):
            raise ValueError(f"`replicates.{name}` must be different numbers, but got {numbers}.")
        parts.append(numbers)
    return tuple(Replicate(seed, split) for split, seed in itertools.product(parts[1], parts[0]))


def _objective(value: Any) -> Objective:
    given = mapping({"metric": value} if isinstance(value, str) else value, "`objectives`", ("metric", "direction"))
    metric = str(given.get("metric", "val/accuracy"))
    if metric.startswith("test/"):
        raise ValueError(f"the objective {metric!r} would tune on the test sentences; use its `val/` twin.")
    if not metric.startswith("val/") and metric not in _NO_SCORES:
        raise ValueError(f"an objective is a `val/` score, {' or '.join(_NO_SCORES)}, but got {metric!r}.")
    less_is_better = metric in _NO_SCORES or "loss" in metric or "error" in metric
    direction = given.get("direction", "minimize" if less_is_better else "maximize")
    if direction not in ("maximize", "minimize"):
        raise ValueError(f"`direction` of {metric!r} must be maximize or minimize, but got {direction!r}.")
    return Objective(metric, direction)


def _pruner(value: Any) -> Pruner:
    given = mapping({"kind": value} if isinstance(value, str) else value, "`pruner`", ("kind", "warmup_epochs"))
    kind = given.get("kind", "none")
    if kind not in ("none", "median", "halving"):
        raise ValueError(f"`pruner.kind` must be none, median or halving, but got {kind!r}.")
    return Pruner(kind, whole(given.get("warmup_epochs", 10), "`pruner.warmup_epochs`", 1))


def _name(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", value):
        raise ValueError(f"`name` must be letters, digits, dots, dashes and underscores, but got {value!r}.")
    return value
