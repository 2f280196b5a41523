"""Kinds of designs and searches, and their settings."""

from dataclasses import dataclass
from typing import Any

DESIGNS = ("full_factorial", "fractional_factorial", "plackett_burman", "latin_hypercube", "sobol")
"""Designs whose cells are known before the first training."""
SEARCHES = ("tpe", "gp", "nsga2", "random")
"""Searches, whose trials are chosen one after the other from the results of earlier trials."""
TWO_LEVEL = ("fractional_factorial", "plackett_burman")
TWO_STAGE = "two_stage"
"""Design of two stages: a screening at two levels, then a search over the factors that matter."""

MAX_CELLS = 100_000
"""Most cells of a design or trials of a search; more would fill the storage."""


@dataclass(frozen=True)
class Design:
    """Design of a study, which determines its cells.

    Args:
        kind: One of `DESIGNS` or `SEARCHES`, or `TWO_STAGE`.
        resolution: Resolution of a fractional factorial. 3: main effects are not confounded with each other; 4: nor
            with interactions of two factors; 5: these interactions are not confounded with each other.
        size: Cells of a Latin hypercube or a Sobol sequence (a power of 2), or trials of a search.
        seed: Seed of random designs and searches.
        screen: First stage of a two-stage design.
        search: Second stage, over the factors that matter.
        keep: Largest number of factors to search; None for all significant ones.
        significance: Search only factors with an effect or interaction with a lower p value; None to search `keep`
            factors, those with the largest effects.
    """

    kind: str = "full_factorial"
    resolution: int = 4
    size: int = 0
    seed: int = 0
    screen: "Design | None" = None
    search: "Design | None" = None
    keep: int | None = None
    significance: float | None = None

    @property
    def is_search(self) -> bool:
        """Whether all trials are chosen one after the other."""
        return self.kind in SEARCHES

    @property
    def sampling(self) -> "Design":
        """The design whose sampler draws trials: this one, or the search of a two-stage design."""
        return self.search or self

    @property
    def parts(self) -> list[Any]:
        """Convert to plain values for JSON."""
        parts: list[Any] = [self.kind, self.resolution, self.size, self.seed]
        if self.screen is not None and self.search is not None:
            parts += [self.screen.parts, self.search.parts, self.keep, self.significance]
        return parts
