"""What a study is: factors, a design over them, replicates, objectives; plain values, checked when they are made."""

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
"""Whole numbers that a sampler can tell from their neighbours."""
Scalar = bool | int | float | str | None
Cell = dict[str, Scalar]
"""The level of each factor that is active in it, by the factor's name."""


@dataclass(frozen=True)
class Factor:
    """Something that a study varies: levels, or a range.

    Args:
        name: How it is called.
        keys: The config keys that it sets, with dots; all to the same value, or where a level is a list of as many
            values, each to its own. The key `config` is a further config file.
        levels: Its levels; none for a range.
        low: Lower end of a range.
        high: Upper end, included.
        log: Whether a range is spread over its logarithm.
        step: Distance of the values of a range, from `low` on; None for all of them.
        when: Levels of other factors under which this one is active, by their names; elsewhere it sets nothing.
        screen: The two levels, or values of a range, that the screening of a two-stage study compares; none for its
            ends.

    Raises:
        ValueError: If it has no or equal levels, an empty range, or is screened at what it does not have.
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
            raise ValueError(f"Factor {self.name!r} is screened at {shown(foreign[0])}, which is none of its values.")

    def _check_domain(self) -> None:
        if len(set(self.labels)) < len(self.labels):
            raise ValueError(f"The levels of factor {self.name!r} must differ, but got {shown(list(self.levels))}.")
        if self.levels:
            return
        if not self.low < self.high or not math.isfinite(self.high - self.low):
            raise ValueError(f"The range of factor {self.name!r} is empty: low={self.low}, high={self.high}.")
        if self.log and self.low <= 0:
            raise ValueError(f"A logarithmic range must be above 0, but factor {self.name!r} begins at {self.low}.")
        if self.step is not None and not 0 < self.step <= self.high - self.low:
            raise ValueError(f"The step of factor {self.name!r} must fit into its range, but got {self.step}.")
        if self.is_integer and max(abs(self.low), abs(self.high)) > MAX_WHOLE:
            raise ValueError(
                f"The range of factor {self.name!r} must lie within {MAX_WHOLE:,}, but it is {self.low} to {self.high}."
            )
        if self.step is not None and self.num_steps >= MAX_STEPS:
            raise ValueError(
                f"The step {self.step} of factor {self.name!r} makes more than {MAX_STEPS:,} values; leave it out for "
                "all values of the range."
            )
        if self.log and self.step is not None:
            raise ValueError(f"Factor {self.name!r} is logarithmic, so it has no step; leave one of both out.")

    @property
    def is_range(self) -> bool:
        return not self.levels

    @property
    def is_integer(self) -> bool:
        """Whether a range holds whole numbers: both ends, and the step if there is one, are written as such."""
        ends = (self.low, self.high, *(() if self.step is None else (self.step,)))
        return self.is_range and all(isinstance(end, int) for end in ends)

    @property
    def ends(self) -> tuple[Scalar, Scalar]:
        """Its first and last level; of a range the lowest and the highest value, as a trial has them: 0.0, not 0."""
        if not self.is_range:
            return self.labels[0], self.labels[-1]
        if self.step is not None:
            return self.value(self.low), self.value(self.low + self.num_steps * self.step)
        return (self.low, self.high) if self.is_integer else (float(self.low), float(self.high))

    @property
    def num_steps(self) -> int:
        """How often the step, or 1 without one, fits into the range."""
        return math.floor((self.high - self.low) / (self.step or 1) * (1 + 1e-12))

    def value(self, number: float) -> Scalar:
        """A number as a value of the range: whole where its values are; 0.3 where it is 0.1 + 2 * 0.1."""
        return round(number) if self.is_integer else float(f"{number:.12g}")

    @cached_property
    def labels(self) -> tuple[Scalar, ...]:
        """The levels as plain values; a list as its JSON text."""
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
        """This factor with no other levels than the two that a screening compares."""
        if not self.screen:
            return replace(self, levels=self.levels or self.ends)
        as_had = self.value if self.is_range else lambda level: self.levels[self.levels.index(level)]
        return replace(self, levels=tuple(map(as_had, self.screen)), screen=())

    def settings(self, level: Scalar) -> dict[str, Any]:
        """What a level, a label or a value of the range, sets: values by config key."""
        if self.is_range:
            return dict.fromkeys(self.keys, level)
        value = self.levels[self.labels.index(level)]
        if len(self.keys) > 1 and isinstance(value, list) and len(value) == len(self.keys):
            return dict(zip(self.keys, value, strict=True))
        return dict.fromkeys(self.keys, value)

    def is_active(self, cell: Mapping[str, Scalar]) -> bool:
        """Whether it sets anything beside these levels of other factors."""
        return all(name in cell and cell[name] in levels for name, levels in self.when.items())


def _label(level: Any) -> Scalar:
    return level if isinstance(level, Scalar) else json.dumps(level)


@dataclass(frozen=True)
class Replicate:
    """One repetition of a cell.

    Args:
        seed: `seed_everything`: starting parameters and shots.
        split: `data.seed`: which sentences train, and the order of batches.
    """

    seed: int
    split: int


@dataclass(frozen=True)
class Objective:
    """What a study wants of a training.

    Args:
        metric: A validation score (`val/accuracy`) of the best epoch, or `parameters` or `gates`.
        direction: Whether more or less of it is better.
    """

    metric: str = "val/accuracy"
    direction: Literal["maximize", "minimize"] = "maximize"


@dataclass(frozen=True)
class Pruner:
    """When a search gives up a trial before its last epoch, by its validation accuracy.

    Args:
        kind: `none`; `median`: below the median of the earlier trials at that epoch; `halving`: not among the best
            third at epochs `warmup_epochs`, 3 and 9 times that, and so on.
        warmup_epochs: Epochs before it looks.
    """

    kind: str = "none"
    warmup_epochs: int = 10


@dataclass(frozen=True)
class Study:
    """A study, as its file describes it.

    Args:
        name: How it is called, in the storage and in MLflow.
        base: Config files; later ones win.
        overrides: Values by config key, for all cells.
        factors: What is varied.
        design: Over the factors.
        replicates: Repetitions of every cell.
        objectives: What is wanted; the first decides which cell is best.
        pruner: Of a search.
        hours: After so many hours of `qlit study run` no trial is begun; None for no limit.
        retries: How often a trial whose process died is tried again.
        storage: Where trials are kept; None for a journal file under mlruns/studies/.
        folder: From which the configs of a factor of configs are taken.
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
        """16 hex digits over what its cells and their values mean: all but name, budget, retries, storage and server.

        Not over where the data and the body lie: their contents are noted by themselves. Configs that are levels count
        by what they hold.
        """
        return self._fingerprint((*_PLACES, SERVER))

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """This fingerprint, and those that older versions noted."""
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
        """The fingerprint that older versions noted, over the names of data and body and of configs that are levels."""
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
        if self.design.screen is not None:  # the others keep the fingerprint that they always had
            parts.append([each.screen for each in self.factors])
        return parts

    @property
    def screening(self) -> "Study":
        """The first stage of a two-stage study, as a study of its own: each factor with its two levels.

        Raises:
            ValueError: If it has no two stages.
        """
        if self.design.screen is None:
            raise ValueError(f"Study {self.name!r} has no screening: its design is {self.design.kind}.")
        return replace(self, factors=tuple(each.screened for each in self.factors), design=self.design.screen)

    def settings(self, cell: Mapping[str, Scalar]) -> dict[str, Any]:
        """Values by config key of a cell: the overrides, and what its levels set."""
        found = dict(self.overrides)
        for factor in self.factors:
            if factor.name in cell:
                found |= factor.settings(cell[factor.name])
        return found


_PLACES = ("data.source", "data.text_column", "data.label_column", "data.body", "data.cache_dir")


def plain_config(path: Path, what: str = "the config") -> dict[str, Any]:
    """The content of a config file.

    Raises:
        ValueError: If it is none; a message calls it `what`.
    """
    name = f"{what} {path}"
    # Dates are as good here as the texts that a fit reads them as.
    config = loaded(read_text(path, name), name, safe_load)
    if not isinstance(config, dict):
        raise ValueError(f"{name} must be keys with values, but is none; check the path.")
    return config


def _without(config: Any, places: Sequence[str]) -> Any:
    """A config without keys that have dots in their names, nested or written with dots."""
    if not isinstance(config, dict):
        return config
    left = {key: value for key, value in config.items() if key not in places}
    for section in dict.fromkeys(place.partition(".")[0] for place in places):
        if isinstance(left.get(section), dict):
            kept = {key: value for key, value in left[section].items() if f"{section}.{key}" not in places}
            left[section] = kept
            if not kept and section == "tracking":  # one that names nothing else may be left out
                del left[section]
    return left
