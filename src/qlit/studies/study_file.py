"""Study files: YAML, read into a `Study`, with one sentence for whatever is wrong in them."""

import itertools
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from qlit.studies.definition import (
    DESIGNS,
    SEARCHES,
    TWO_LEVEL,
    Design,
    Factor,
    Objective,
    Pruner,
    Replicate,
    Study,
)

_KEYS = (
    "name", "base", "overrides", "factors", "design", "replicates", "objectives", "pruner", "budget", "retries",
    "storage",
)  # fmt: skip
_SIZED = {"latin_hypercube": "num_cells", "sobol": "num_cells", **dict.fromkeys(SEARCHES, "num_trials")}
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
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ValueError(f"The study file {path} is no YAML: {' '.join(str(error).split())}.") from error
    try:
        return _study(_mapping(content, "A study file", _KEYS), file)
    except ValueError as error:
        raise ValueError(f"In the study file {path}: {error}") from error


def _study(content: dict[str, Any], file: Path) -> Study:
    if "base" not in content or not content.get("factors"):
        raise ValueError("`base` (a config, or a list of them) and `factors` must be given.")
    base = tuple(Path(os.path.normpath(file.parent / str(each))) for each in _listed(content["base"]))
    for config in base:
        if not config.is_file():
            raise FileNotFoundError(f"There is no config {config}, the base of the study file {file}.")
    factors = tuple(
        _factor(str(name), value, file.parent) for name, value in _mapping(content["factors"], "`factors`").items()
    )
    design = _design(content.get("design", "full_factorial"))
    _check_conditions(factors, design)
    pruner = _pruner(content.get("pruner", "none"))
    objectives = tuple(map(_objective, _listed(content.get("objectives", "val/accuracy"))))
    if pruner.kind != "none" and (not design.is_search or len(objectives) > 1):
        raise ValueError("a pruner needs a search with one objective: a design needs the values of all of its cells.")
    if len(objectives) > 1 and design.kind == "gp":
        raise ValueError("the search 'gp' has one objective here; use 'nsga2' or 'tpe' for several.")
    budget = _mapping(content.get("budget") or {}, "`budget`", ("hours",))
    return Study(
        name=_name(content.get("name", file.stem)),
        base=base,
        overrides=_mapping(content.get("overrides") or {}, "`overrides`"),
        factors=factors,
        design=design,
        replicates=_replicates(content.get("replicates") or {}),
        objectives=objectives,
        pruner=pruner,
        hours=None if budget.get("hours") is None else _number(budget["hours"], "`budget.hours`", 0),
        retries=_whole(content.get("retries", 2), "`retries`", 0),
        storage=content.get("storage"),
        folder=file.parent,
    )


def _factor(name: str, value: Any, folder: Path) -> Factor:
    where = f"factor {name!r}"
    if not isinstance(value, Mapping):
        value = {"values": value}
    known = ("keys", "values", "low", "high", "log", "step", "when")
    given = _mapping(value, where, known)
    keys = tuple(map(str, _listed(given.get("keys", name))))
    if "keys" not in given and "." not in name and name != "config":
        raise ValueError(f"{where} names no config key: add `keys`, one key with dots or a list of them.")
    when = {
        str(other): tuple(map(_numeric, _listed(levels)))
        for other, levels in _mapping(given.get("when") or {}, f"`when` of {where}").items()
    }
    if "values" in given:
        if {"low", "high", "log", "step"} & given.keys():
            raise ValueError(f"{where} has `values` and a range; give one of them.")
        levels = tuple(map(_numeric, _listed(given["values"])))
        if not levels:
            raise ValueError(f"{where} has no values.")
        if "config" in keys and (missing := [each for each in levels if not (folder / str(each)).is_file()]):
            raise FileNotFoundError(f"There is no config {folder / str(missing[0])}, a level of factor {name!r}.")
        return Factor(name, keys, levels, when=when)
    if not {"low", "high"} <= given.keys():
        raise ValueError(f"{where} must have `values`, or `low` and `high`.")
    step = given.get("step")
    return Factor(
        name, keys,
        low=_number(given["low"], f"`low` of {where}"), high=_number(given["high"], f"`high` of {where}"),
        log=bool(given.get("log", False)), step=None if step is None else _number(step, f"`step` of {where}"),
        when=when,
    )  # fmt: skip


def _check_conditions(factors: Sequence[Factor], design: Design) -> None:
    for number, factor in enumerate(factors):
        earlier = {each.name: each for each in factors[:number]}
        for other, levels in factor.when.items():
            if other not in earlier or earlier[other].is_range:
                raise ValueError(
                    f"factor {factor.name!r} depends on {other!r}, which must be a factor with values above it."
                )
            if unknown := [level for level in levels if level not in earlier[other].labels]:
                raise ValueError(
                    f"factor {factor.name!r} depends on {other!r} being {unknown[0]!r}, which it never is."
                )
        if factor.when and not (design.is_search or design.kind == "full_factorial"):
            raise ValueError(
                f"in a {design.kind} every factor is active in every cell, but {factor.name!r} has `when`."
            )
        if design.kind == "full_factorial" and factor.is_range and factor.step is None and not factor.is_integer:
            raise ValueError(f"a full factorial needs the values of {factor.name!r}: list them, or give a `step`.")
        if design.kind in TWO_LEVEL and not factor.is_range and len(factor.levels) != 2:
            raise ValueError(
                f"a {design.kind} has two levels a factor, but {factor.name!r} has {len(factor.levels)}; name two."
            )


def _design(value: Any) -> Design:
    given = _mapping({"kind": value} if isinstance(value, str) else value, "`design`")
    kind = given.get("kind")
    if kind not in DESIGNS + SEARCHES:
        raise ValueError(f"`design.kind` must be one of {', '.join(DESIGNS + SEARCHES)}, but got {kind!r}.")
    sized = _SIZED.get(kind)
    known = ("kind", "seed", *((sized,) if sized else ()), *(("resolution",) if kind == "fractional_factorial" else ()))
    _mapping(given, f"the design {kind!r}", known)
    if sized and sized not in given:
        raise ValueError(f"the design {kind!r} needs `{sized}`.")
    size = _whole(given[sized], f"`design.{sized}`", 2) if sized else 0
    if kind == "sobol" and size & (size - 1):
        raise ValueError(f"a Sobol sequence is balanced for powers of 2 only, but got num_cells={size}.")
    resolution = _whole(given.get("resolution", 4), "`design.resolution`", 3)
    return Design(kind, resolution, size, _whole(given.get("seed", 0), "`design.seed`", 0))


def _replicates(value: Any) -> tuple[Replicate, ...]:
    given = _mapping(value, "`replicates`", ("seeds", "splits"))
    parts = []
    for name in ("seeds", "splits"):
        numbers = [_whole(each, f"`replicates.{name}`", 0) for each in _listed(given.get(name, 0))]
        if not numbers or len(set(numbers)) < len(numbers):
            raise ValueError(f"`replicates.{name}` must be different numbers, but got {numbers}.")
        parts.append(numbers)
    return tuple(Replicate(seed, split) for split, seed in itertools.product(parts[1], parts[0]))


def _objective(value: Any) -> Objective:
    given = _mapping({"metric": value} if isinstance(value, str) else value, "`objectives`", ("metric", "direction"))
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
    given = _mapping({"kind": value} if isinstance(value, str) else value, "`pruner`", ("kind", "warmup_epochs"))
    kind = given.get("kind", "none")
    if kind not in ("none", "median", "halving"):
        raise ValueError(f"`pruner.kind` must be none, median or halving, but got {kind!r}.")
    return Pruner(kind, _whole(given.get("warmup_epochs", 10), "`pruner.warmup_epochs`", 1))


def _mapping(value: Any, where: str, known: Sequence[str] | None = None) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(f"{where} must be keys with values, but got {value!r}.")
    if known is not None and (unknown := [key for key in value if key not in known]):
        raise ValueError(f"{where} has no key {unknown[0]!r}; there are {', '.join(known)}.")
    return dict(value)


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list) else [value]


def _numeric(value: Any) -> Any:
    """YAML 1.1 reads 1e-3, without a dot, as text; who writes it means the number."""
    if isinstance(value, list):
        return [_numeric(each) for each in value]
    is_number = isinstance(value, str) and re.fullmatch(r"[-+]?\d+[eE][-+]?\d+", value)
    return float(value) if is_number else value


def _number(value: Any, where: str, least: float | None = None) -> Any:
    return _checked(value, where, least, (int, float), "a number")


def _whole(value: Any, where: str, least: int) -> int:
    number: int = _checked(value, where, least, (int,), "a whole number")
    return number


def _checked(value: Any, where: str, least: float | None, kinds: tuple[type, ...], what: str) -> Any:
    value = _numeric(value)
    is_of_kind = isinstance(value, kinds) and not isinstance(value, bool)
    if not is_of_kind or (least is not None and value < least):
        bound = "" if least is None else f" of {least} at least"
        raise ValueError(f"{where} must be {what}{bound}, but got {value!r}.")
    return value


def _name(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", value):
        raise ValueError(f"`name` must be letters, digits, dots, dashes and underscores, but got {value!r}.")
    return value
