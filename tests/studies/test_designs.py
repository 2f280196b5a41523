"""Designs: as many cells as promised, balanced, all different, and as clear as their resolution says."""

import itertools

import numpy as np
import pytest

from qlit.studies.definition import Factor, Replicate, Study
from qlit.studies.design_kinds import Design
from qlit.studies.designs import MAX_CELLS, cells_of, num_trainings


def two_levels(num_factors):
    return tuple(Factor(f"f{number}", (f"a.f{number}",), (0, 1)) for number in range(num_factors))


def study(factors, kind, **design):
    return Study("s", (), {}, tuple(factors), Design(kind, **design))


def signs(cells):
    """Levels 0 and 1 as -1 and 1, shape (N, F)."""
    return 2 * np.array([list(cell.values()) for cell in cells]) - 1


def test_a_full_factorial_is_every_combination_once():
    factors = [Factor("q", ("a.q",), (10, 12, 14)), Factor("lr", ("a.lr",), (0.1, 0.2))]
    cells = cells_of(study(factors, "full_factorial"))
    assert cells == [{"q": q, "lr": lr} for q, lr in itertools.product((10, 12, 14), (0.1, 0.2))]


def test_a_full_factorial_takes_ranges_that_have_steps():
    factors = [Factor("n", ("a.n",), low=2, high=4), Factor("x", ("a.x",), low=0.1, high=0.3, step=0.1)]
    assert [tuple(cell.values()) for cell in cells_of(study(factors, "full_factorial"))] == list(
        itertools.product((2, 3, 4), (0.1, 0.2, 0.3))
    )


def test_a_factor_that_depends_on_another_has_no_part_in_other_cells():
    layers = Factor("layers", ("a.layers",), (0, 1))
    dim = Factor("dim", ("a.dim",), (48, 96), when={"layers": (1,)})
    cells = cells_of(study([layers, dim], "full_factorial"))
    assert cells == [{"layers": 0}, {"layers": 1, "dim": 48}, {"layers": 1, "dim": 96}]


def word_lengths(columns_NF):
    """Sizes of the sets of factors whose product is the same in every cell."""
    num_cells, num_factors = columns_NF.shape
    return {
        size
        for size in range(1, min(num_factors, 5) + 1)
        for chosen in itertools.combinations(range(num_factors), size)
        if abs(columns_NF[:, chosen].prod(axis=1).sum()) == num_cells
    }


@pytest.mark.parametrize(("num_factors", "resolution", "num_cells"), [(5, 3, 8), (7, 4, 16), (10, 4, 32), (5, 5, 16)])
def test_a_fractional_factorial_has_its_resolution(num_factors, resolution, num_cells):
    cells = cells_of(study(two_levels(num_factors), "fractional_factorial", resolution=resolution))
    columns = signs(cells)
    assert columns.shape == (num_cells, num_factors)
    assert min(word_lengths(columns), default=9) == resolution


@pytest.mark.parametrize("num_factors", [2, 10, 11, 20])
@pytest.mark.parametrize("kind", ["plackett_burman", "fractional_factorial"])
def test_screening_designs_are_balanced_and_orthogonal(kind, num_factors):
    cells = cells_of(study(two_levels(num_factors), kind))
    columns = signs(cells)
    assert (columns.T @ columns == len(cells) * np.eye(num_factors)).all()
    assert (columns.sum(axis=0) == 0).all()
    assert num_factors < len(cells) <= 64


def test_screening_takes_the_ends_of_a_range():
    factors = [*two_levels(2), Factor("lr", ("a.lr",), low=1e-4, high=1e-2, log=True)]
    assert {cell["lr"] for cell in cells_of(study(factors, "plackett_burman"))} == {1e-4, 1e-2}


def test_an_end_is_a_value_that_a_trial_can_have():
    factors = [
        Factor("x", ("a.x",), low=0, high=0.3),  # whole as it is written, but not as Optuna has it
        Factor("n", ("a.n",), low=0, high=10, step=3),
        Factor("y", ("a.y",), low=0.1, high=0.45, step=0.1),
    ]
    cells = cells_of(study(factors, "fractional_factorial"))
    assert [{str(cell[name]) for cell in cells} for name in "xny"] == [{"0.0", "0.3"}, {"0", "9"}, {"0.1", "0.4"}]


@pytest.mark.parametrize("kind", ["latin_hypercube", "sobol"])
def test_space_filling_designs_are_even_in_every_factor(kind):
    factors = [
        Factor("lr", ("a.lr",), low=1e-4, high=1e-2, log=True),
        Factor("n", ("a.n",), low=2, high=5),
        Factor("flag", ("a.flag",), (False, True)),
    ]
    cells = cells_of(study(factors, kind, size=32, seed=1))
    assert len(cells) == 32
    parts = np.floor(np.log(np.array([cell["lr"] for cell in cells]) / 1e-4) / np.log(100) * 32)
    assert sorted(parts) == list(range(32))  # one in each of 32 equal parts
    assert all(7 <= sum(cell["n"] == n for cell in cells) <= 9 for n in (2, 3, 4, 5))
    assert sum(cell["flag"] for cell in cells) == 16
    assert all(type(cell["n"]) is int for cell in cells)
    assert cells == cells_of(study(factors, kind, size=32, seed=1))
    assert cells != cells_of(study(factors, kind, size=32, seed=2))


def test_a_space_filling_design_has_no_cell_twice():
    cells = cells_of(study(two_levels(2), "latin_hypercube", size=16))
    assert len(cells) == 4


@pytest.mark.parametrize(
    ("factors", "kind", "design", "sentence"),
    [
        (
            two_levels(17),
            "full_factorial",
            {},
            f"of the factors up to 'f16' already has more than {MAX_CELLS:,} cells",
        ),
        (
            two_levels(30),
            "fractional_factorial",
            {"resolution": 30},
            "is no fractional factorial of resolution 30 for 30",
        ),
        (two_levels(27), "plackett_burman", {}, "There is no Plackett-Burman design for 27 factors"),
    ],
)
def test_what_there_is_no_design_for_is_refused(factors, kind, design, sentence):
    with pytest.raises(ValueError, match=sentence):
        cells_of(study(factors, kind, **design))


def test_trainings_are_cells_times_replicates():
    replicates = tuple(Replicate(seed, split) for seed in (0, 1) for split in (0, 1, 2))
    design = Study("s", (), {}, two_levels(3), Design("full_factorial"), replicates)
    assert num_trainings(design) == 8 * 6
    search = Study("s", (), {}, two_levels(3), Design("tpe", size=20), replicates)
    assert num_trainings(search) == 20 * 6
