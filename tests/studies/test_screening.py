"""The decision between two stages: the factors that matter are found, the others stay at their better level."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from qlit.studies.cell_results import CellResult, Training
from qlit.studies.definition import Factor, Objective, Replicate, Study
from qlit.studies.design_kinds import Design
from qlit.studies.designs import cells_of
from qlit.studies.screened import Screened
from qlit.studies.screening import screened_by

SIGMA = 0.01
TEN = tuple(Factor(f"f{number}", (f"m.f{number}",), (0, 1)) for number in range(10))


def two_stages(factors, screen, *, objective=None, **options):
    design = Design("two_stage", screen=screen, search=Design("tpe", size=9), **options)
    return Study("s", (), {}, tuple(factors), design, objectives=(objective or Objective(),))


def results_of(study, value, num_splits=2, sigma=SIGMA):
    rng = np.random.default_rng(0)
    name = study.objectives[0].metric
    return [
        CellResult(
            str(cell),
            cell,
            tuple(
                Training(Replicate(0, split), "run", {name: value(cell) + 0.05 * split + rng.normal(0, sigma)})
                for split in range(num_splits)
            ),
            (number,),
            "screening",
        )
        for number, cell in enumerate(cells_of(study))
    ]


def three_matter(cell):
    return 0.5 + 0.2 * cell["f3"] - 0.1 * cell["f7"] + 0.05 * cell["f0"] - 0.02 * cell["f5"]


RESOLUTION_4 = Design("fractional_factorial", resolution=4)


@pytest.mark.parametrize("screen", [RESOLUTION_4, Design("plackett_burman")], ids=lambda design: design.kind)
def test_the_largest_effects_are_kept_and_the_others_stay_at_their_better_level(screen):
    study = two_stages(TEN, screen, keep=3)
    found = screened_by(study, results_of(study, three_matter))
    assert found.kept == ("f3", "f7", "f0")
    assert set(found.fixed) == {f"f{number}" for number in (1, 2, 4, 5, 6, 8, 9)}
    assert found.fixed["f5"] == 0
    for factor, truth in zip(found.factors, (0.2, -0.1, 0.05, -0.02), strict=False):
        assert factor.low < factor.difference < factor.high
        assert factor.difference == pytest.approx(truth, abs=5 * SIGMA * np.sqrt(4 / 24))
    assert found.factors[0].p < 1e-6
    assert [each.better for each in found.factors[:3]] == [1, 0, 1]


def test_less_may_be_better():
    study = two_stages(TEN, RESOLUTION_4, objective=Objective("val/loss", "minimize"), keep=3)
    found = screened_by(study, results_of(study, three_matter))
    assert found.kept == ("f3", "f7", "f0")
    assert [each.better for each in found.factors[:4]] == [0, 1, 0, 1]


def test_significance_keeps_what_is_told_from_chance_and_keep_bounds_it():
    study = two_stages(TEN, RESOLUTION_4, significance=1e-4)
    results = results_of(study, three_matter)
    assert screened_by(study, results).kept == ("f3", "f7", "f0", "f5")
    assert screened_by(two_stages(TEN, RESOLUTION_4, significance=1e-4, keep=2), results).kept == ("f3", "f7")


def test_nothing_that_matters_is_nothing_to_search():
    study = two_stages(TEN, RESOLUTION_4, significance=1e-4)
    found = screened_by(study, results_of(study, lambda _: 0.5))
    assert found.kept == ()
    assert len(found.fixed) == 10
    assert found.starts == ()


def test_equal_values_are_no_effect_and_the_first_level_stays():
    study = two_stages(TEN, RESOLUTION_4, significance=0.05)
    found = screened_by(study, results_of(study, lambda _: 0.5, num_splits=1, sigma=0.0))
    assert found.kept == ()
    assert set(found.fixed.values()) == {0}
    assert json.loads(json.dumps(found.plain(), allow_nan=False))


def test_a_factor_that_matters_with_another_alone_is_kept_for_their_interaction():
    study = two_stages(TEN[:5], Design("fractional_factorial", resolution=5), significance=1e-4)

    def value(cell):  # f1 does nothing by itself: +0.1 with f0, -0.1 without
        return 0.5 + 0.1 * (2 * cell["f0"] - 1) * (2 * cell["f1"] - 1) + 0.2 * cell["f4"]

    found = screened_by(study, results_of(study, value))
    assert set(found.kept) == {"f0", "f1", "f4"}
    of_f1 = next(each for each in found.factors if each.name == "f1")
    assert (of_f1.by, of_f1.by_p < 1e-6, of_f1.p > 1e-4) == ("f0 x f1", True, True)
    # The better level of each alone is chance; the best cell has them as they are good together.
    assert any(start["f0"] == start["f1"] for start in found.starts) or found.starts == ()


def test_trainings_that_leave_nothing_over_order_factors_without_intervals():
    factors = tuple(Factor(f"f{number}", (f"m.f{number}",), (0, 1)) for number in range(11))
    study = two_stages(factors, Design("plackett_burman"), keep=3)
    found = screened_by(study, results_of(study, three_matter, num_splits=1))
    assert found.kept == ("f3", "f7", "f0")
    assert {(each.low, each.high, each.p) for each in found.factors} == {(None, None, None)}
    assert "no intervals" in found.note


def test_ranges_and_lists_are_compared_at_two_levels():
    factors = (
        Factor("x", ("m.x",), low=0, high=0.3),
        Factor("n", ("m.n",), low=2, high=11, step=4),
        Factor("lr", ("m.lr",), low=1e-4, high=1.0, log=True, screen=(1e-3, 1e-2)),
        Factor("kind", ("m.kind",), ("a", "b", "c"), screen=("c", "a")),
    )
    study = two_stages(factors, RESOLUTION_4, keep=1)
    found = screened_by(study, results_of(study, lambda cell: 10 * cell["lr"] - cell["x"] / 100, num_splits=6))
    assert {each.name: each.levels for each in found.factors} == {
        "x": (0.0, 0.3), "n": (2, 10), "lr": (1e-3, 1e-2), "kind": ("c", "a"),
    }  # fmt: skip
    assert found.kept == ("lr",)
    assert found.factors[0].difference == pytest.approx(0.09, abs=0.02)


def test_a_start_that_the_screening_has_trained_is_not_trained_again():
    study = two_stages(TEN[:3], RESOLUTION_4, keep=1)  # three factors are screened in all of their eight cells
    assert screened_by(study, results_of(study, lambda cell: 0.5 + 0.1 * cell["f1"])).starts == ()


def test_the_search_starts_at_the_better_levels_and_like_the_best_cell_unless_these_are_trained():
    study = two_stages(TEN, RESOLUTION_4, keep=3)
    results = results_of(study, three_matter)
    found = screened_by(study, results)
    best = max(results, key=lambda each: each.mean("val/accuracy")).cell
    wanted = [{"f0": 1, "f3": 1, "f7": 0}, {name: best[name] for name in ("f0", "f3", "f7")}]
    trained = [each.cell for each in results]
    assert list(found.starts) == [
        start
        for number, start in enumerate(wanted)
        if start not in wanted[:number] and {**found.fixed, **start} not in trained
    ]
    assert found.starts


def test_a_decision_is_the_same_after_the_storage_and_in_any_order_of_cells():
    study = two_stages(TEN, RESOLUTION_4, keep=3)
    results = results_of(study, three_matter)
    found = screened_by(study, results)
    assert Screened.of(json.loads(json.dumps(found.plain()))) == found
    other = screened_by(study, results[::-1])
    assert (other.kept, other.fixed, other.starts) == (found.kept, found.fixed, found.starts)


def test_test_scores_decide_nothing():
    study = two_stages(TEN, RESOLUTION_4, keep=3)
    decided = []
    for sign in (1, -1):
        results = results_of(study, three_matter)
        for each, name in itertools.product(results, ("test/accuracy", "test/loss")):
            for training in each.trainings:
                training.scores[name] = sign * each.cell["f9"]
        decided.append(screened_by(study, results))
    assert decided[0] == decided[1]


def test_only_two_stages_have_a_screening():
    with pytest.raises(ValueError, match="has no screening: its design is full_factorial"):
        _ = Study("s", (Path("base.yaml"),), {}, TEN).screening
