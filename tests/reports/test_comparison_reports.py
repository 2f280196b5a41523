"""A comparison as text and as a picture."""

import io

import pytest
from comparisons.fakes import model

from qlit.comparisons.comparison import compare
from qlit.comparisons.pareto import pareto_fronts
from qlit.reports.comparison_figure import comparison_figure
from qlit.reports.comparison_text import comparison_text
from qlit.reports.pareto import pareto_figure, pareto_text

MINUS = "\N{MINUS SIGN}"


@pytest.fixture(scope="module")
def three():
    """Three models on three splits."""
    params = {"parameters.total": "1353"}
    return compare(
        [model("a", (0.7, 0.72, 0.71), params=params), model("b", (0.8, 0.83, 0.8)), model("c", (0.7, 0.71, 0.72))]
    )


def test_the_table_has_every_model_pair_and_verdict(three):
    text = comparison_text(three)
    assert text.startswith("set: 200 test sentences of 3 splits, the same for every model\n")
    (row,) = [line for line in text.splitlines() if line.startswith("a ")]
    assert row.split()[:4] == ["a", "1,353", "71.00", "%"]
    for pair in three.pairs:
        assert f"\n{pair.second} - {pair.first} " in text
        assert pair.verdict in text
    assert "b is better on 3 of 3 splits, a on 0." in text
    assert "Every interval has its own confidence of 95 %; that one of these 3 is wrong is more likely." in text
    assert text.endswith(three.budget)


def test_a_single_split_is_told_by_its_sentences():
    one = compare([model("a", (0.7,)), model("b", (0.9,))])
    text = comparison_text(one)
    assert f"; only b right: {one.pairs[0].splits[0].mcnemar.only_second}\n" in text
    assert "McNemar p " in text
    assert "paired bootstrap" in text
    (row,) = [line for line in text.splitlines() if line.startswith("b - a")]
    assert row.split()[3:] == ["+20.00", "-", "-", "-"]


def test_letters_stand_for_long_names_and_every_line_fits_80_columns():
    long = [f"a_model_with_a_{word}_name model.head.hidden_sizes=[64]" for word in "xyz"]
    comparison = compare([model(name, (0.7, 0.72, 0.9 - k / 10)) for k, name in enumerate(long)])
    lines = comparison_text(comparison, width=80).splitlines()
    assert lines[2:5] == [f"{letter}  {name}" for letter, name in zip("ABC", long, strict=True)]
    assert [line.split()[0] for line in lines[7:10]] == ["A", "B", "C"]
    assert max(map(len, lines)) <= 80
    assert not any(name in line for line in lines[5:] for name in long)
    assert "difference between A and B, 3.33 points" in " ".join(lines)
    # Two names of the greatest length that is used as it is.
    names = ["m" * 17 + letter for letter in "xy"]
    lines = comparison_text(
        compare([model(names[0], (0.7, 0.72, 0.71)), model(names[1], (0.4, 0.5, 0.42))])
    ).splitlines()
    rows = [line for line in lines if line.startswith(("model", "m" * 17, "paired"))][:5]
    assert max(map(len, rows)) <= 80


def test_a_margin_is_told_for_both_models_of_every_pair_and_drawn():
    found = compare([model("a", (0.7, 0.72, 0.71)), model("b", (0.8, 0.83, 0.8))], margin=0.005)
    (told,) = [line for line in comparison_text(found).splitlines() if line.startswith("Margin")]
    expected = "Margin of 0.5 points: b is not worse than a by as much, and a may be worse than b by as much ("
    assert told.startswith(expected)
    lower = comparison_figure(found).axes[1]
    assert sorted(line.get_xdata()[0] for line in lower.lines if line.get_linestyle() == "--") == [-0.5, 0.5]
    assert lower.get_xlabel().endswith("dashed: margin)")


def test_the_picture_shows_every_run_and_difference(three):
    figure = comparison_figure(three)
    upper, lower = figure.axes
    runs = [line for line in upper.lines if len(line.get_xdata()) == 3 and line.get_marker() == "o"]
    assert sorted(line.get_xdata().tolist() for line in runs) == sorted(
        [100 * value for value in each] for each in zip(*(model.accuracies for model in three.models), strict=True)
    )
    assert [text.get_text().replace(MINUS, "-") for text in lower.get_yticklabels()] == ["b - a", "c - a", "c - b"]
    differences = {f"{100 * pair.difference:+.2f}".replace("-", MINUS) for pair in three.pairs}
    assert {text.get_text() for text in lower.texts} == differences
    figure.canvas.draw()  # would warn of what does not fit


def test_no_label_of_the_picture_covers_another_and_all_lie_inside_it():
    long = [f"a_model_with_a_{word}_name model.head.init_args.hidden_sizes=[64,32,16] data.seed 3" for word in "xyz"]
    figure = comparison_figure(compare([model(name, (0.7, 0.72, 0.9 - k / 10)) for k, name in enumerate(long)]))
    figure.canvas.draw()
    upper, lower = figure.axes
    assert [text.get_text()[:2] for text in upper.get_yticklabels()] == ["A:", "B:", "C:"]
    assert [text.get_text().replace(MINUS, "-") for text in lower.get_yticklabels()] == ["B - A", "C - A", "C - B"]
    boxes = [text.get_window_extent() for axes in figure.axes for text in (*axes.get_yticklabels(), *axes.texts)]
    assert len(boxes) == 12
    for number, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:number])
        assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1


def test_two_splits_leave_no_interval_beyond_what_accuracies_can_be():
    two = compare([model("a", (0.7, 1.0)), model("b", (0.95, 0.99)), model("c", (1.0, 1.0))])
    for each in two.models:
        assert 0 <= each.low <= each.mean <= each.high <= 1
    for pair in two.pairs:
        assert -1 <= pair.low <= pair.difference <= pair.high <= 1
    text = comparison_text(two)
    assert "Intervals over splits are cut where accuracies end, at 0 and 100 %" in text
    inside = compare([model("a", (0.7, 0.71, 0.7)), model("b", (0.7, 0.71, 0.72))])
    assert "Intervals over splits are cut" not in comparison_text(inside)
    figure = comparison_figure(two)
    figure.canvas.draw()


@pytest.mark.parametrize("accuracies", [(1.0,), (0.0,), (0.1, 0.1, 0.1)])
def test_models_at_the_ends_of_the_range_and_equal_ones_can_be_drawn(accuracies):
    comparison_figure(compare([model("a", accuracies, num_test=10), model("b", accuracies, num_test=10)])).canvas.draw()


# --- accuracy against cost ---


def fronts_of(names, counts):
    models = [
        model(name, (0.7 + k / 50, 0.72 + k / 50, 0.71 + k / 40), params={"parameters.total": str(count)})
        for k, (name, count) in enumerate(zip(names, counts, strict=True))
    ]
    operations = {name: None if name == names[0] else 10**k for k, name in enumerate(names)}
    return pareto_fronts(compare(models), operations)


def texts_of(figure):
    return [text.get_text() for part in (figure, *figure.axes) for text in part.texts]


def test_fronts_are_drawn_and_told_with_costs_that_are_not_known():
    fronts = fronts_of(["one", "two", "three"], [10, 1000, 1500])
    figure = pareto_figure(fronts, "costs")
    assert [axes.get_xscale() for axes in figure.axes] == ["log", "log"]
    assert figure.axes[1].get_xlabel().endswith("not known: one")
    assert {"one", "two", "three"} <= set(texts_of(figure))
    figure.savefig(io.BytesIO())
    lines = pareto_text(fronts).splitlines()
    (row,) = [line for line in lines[:7] if line.startswith("two")]
    assert row.split()[:5] == ["two", "1,000", "73.17", "%", "yes"]
    assert " over one" in row
    (unknown,) = [line for line in lines[7:] if line.startswith("one")]
    assert unknown.split()[1:3] == ["not", "known"]
    assert max(map(len, lines)) <= 100


def test_models_of_equal_cost_stand_side_by_side_under_letters():
    figure = pareto_figure(fronts_of(["one", "two", "three"], [500, 500, 9]), "costs")
    assert {"A", "B", "C", "A: one", "B: two", "C: three"} <= set(texts_of(figure))
    places = [line.get_xdata()[0] for line in figure.axes[0].lines if line.get_marker() in ("o", "D")]
    assert len(set(places)) == 3
