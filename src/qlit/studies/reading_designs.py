"""The design of a study file, and whether its factors suit it."""

from collections.abc import Sequence
from typing import Any

from qlit.studies.definition import DESIGNS, SEARCHES, TWO_LEVEL, Design, Factor
from qlit.studies.reading import mapping, whole

_SIZED = {"latin_hypercube": "num_cells", "sobol": "num_cells", **dict.fromkeys(SEARCHES, "num_trials")}


def read_design(value: Any) -> Design:
    """The design that a study file names, or describes.

    Raises:
        ValueError: If there is no such design.
    """
    given = mapping({"kind": value} if isinstance(value, str) else value, "`design`")
    kind = given.get("kind")
    if kind not in DESIGNS + SEARCHES:
        raise ValueError(f"`design.kind` must be one of {', '.join(DESIGNS + SEARCHES)}, but got {kind!r}.")
    sized = _SIZED.get(kind)
    known = ("kind", "seed", *((sized,) if sized else ()), *(("resolution",) if kind == "fractional_factorial" else ()))
    mapping(given, f"the design {kind!r}", known)
    if sized and sized not in given:
        raise ValueError(f"the design {kind!r} needs `{sized}`.")
    size = whole(given[sized], f"`design.{sized}`", 2) if sized else 0
    if kind == "sobol" and size & (size - 1):
        raise ValueError(f"a Sobol sequence is balanced for powers of 2 only, but got num_cells={size}.")
    resolution = whole(given.get("resolution", 4), "`design.resolution`", 3)
    return Design(kind, resolution, size, whole(given.get("seed", 0), "`design.seed`", 0))


def check_factors(factors: Sequence[Factor], design: Design) -> None:
    """Look whether factors can be varied by a design.

    Raises:
        ValueError: If a factor depends on what is not there, or has no levels that the design could take.
    """
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
