"""Effects: known ones are found with their signs and sizes, chance is not."""

import itertools

import numpy as np
import pytest
from studies.small import finished_trials

from qlit.studies.cell_results import CellResult, Training
from qlit.studies.definition import Factor, Replicate, Study
from qlit.studies.design_kinds import Design
from qlit.studies.designs import cells_of
from qlit.studies.effects import anova, importances, level_means

FACTORS = (Factor("a", ("m.a",), (0, 1)), Factor("b.c", ("b.c",), (0.1, 0.01)), Factor("d", ("m.d",), ("x", "y")))
STUDY = Study("s", (), {}, FACTORS)
SIGMA = 0.01


def cells(num_splits, sigma=SIGMA, factors=FACTORS):
    """0.5 + 0.2 a + 0.05 (b.c is 0.01) + 0.1 of both together + 0.03 a split, and noise; d does nothing."""
    rng = np.random.default_rng(0)
    found = []
    for a, b, d in itertools.product(*(factor.levels for factor in factors)):
        trainings = tuple(
            Training(
                Replicate(0, split),
                "run",
                {"val/accuracy": 0.5 + 0.2 * a + (b == 0.01) * (0.05 + 0.1 * a) + 0.03 * split + rng.normal(0, sigma)},
            )
            for split in range(num_splits)
        )
        found.append(CellResult(f"{a} {b} {d}", {"a": a, "b.c": b, "d": d}, trainings, (0,)))
    return found


def test_effects_and_interactions_are_found_with_their_sizes():
    found = anova(STUDY, cells(3), "val/accuracy")
    effects = {each.name: each for each in found.effects}
    assert set(effects) == {"a", "b.c", "d", "split", "a x b.c", "a x d", "b.c x d"}
    assert found.residual_df == 24 - 1 - 3 - 2 - 3
    assert found.note == ""
    for name, truth in (("a", 0.25), ("b.c", 0.1), ("d", 0.0)):
        assert effects[name].difference == pytest.approx(truth, abs=5 * SIGMA * np.sqrt(4 / 24))
        assert effects[name].low < effects[name].difference < effects[name].high
    assert effects["a x b.c"].p < 1e-6
    assert effects["d"].p > 0.01
    assert effects["split"].difference is None
    assert [each.name for each in found.effects[:3]] == ["a", "b.c", "a x b.c"]
    assert sum(each.share for each in found.effects) < 1


def test_a_difference_is_the_last_level_against_the_first_of_the_list():
    found = anova(STUDY, cells(3)[::-1], "val/accuracy")  # whatever comes first in the data
    turned = Study("s", (), {}, (FACTORS[0], Factor("b.c", ("b.c",), (0.01, 0.1)), FACTORS[2]))
    other = anova(turned, cells(3), "val/accuracy")
    differences = [next(each.difference for each in one.effects if each.name == "b.c") for one in (found, other)]
    assert differences[0] == pytest.approx(-differences[1])
    assert differences[0] > 0.05


def test_the_difference_over_a_range_has_its_sign_however_its_ends_are_written():
    rng = np.random.default_rng(0)
    study = Study("s", (), {}, (Factor("x", ("m.x",), low=0, high=0.3), FACTORS[0]), Design("fractional_factorial"))
    results = [
        CellResult(str(cell), {**cell, "x": float(cell["x"])}, (Training(Replicate(0, 0), "run", {"y": y}),), (0,))
        for cell in cells_of(study) * 3
        for y in [cell["x"] + rng.normal(0, SIGMA)]
    ]
    effect = next(each for each in anova(study, results, "y").effects if each.name == "x")
    assert effect.difference == pytest.approx(0.3, abs=0.05)


def test_too_few_trainings_for_interactions_give_main_effects_and_say_so():
    found = anova(STUDY, cells(1), "val/accuracy")
    assert {each.name for each in found.effects} == {"a", "b.c", "d"}
    assert "These cells cannot separate interactions" in found.note


def test_a_screening_finds_the_factors_that_matter_among_ten():
    factors = tuple(Factor(f"f{number}", (f"m.f{number}",), (0, 1)) for number in range(10))
    study = Study("s", (), {}, factors, Design("fractional_factorial", resolution=4))
    rng = np.random.default_rng(0)
    results = [
        CellResult(str(cell), cell, (Training(Replicate(0, 0), "run", {"val/loss": float(value)}),), (0,))
        for cell in cells_of(study)
        for value in [1 + 0.3 * cell["f3"] - 0.2 * cell["f7"] + 0.4 * cell["f3"] * cell["f7"] + rng.normal(0, SIGMA)]
    ]
    found = anova(study, results, "val/loss")
    assert [each.name for each in found.effects[:1]] == ["f3"]
    assert {each.name for each in found.effects} == {factor.name for factor in factors}  # interactions are confounded
    assert "These cells cannot separate interactions" in found.note
    assert found.effects[0].difference == pytest.approx(0.5, abs=0.05)


def test_what_cannot_be_analysed_is_not():
    assert anova(STUDY, cells(1)[:1], "val/accuracy") is None
    conditional = Study("s", (), {}, (FACTORS[0], Factor("z", ("m.z",), (1, 2), when={"a": (1,)})))
    assert anova(conditional, cells(3), "val/accuracy") is None


def test_level_means_are_over_the_cells_of_a_level():
    means = level_means(STUDY, cells(2, sigma=0.0)[::-1], "val/accuracy")
    assert [(each.factor, each.level) for each in means] == [
        ("a", 0), ("a", 1), ("b.c", 0.1), ("b.c", 0.01), ("d", "x"), ("d", "y"),
    ]  # fmt: skip
    found = {(each.factor, each.level): each for each in means}
    assert found["a", 0].mean == pytest.approx(0.5 + 0.025 + 0.015)
    assert found["a", 1].mean == pytest.approx(0.7 + 0.075 + 0.015)
    assert found["a", 0].num_cells == 4
    low, high = found["a", 0].interval
    assert low < found["a", 0].mean < high


def test_both_importances_name_the_factor_that_matters(tmp_path):
    factors = (Factor("x", ("a.x",), (0, 1, 2, 4)), Factor("y", ("a.y",), (0.0, 0.1)))
    found = importances(finished_trials(tmp_path, factors=factors).study)
    assert set(found) == {"PED-ANOVA", "fANOVA"}
    assert all(values["x"] > values["y"] for values in found.values())
    assert all(sum(values.values()) == pytest.approx(1) for values in found.values())
