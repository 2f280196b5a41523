"""Definition of a study: factors, design, replicates, objectives; plain values, checked when they are created."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from qlit.runtime.digest import digest
from qlit.runtime.yaml_text import loaded, read_text, safe_load
from qlit.runtime.yaml_values import shown
from qlit.studies.design_kinds import Design
from qlit.studies.overrides import SERVER

MAX_STEPS = 100_000
MAX_WHOLE = 2**53
"""Largest whole number that a sampler can distinguish from its neighbours."""
Scalar = bool | int | float | str | None
Cell = dict[str, Scalar]
"""Levels of the active factors, by the factor's name."""


@dataclass(frozen=True)
class Factor:
    """A factor of a study, with levels or a range.

    Args:
        name: Name of the factor.
        keys: Dotted config keys that it sets. All get the same value, or one value each if a level is a list of as
            many values. The key `config` adds a config file.
        levels: Levels; empty for a range.
        low: Lower end of a range.
        high: Upper end, included.
        log: Whether a range is sampled on a logarithmic scale.
        step: Distance of the values of a range, starting at `low`; None for all values.
        when: Levels of other factors for which this one is active, by their names; otherwise it sets nothing.
        screen: The two levels, or values of a range, for the screening of a two-stage study; empty for the ends.

    Raises:
        ValueError: If it has no or equal levels, an empty range, or a `screen` that is not among its values.
    """

    name: str
    keys: tuple[str, ...]
    levels: tuple[Any, ...] = ()
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    step: float | None = None
    when: Mapping[str, tuple[Scalar, ...]] = field(default_factory=dict)
    screen: tuple[Any, ...] = ()

    def __post_init__(self) -> None:
        self._check_domain()
        if self.screen and (len(self.screen) != 2 or self.screen[0] == self.screen[1]):
            raise ValueError(f"Factor {self.name!r} is screened at two levels, not at {shown(list(self.screen))}.")
        if foreign := [level for level in self.screen if not self._has(level)]:
            raise ValueError(
                f"Factor {self.name!r} is screened at {shown(foreign[0])}, which is not one of its values."
            )

    def _check_domain(self) -> None:
        if len(set(self.labels)) < len(self.labels):
            raise ValueError(f"The levels of factor {self.name!r} must differ, but got {shown(list(self.levels))}.")
        if self.levels:
            return
        if not self.low < self.high or not math.isfinite(self.high - self.low):
            raise ValueError(f"The range of factor {self.name!r} is empty: low={self.low}, high={self.high}.")
        if self.log and self.low <= 0:
            raise ValueError(f"A logarithmic range must be above 0, but factor {self.name!r} starts at {self.low}.")
        if self.step is not None and not 0 < self.step <= self.high - self.low:
            raise ValueError(f"The step of factor {self.name!r} must fit into its range, but got {self.step}.")
        if self.is_integer and max(abs(self.low), abs(self.high)) > MAX_WHOLE:
            raise ValueError(
                f"The range of factor {self.name!r} must lie within {MAX_WHOLE:,}, but it is {self.low} to {self.high}."
            )
        if self.step is not None and self.num_steps >= MAX_STEPS:
            raise ValueError(
                f"The step {self.step} of factor {self.name!r} gives more than {MAX_STEPS:,} values; leave it out for "
                "all values of the range."
            )
        if self.log and self.step is not None:
            raise ValueError(f"Factor {self.name!r} is logarithmic, so it cannot have a step; remove one of the two.")

    @property
    def is_range(self) -> bool:
        return not self.levels

    @property
    def is_integer(self) -> bool:
        """Whether a range contains whole numbers: both ends, and the step if any, are written as whole numbers."""
        ends = (self.low, self.high, *(() if self.step is None else (self.step,)))
        return self.is_range and all(isinstance(end, int) for end in ends)

    @property
    def ends(self) -> tuple[Scalar, Scalar]:
        """First and last level; for a range its lowest and highest value in the form used by trials: 0.0, not 0."""
        if not self.is_range:
            return self.labels[0], self.labels[-1]
        if self.step is not None:
            return self.value(self.low), self.value(self.low + self.num_steps * self.step)
        return (self.low, self.high) if self.is_integer else (float(self.low), float(self.high))

    @property
    def num_steps(self) -> int:
        """Number of steps (of size 1 by default) that fit into the range."""
        return math.floor((self.high - self.low) / (self.step or 1) * (1 + 1e-12))

    def value(self, number: float) -> Scalar:
        """Convert a number to a value of the range: a whole number if the range is; 0.3 for 0.1 + 2 * 0.1."""
        return round(number) if self.is_integer else float(f"{number:.12g}")

    @cached_property
    def labels(self) -> tuple[Scalar, ...]:
        """Levels as plain values; a list becomes its JSON text."""
        return tuple(map(_label, self.levels))

    def _has(self, level: Any) -> bool:
        if not self.is_range:
            return level in self.levels
        if isinstance(level, bool) or not isinstance(level, int if self.is_integer else int | float):
            return False
        steps = (level - self.low) / self.step if self.step is not None else 0.0
        return self.low <= level <= self.high and math.isclose(steps, round(steps), abs_tol=1e-9)

    @property
    def screened(self) -> "Factor":
        """This factor with only the two levels that the screening compares."""
        if not self.screen:
            return replace(self, levels=self.levels or self.ends)
        as_had = self.value if self.is_range else lambda level: self.levels[self.levels.index(level)]
        return replace(self, levels=tuple(map(as_had, self.screen)), screen=())

    def settings(self, level: Scalar) -> dict[str, Any]:
        """Values by config key for a level, given as a label or a value of the range."""
        if self.is_range:
            return dict.fromkeys(self.keys, level)
        value = self.levels[self.labels.index(level)]
        if len(self.keys) > 1 and isinstance(value, list) and len(value) == len(self.keys):
            return dict(zip(self.keys, value, strict=True))
        return dict.fromkeys(self.keys, value)

    def is_active(self, cell: Mapping[str, Scalar]) -> bool:
        """Whether this factor is active with these levels of other factors."""
        return all(name in cell and cell[name] in levels for name, levels in self.when.items())


def _label(level: Any) -> Scalar:
    return level if isinstance(level, Scalar) else json.dumps(level)


@dataclass(frozen=True)
class Replicate:
    """One repetition of a cell.

    Args:
        seed: Value of `seed_everything`, for starting parameters and shots.
        split: Value of `data.seed`, for the split and the order of batches.
    """

    seed: int
    split: int


@dataclass(frozen=True)
class Objective:
    """Objective of a study.

    Args:
        metric: A validation score (`val/accuracy`) of the best epoch, or `parameters` or `gates`.
        direction: `maximize` or `minimize`.
    """

    metric: str = "val/accuracy"
    direction: Literal["maximize", "minimize"] = "maximize"


@dataclass(frozen=True)
class Pruner:
    """Rule by which a search stops a trial before its last epoch, because the score of the objective is poor.

    Args:
        kind: `none`; `median`: stop below the median of the earlier trials at the same epoch; `halving`: stop if not
            among the best third at epochs `warmup_epochs`, 3 and 9 times that, and so on.
        warmup_epochs: Epochs before the first decision.
    """

    kind: str = "none"
    warmup_epochs: int = 10


@dataclass(frozen=True)
class Study:
    """Content of a study file.

    Args:
        name: Name in the storage and in MLflow.
        base: Config files; later ones override earlier ones.
        overrides: Values by config key, for all cells.
        factors: Factors to vary.
        design: Design over the factors.
        replicates: Repetitions of every cell.
        objectives: Objectives; the first one decides which cell is best.
        pruner: Pruner of a search.
        hours: `qlit study run` starts no trial after this many hours; None for no limit.
        retries: Number of retries of a trial whose process died.
        storage: Storage of the trials; None for a journal file under mlruns/studies/.
        folder: Folder from which the paths of configs among the levels start.
    """

    name: str
    base: tuple[Path, ...]
    overrides: Mapping[str, Any]
    factors: tuple[Factor, ...]
    design: Design = field(default_factory=Design)
    replicates: tuple[Replicate, ...] = (Replicate(0, 0),)
    objectives: tuple[Objective, ...] = (Objective(),)
    pruner: Pruner = Pruner()
    hours: float | None = None
    retries: int = 2
    storage: str | None = None
    folder: Path = Path()

    @property
    def fingerprint(self) -> str:
        """16 hex digits over everything that defines the cells: all but name, budget, retries, storage and server.

        The places of the data and the body do not count, because the trials record their contents. Configs among the
        levels count with their content.
        """
        return self._fingerprint((*_PLACES, SERVER))

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """This fingerprint, and those that older versions of qlit recorded."""
        return self.fingerprint, self._fingerprint(_PLACES), self.named_fingerprint

    def _fingerprint(self, places: Sequence[str]) -> str:
        factors = [each for each in self.factors if "config" in each.keys]
        configs = [each.settings(label)["config"] for each in factors for label in each.labels]
        base = [_without(plain_config(path), places) for path in self.base]
        overrides = {key: value for key, value in self.overrides.items() if key not in places}
        return digest(
            [2, self._parts(base, overrides), [plain_config(self.folder / str(config)) for config in configs]]
        )

    @property
    def named_fingerprint(self) -> str:
        """Fingerprint of older versions, which covers the names of the data, the body and configs among the levels."""
        return digest(self._parts([plain_config(path) for path in self.base], dict(self.overrides)))

    def _parts(self, base: list[Any], overrides: dict[str, Any]) -> list[Any]:
        parts = [
            base,
            overrides,
            [[each.name, each.keys, each.levels, each.low, each.high, each.log, each.step, dict(each.when)]
             for each in self.factors],
            self.design.parts,
            [[each.seed, each.split] for each in self.replicates],
            [[each.metric, each.direction] for each in self.objectives],
            [self.pruner.kind, self.pruner.warmup_epochs],
        ]  # fmt: skip
        if self.design.screen is not None:  # other designs keep the fingerprint of older versions
            parts.append([each.screen for each in self.factors])
        return parts

    @property
    def screening(self) -> "Study":
        """First stage of a two-stage study as a study of its own, in which every factor has two levels.

        Raises:
            ValueError: If the study does not have two stages.
        """
        if self.design.screen is None:
            raise ValueError(f"Study {self.name!r} has no screening: its design is {self.design.kind}.")
        return replace(self, factors=tuple(each.screened for each in self.factors), design=self.design.screen)

    def settings(self, cell: Mapping[str, Scalar]) -> dict[str, Any]:
        """Values of a cell by config key: the overrides and the values of its levels."""
        found = dict(self.overrides)
        for factor in self.factors:
            if factor.name in cell:
                found |= factor.settings(cell[factor.name])
        return found


_PLACES = (
    *("data.source", "data.validation_source", "data.test_source", "data.text_column", "data.label_column"),
    *("data.second_text_column", "data.embeddings", "data.labels", "data.body", "data.cache_dir"),
)


def plain_config(path: Path, what: str = "the config") -> dict[str, Any]:
    """Read a config file.

    Raises:
        ValueError: If it is not a config; the message calls it `what`.
    """
    name = f"{what} {path}"
    # A fit reads dates as text, but this does not matter here.
    config = loaded(read_text(path, name), name, safe_load)
    if not isinstance(config, dict):
        raise ValueError(f"{name} must be keys with values, but is not; check the path.")
    return config


def _without(config: Any, places: Sequence[str]) -> Any:
    """A config without the given dotted keys, whether they are nested or written with dots."""
    if not isinstance(config, dict):
        return config
    left = {key: value for key, value in config.items() if key not in places}
    for section in dict.fromkeys(place.partition(".")[0] for place in places):
        if isinstance(left.get(section), dict):
            kept = {key: value for key, value in left[section].items() if f"{section}.{key}" not in places}
            left[section] = kept
            if not kept and section == "tracking":  # an empty tracking section is optional
                del left[section]
    return left
