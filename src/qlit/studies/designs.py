"""Cells of a study's design, computed by pydoe and scipy.

Shapes: N cells, F factors.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from qlit.studies.definition import Cell, Factor, Scalar, Study
from qlit.studies.design_kinds import MAX_CELLS, Design

_MAX_LEVELS = 2_000_000
"""Most levels in all cells together."""


def cells_of(study: Study) -> list[Cell]:
    """Different cells of a study's design, in training order; for a two-stage design the cells of the screening.

    Raises:
        ValueError: If the design does not exist for these factors, or is too large.
    """
    if study.design.screen is not None:
        study = study.screening
    return DESIGNERS[study.design.kind](study.factors, study.design)


def _full_factorial(factors: Sequence[Factor], design: Design) -> list[Cell]:  # noqa: ARG001 - one signature for all
    """All combinations; the first factors vary slowest, and a factor varies only if its condition holds."""
    cells: list[Cell] = [{}]
    for number, factor in enumerate(factors, 1):
        levels, before = _listed_levels(factor), cells
        num_cells = sum(len(levels) if factor.is_active(cell) else 1 for cell in before)
        if num_cells > MAX_CELLS:
            raise ValueError(
                f"The full factorial of the factors up to {factor.name!r} already has more than {MAX_CELLS:,} cells. "
                "Use fewer levels, or another design: plackett_burman to screen, tpe to search."
            )
        _check_levels(num_cells, number)
        cells = [
            {**cell, **taken}
            for cell in before
            for taken in ([{factor.name: level} for level in levels] if factor.is_active(cell) else [{}])
        ]
    return cells


def _check_levels(num_cells: int, num_factors: int) -> None:
    if num_cells * num_factors > _MAX_LEVELS:
        raise ValueError(
            f"`design` has {num_cells:,} cells of {num_factors} factors, more than {_MAX_LEVELS:,} levels in all; "
            "use fewer cells or factors."
        )


def _listed_levels(factor: Factor) -> list[Scalar]:
    if not factor.is_range:
        return list(factor.labels)
    if factor.num_steps >= MAX_CELLS:
        raise ValueError(
            f"Factor {factor.name!r} has {factor.num_steps + 1:,} values, but a design allows at most {MAX_CELLS:,}: "
            "list some of them, or set a larger `step`."
        )
    step = factor.step if factor.step is not None else 1
    return [factor.value(factor.low + number * step) for number in range(factor.num_steps + 1)]


def _fractional_factorial(factors: Sequence[Factor], design: Design) -> list[Cell]:
    from pydoe import ff2n, fracfact_by_res

    if len(factors) < design.resolution:  # with so few factors, every fraction has a lower resolution
        return _of_signs(factors, ff2n(len(factors)))
    try:
        signs = fracfact_by_res(len(factors), design.resolution)
    except ValueError as error:
        raise ValueError(
            f"There is no fractional factorial of resolution {design.resolution} for {len(factors)} factors; use 3, 4 "
            "or 5."
        ) from error
    return _of_signs(factors, signs)


def _plackett_burman(factors: Sequence[Factor], design: Design) -> list[Cell]:  # noqa: ARG001
    from pydoe import pbdesign

    try:
        signs = pbdesign(len(factors))
    except ValueError as error:
        raise ValueError(
            f"There is no Plackett-Burman design for {len(factors)} factors; use a fractional_factorial."
        ) from error
    return _of_signs(factors, signs)


def _of_signs(factors: Sequence[Factor], signs_NF: NDArray[np.float64]) -> list[Cell]:
    return [
        {factor.name: factor.ends[int(sign > 0)] for factor, sign in zip(factors, row, strict=True)} for row in signs_NF
    ]


def _latin_hypercube(factors: Sequence[Factor], design: Design) -> list[Cell]:
    from scipy.stats import qmc

    _check_levels(design.size, len(factors))

    return _of_points(factors, qmc.LatinHypercube(len(factors), rng=design.seed).random(design.size))


def _sobol(factors: Sequence[Factor], design: Design) -> list[Cell]:
    from scipy.stats import qmc

    _check_levels(design.size, len(factors))

    return _of_points(factors, qmc.Sobol(len(factors), rng=design.seed).random(design.size))


def _of_points(factors: Sequence[Factor], points_NF: NDArray[np.float64]) -> list[Cell]:
    """Cells at points of the unit cube, [0, 1); several points in one cell give the cell once."""
    cells = [
        {factor.name: level_at(factor, float(point)) for factor, point in zip(factors, row, strict=True)}
        for row in points_NF
    ]
    return [dict(items) for items in dict.fromkeys(tuple(cell.items()) for cell in cells)]


def level_at(factor: Factor, point: float) -> Scalar:
    """Level of a factor at a point of [0, 1): equal parts for levels and steps; a linear or logarithmic range."""
    if not factor.is_range:
        return factor.labels[int(point * len(factor.levels))]
    if not factor.log and (factor.is_integer or factor.step is not None):
        place = int(point * (factor.num_steps + 1))  # every value has an equal part
        return factor.value(factor.low + place * (factor.step if factor.step is not None else 1))
    if factor.log:
        return factor.value(factor.low * (factor.high / factor.low) ** point)
    return factor.value(factor.low + point * (factor.high - factor.low))


DESIGNERS: dict[str, Callable[[Sequence[Factor], Design], list[Cell]]] = {
    "full_factorial": _full_factorial,
    "fractional_factorial": _fractional_factorial,
    "plackett_burman": _plackett_burman,
    "latin_hypercube": _latin_hypercube,
    "sobol": _sobol,
}


def num_trainings(study: Study) -> int:
    """Largest number of trainings of a study: without pruning and, for two stages, with a search."""
    cells = study.design.sampling.size if study.design.sampling.is_search else 0
    if not study.design.is_search:
        cells += len(cells_of(study))
    return cells * len(study.replicates)
