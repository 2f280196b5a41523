"""What the screening of a two-stage study found, as the storage keeps it: made once, the same for all workers."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from qlit.studies.definition import Cell, Scalar


@dataclass(frozen=True)
class JudgedFactor:
    """A factor after the screening.

    Args:
        name: The factor.
        levels: The two that were compared.
        difference: Second against first, the mean difference of the objective.
        low: Lower end of its 95 % interval; None, as `high` and `p`, where no trainings are left over to tell it.
        high: Upper end.
        p: Its p value in the analysis of variance, not corrected for the number of factors.
        by: The effect that the factor is judged by, the largest that it has a part in: its own, or an interaction.
        by_p: The p value of that.
        better: The level with the better mean; the first if they are equal.
        is_kept: Whether it is searched; if not, it stays at `better`.
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
        factors: The ones that matter most first.
        note: What the analysis of variance could not tell; empty if nothing.
        starts: Levels of the kept factors from which the search starts, beside the cells of the screening.
    """

    factors: tuple[JudgedFactor, ...]
    note: str
    starts: tuple[Cell, ...]

    @property
    def kept(self) -> tuple[str, ...]:
        """Names of the factors that are searched, the ones that matter most first."""
        return tuple(each.name for each in self.factors if each.is_kept)

    @property
    def fixed(self) -> Cell:
        """The levels of the others."""
        return {each.name: each.better for each in self.factors if not each.is_kept}

    def plain(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return asdict(self)

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> "Screened":
        """From what `plain` gave."""
        factors = (JudgedFactor(**{**each, "levels": tuple(each["levels"])}) for each in plain["factors"])
        return cls(tuple(factors), plain["note"], tuple(plain["starts"]))
