"""Result of a two-stage study's screening; computed once and stored, so that all workers use the same one."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from qlit.studies.cell_results import levels_text
from qlit.studies.definition import Cell, Scalar


@dataclass(frozen=True)
class JudgedFactor:
    """A factor after the screening.

    Args:
        name: Name of the factor.
        levels: The two compared levels.
        difference: Mean difference of the objective, second minus first level.
        low: Lower end of the 95 % interval of the difference; None, like `high` and `p`, if there are too few
            trainings.
        high: Upper end.
        p: p value in the analysis of variance, not corrected for the number of factors.
        by: Effect that decides about the factor: the larger of its main effect and its interactions.
        by_p: p value of that effect.
        better: Level with the better mean; the first one if the means are equal.
        is_kept: Whether the factor is searched; otherwise it stays at `better`.
    """

    name: str
    levels: tuple[Scalar, Scalar]
    difference: float
    low: float | None
    high: float | None
    p: float | None
    by: str
    by_p: float | None
    better: Scalar
    is_kept: bool


@dataclass(frozen=True)
class Screened:
    """The factors after the screening.

    Args:
        factors: Factors, most important first.
        note: Limits of the analysis of variance; empty if there are none.
        starts: Levels of the kept factors from which the search starts, in addition to the cells of the screening.
    """

    factors: tuple[JudgedFactor, ...]
    note: str
    starts: tuple[Cell, ...]

    @property
    def kept(self) -> tuple[str, ...]:
        """Names of the searched factors, most important first."""
        return tuple(each.name for each in self.factors if each.is_kept)

    @property
    def fixed(self) -> Cell:
        """Fixed levels of the other factors."""
        return {each.name: each.better for each in self.factors if not each.is_kept}

    def plain(self) -> dict[str, Any]:
        """Convert to plain values for JSON."""
        return asdict(self)

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> "Screened":
        """Restore from the plain values of `plain`."""
        factors = (JudgedFactor(**{**each, "levels": tuple(each["levels"])}) for each in plain["factors"])
        return cls(tuple(factors), plain["note"], tuple(plain["starts"]))


def searched_text(screened: Screened) -> str:
    """Say what is searched after the screening: `search over lr; Q 10, E 2 stay`."""
    if not screened.kept:
        return "no factor matters enough to be searched"
    fixed = f"; {levels_text(screened.fixed)} stay" if screened.fixed else ""
    return f"search over {', '.join(screened.kept)}{fixed}"
