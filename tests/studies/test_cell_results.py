"""What cells reached: means, intervals, the chosen one, the front; on validation alone."""

import csv
from dataclasses import replace

import pytest
from studies.small import finished_trials, small_study

from qlit.comparisons.statistics import t_interval
from qlit.runtime.intervals import wilson_interval
from qlit.studies.cell_results import CellResult, Training, csv_of, pareto_front, ranked, results_of, table_of
from qlit.studies.definition import Objective, Replicate


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return results_of(finished_trials(tmp_path_factory.mktemp("results")).all())


def test_a_cell_has_its_replicates_whatever_the_order_of_the_trials(results):
    assert len(results) == 8
    assert all(
        [each.replicate for each in result.trainings] == [Replicate(0, 0), Replicate(1, 0)] for result in results
    )
    first = next(each for each in results if each.cell == {"x": 0, "y": 0.0})
    assert first.values("val/accuracy") == pytest.approx([0.5, 0.51])
    assert first.mean("val/accuracy") == pytest.approx(0.505)
    assert first.interval("val/accuracy") == t_interval([0.5, 0.51])
    at_the_top = replace(
        first,
        trainings=tuple(
            replace(each, scores={"val/accuracy": value})
            for each, value in zip(first.trainings, (0.9, 1.0), strict=True)
        ),
    )
    assert at_the_top.interval("val/accuracy") == (pytest.approx(0.3146898), 1.0)
    assert at_the_top.text("val/accuracy") == "0.9500 (0.3147 to 1.0000)"


def test_a_single_training_has_the_interval_of_its_sentences(results):
    alone = replace(results[0], trainings=results[0].trainings[:1])
    assert alone.interval("test/accuracy") == wilson_interval(alone.values("test/accuracy")[0], 100)
    assert alone.interval("val/loss") is None


def test_the_chosen_cell_is_the_best_on_validation_and_ties_go_to_the_lower_loss(results):
    assert ranked(results, Objective())[0].cell == {"x": 2, "y": 0.5}
    assert ranked(results, Objective("val/accuracy", "minimize"))[0].cell == {"x": 0, "y": 0.0}

    def cell(key, accuracy, loss, tested):
        scores = {"val/accuracy": accuracy, "val/loss": loss, "test/accuracy": tested}
        return CellResult(key, {}, (Training(Replicate(0, 0), key, scores),), (0,))

    tied = [cell("a", 0.9, 0.5, 0.99), cell("b", 0.9, 0.4, 0.5), cell("c", 0.8, 0.1, 1.0)]
    assert [each.key for each in ranked(tied, Objective())] == ["b", "a", "c"]


def test_the_front_holds_what_no_other_cell_beats(results):
    front = pareto_front(results, (Objective(), Objective("parameters", "minimize")))
    # Of each x, which alone decides the parameters, the better y; of x = 1 the smaller z too.
    assert sorted(tuple(each.cell.items()) for each in front) == [
        (("x", 0), ("y", 0.5)), (("x", 1), ("y", 0.5), ("z", 1)), (("x", 2), ("y", 0.5)),
    ]  # fmt: skip


def test_the_table_has_a_row_a_training(results, tmp_path):
    rows = list(csv.DictReader(csv_of(table_of(small_study(tmp_path), results)).splitlines()))
    assert len(rows) == 16
    assert {row["z"] for row in rows if row["x"] == "0"} == {""}
    assert {row["seed"] for row in rows} == {"0", "1"}
    assert len({row["run_id"] for row in rows}) == 16
    assert csv_of([]) == ""
