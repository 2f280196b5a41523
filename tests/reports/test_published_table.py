"""Our numbers beside the published ones."""

from pathlib import Path

from comparisons.fakes import model

from qlit.comparisons.table_file import Plan, PlannedRow
from qlit.reports.published_table import published_table


def row(name, published, parameters=353, seeds=3):
    return PlannedRow(name, Path("x.yaml"), published, {}, parameters, seeds)


def runs(name, accuracies, **params):
    return dict(enumerate(model(name, accuracies, params=params).runs))


EPOCHS = {"trainer.max_epochs": "800", "parameters.total": "353", "data.body": "/some/where/mpnet"}
PLAN = Plan("Table", (row("a", 90.21), row("b", 91.5), row("c", 92.0, parameters=None), row("d", 93.0)))


def test_each_row_states_what_it_stands_on():
    few = {**EPOCHS, "trainer.max_epochs": "1,5", "parameters.total": "354"}
    text = published_table(
        PLAN,
        [runs("a", (0.7, 0.71, 0.72), **EPOCHS), runs("b", (0.8, 0.82), **few), runs("c", (0.9,), **EPOCHS), {}],
    )
    lines = text.splitlines()
    assert lines[0] == "# Table"
    assert lines[4] == "| a | 353 | 90.21 % | 71.00 % | 68.52 to 73.48 | 3 of 3 | 800 |"
    assert lines[5].startswith("| b | 354 (published 353) | 91.50 % | 81.00 % | ")
    assert lines[5].endswith(" | 2 of 3 | - |")
    assert lines[6].startswith("| c | 353 (published -) | 92.00 % | 90.00 % | ")
    assert " (sentences) | 1 of 3 | 800 |" in lines[6]
    assert lines[7] == "| d | 353 | 93.00 % | not run | | | |"
    assert "Ours: set with mpnet, 200 test sentences per split; the epoch with the best validation accuracy is" in text
    by_loss = {**EPOCHS, "model.select_by": "loss"}
    text = published_table(PLAN, [runs("a", (0.7,), **by_loss), runs("b", (0.8,), **EPOCHS), {}, {}])
    assert "validation accuracy, but of a that with the lowest validation loss is tested." in text


def test_the_order_is_told_pair_by_pair():
    text = published_table(
        PLAN,
        [
            runs("a", (0.7, 0.71, 0.72), **EPOCHS),
            runs("b", (0.6, 0.61, 0.63), **EPOCHS),
            runs("c", (0.8, 0.81, 0.83), **EPOCHS),
            runs("d", (0.81, 0.80, 0.82), **EPOCHS),
        ],
    )
    assert "of 6 pairs of rows, compared on their common splits, 4 are ordered as published, 1 the other way" in text
    assert "1 within noise. Kendall's tau of all rows is +0.33." in text
    assert "The other way round:\n\n- a above b\n" in text
    assert "Within noise:\n\n- c above d\n" in text


def test_a_table_of_which_nothing_ran_has_its_rows():
    text = published_table(PLAN, [{}, {}, {}, {}])
    assert text.count("not run") == 4
    assert "Order" not in text
    assert "Ours" not in text


def test_a_row_of_which_a_seed_diverged_has_no_mean_and_no_place_in_the_order():
    found = [runs("a", (0.7, 0.71, 0.72), **EPOCHS), runs("b", (0.8, 0.82), **EPOCHS), {}, {}]
    text = published_table(PLAN, found, [[], [2], [0, 1], []])
    lines = text.splitlines()
    assert lines[5] == "| b | 353 | 91.50 % | seed 2 diverged | | | |"
    assert lines[6] == "| c | - | 92.00 % | seeds 0, 1 diverged | | | |"
    assert "Order" not in text
