"""Values of cells: trainings that belong together, and never others."""

from dataclasses import replace

import pytest
from scipy import stats

from qlit.comparisons.paper import PARTS
from qlit.comparisons.planned_cells import PartResult, PlannedCell, ToTrain, sources_of, values_of
from qlit.tracking.config_hash import BODY, DATA, HASH_WITHOUT_SEEDS
from qlit.tracking.ended_fits import EndedFit


def cell(name="a", *, key="k", levels=None, num_seeds=3, epochs=800):
    return PlannedCell(name, levels or {}, key, num_seeds, epochs)


def fit(
    run_id,
    accuracy,
    *,
    seed=0,
    data="d",
    body="b",
    epochs=800,
    split=None,
    validation=0.8,
    diverged=False,
    num_test=200,
):
    return EndedFit(
        run_id,
        "1",
        {
            "data.source": f"/x/{data}", "data.body": f"/y/{body}", "trainer.max_epochs": str(epochs),
            "data.seed": str(seed), "seed_everything": str(seed),
        },
        {
            DATA: data, BODY: body, HASH_WITHOUT_SEEDS: "f", "data.num_test": str(num_test),
            "split.fingerprint": split or f"s{seed}", "git.commit": "c" * 40, "git.dirty": "true",
            **({"diverged": "true"} if diverged else {}),
        },
        {"test/accuracy": accuracy, "best/val/accuracy": validation},
    )  # fmt: skip


def test_a_value_has_the_mean_and_the_interval_over_its_runs():
    (value,) = values_of([cell()], {"k": [fit("r0", 0.7), fit("r1", 0.71, seed=1), fit("r2", 0.72, seed=2)]})
    assert value.mean == pytest.approx(0.71)
    assert value.interval == pytest.approx((0.6852, 0.7348), abs=1e-4)
    assert value.interval_text == "Student, 3 runs on 3 splits"
    assert value.commits == ["cccccccccc+"]
    assert not value.is_short


def test_a_single_run_has_the_interval_over_its_sentences():
    (value,) = values_of([cell()], {"k": [fit("r0", 0.75)]})
    assert value.interval == pytest.approx(tuple(stats.binomtest(150, 200).proportion_ci(0.95, "wilson")))
    assert value.interval_text == "Wilson, 200 sentences of 1 split"
    assert value.is_short


def test_intervals_do_not_leave_0_and_1():
    (value,) = values_of([cell()], {"k": [fit("r0", 0.99), fit("r1", 0.6, seed=1)]})
    assert value.interval == (0.0, 1.0)


def test_data_bodies_and_epochs_are_never_mixed():
    fits = [
        fit("other-body", 0.9, body="b2"), fit("other-data", 0.8, data="d2"), fit("short", 0.1, epochs=20),
        fit("same", 0.7), fit("same-2", 0.72, seed=1),
    ]  # fmt: skip
    values = values_of([cell()], {"k": fits, "another": [fit("x", 0.5)]})
    found = {value.source.key: ([each.run_id for each in value.fits], value.num_others) for value in values}
    assert found == {
        ("d", "b2"): (["other-body"], 0),
        ("d2", "b"): (["other-data"], 0),
        ("d", "b"): (["same", "same-2"], 1),
    }
    assert [each.key for each in sources_of(values)] == [("d", "b"), ("d", "b2"), ("d2", "b")]


def test_of_runs_with_equal_seeds_the_youngest_counts():
    (value,) = values_of([cell()], {"k": [fit("young", 0.7), fit("old", 0.6)]})
    assert [each.run_id for each in value.fits] == ["young"]


def test_runs_with_other_seeds_on_one_split_are_one_split():
    (value,) = values_of([cell()], {"k": [fit("a", 0.7, split="s"), fit("b", 0.72, seed=1, split="s")]})
    assert value.interval_text == "Student, 2 runs on 1 split"


def test_a_cell_with_a_diverged_training_has_no_mean():
    (value,) = values_of([cell()], {"k": [fit("a", 0.7), fit("b", 0.0, seed=1, diverged=True)]})
    assert not value.has_mean
    assert value.diverged_text == "seed 1 diverged"


def swept():
    """A part with two learning rates at 10 qubits, of which the second has the better validation accuracy."""
    cells = [
        cell(f"{q} {rate}", key=f"{q} {rate}", levels={"qubits": q, "model.lr": rate})
        for q in (10, 12)
        for rate in (1, 2)
    ]
    fits = {"10 1": [fit("a", 0.9, validation=0.7)], "10 2": [fit("b", 0.6, validation=0.8)]}
    values = values_of(cells, fits)
    return PartResult(PARTS["fig8a"], tuple(cells), tuple(values), tuple(sources_of(values)))


def test_the_validation_accuracy_chooses_and_not_the_test_accuracy():
    result = swept()
    (source,) = result.sources
    assert result.chosen(source, {"qubits": 10}).fits[0].run_id == "b"
    assert result.chosen(source, {"qubits": 12}) is None


def test_missing_cells_are_those_of_a_source():
    result = swept()
    assert [each.name for each in result.missing(result.sources[0])] == ["12 1", "12 2"]
    assert len(replace(result, values=()).missing(None)) == 4


def test_the_time_of_a_part_covers_the_trainings_of_known_time():
    result = replace(swept(), to_train=(ToTrain(cell(num_seeds=3), "x", 2.0), ToTrain(cell(num_seeds=1), "y", 1.0)))
    assert result.total_s == 7.0
    assert result.num_untimed == 0
    more = replace(result, to_train=(*result.to_train, ToTrain(cell(num_seeds=4), "z")))
    assert (more.total_s, more.num_untimed) == (7.0, 4)
    assert replace(result, to_train=(ToTrain(cell(), "z"),)).total_s is None
