"""The kinds of designs and searches, and what each is told."""

from dataclasses import dataclass
from typing import Any

DESIGNS = ("full_factorial", "fractional_factorial", "plackett_burman", "latin_hypercube", "sobol")
"""Designs whose cells are known before the first training."""
SEARCHES = ("tpe", "gp", "nsga2", "random")
"""Searches, whose trials are chosen one after the other by what the earlier ones reached."""
TWO_LEVEL = ("fractional_factorial", "plackett_burman")
TWO_STAGE = "two_stage"
"""A screening of two levels, then a search over the factors that it found to matter."""

MAX_CELLS = 100_000
"""Cells of a design, or trials of a search: nobody trains more, and they would fill the storage."""


@dataclass(frozen=True)
class Design:
    """Which cells a study trains.

    Args:
        kind: One of `DESIGNS` or `SEARCHES`, or `TWO_STAGE`.
        resolution: Of a fractional factorial: 3, main effects are clear of each other; 4, of interactions of two too;
            5, those are clear of each other.
        size: Cells of a Latin hypercube or a Sobol sequence (a power of 2), or trials of a search.
        seed: Of whatever is drawn.
        screen: First stage of a two-stage design.
        search: Its second stage, over the factors that matter.
        keep: The most factors that are searched; None for all that are significant.
        significance: Only factors with an effect or interaction whose p value is lower are searched; None for as many
            as `keep` says, the largest effects first.
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
        """Whether all of its trials are chosen one after the other."""
        return self.kind in SEARCHES

    @property
    def sampling(self) -> "Design":
        """Itself, or of two stages the search: whose sampler is asked."""
        return self.search or self

    @property
    def parts(self) -> list[Any]:
        """What it is, as JSON can hold it."""
        parts: list[Any] = [self.kind, self.resolution, self.size, self.seed]
        if self.screen is not None and self.search is not None:
            parts += [self.screen.parts, self.search.parts, self.keep, self.significance]
        return parts
