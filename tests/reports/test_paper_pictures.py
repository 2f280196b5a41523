"""Pictures of the paper's figures and tables."""

import pytest
from reports.paper_results import ended, result_of

from qlit.reports.paper.files import svg_of
from qlit.reports.paper.layout import boxes_of, level_text, points_of, table_rows
from qlit.reports.paper.pictures import picture_of, without_title
from qlit.runtime.figure_style import PUBLISHED, SERIES

FITS = {
    "table2": {0: [ended("r0", 0.99), ended("r1", 0.6, seed=1)], 1: [ended("r2", 0.8)]},
    "table4": {0: [ended("r0", 0.8)]},
    "fig8a": {0: [ended("r0", 0.8)], 1: [ended("r1", 0.7)], 2: [ended("r2", 0.75)]},
    "fig9": {number: [ended(f"r{number}", 0.7 + 0.01 * number)] for number in range(8)},
    "fig11": {0: [ended("r0", 0.8)], 2: [ended("r1", 0.78)]},
    "fig12": {0: [ended("r0", 0.8)]},
    "fig5": None,
}
CURVES = {"train/loss": [(0, 0.7), (1, 0.6)], "val/accuracy": [(0, 0.5), (1, 0.9)]}


def texts(figure):
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def markers(figure):
    return {
        line.get_label(): line.get_marker()
        for axes in figure.axes
        for line in axes.lines
        if line.get_marker() != "None"
    }


@pytest.mark.parametrize("name", FITS)
@pytest.mark.parametrize("is_empty", [False, True])
def test_every_part_has_a_picture_with_and_without_values(name, is_empty):
    history = CURVES if name == "fig12" and not is_empty else None
    figure = picture_of(result_of(name, None if is_empty else FITS[name], history=history))
    svg = svg_of(figure, name)
    assert svg.count("<svg") == 1
    assert "http://" not in svg.replace("http://www.w3.org", "").replace("http://purl.org", "").replace(
        "http://creativecommons.org", ""
    )
    assert ("missing" in texts(figure)) is (
        is_empty or name in ("table2", "fig8a", "table4", "fig11")
    ) or name == "fig5"


def test_the_picture_of_equal_results_is_the_same_text():
    first, second = (svg_of(picture_of(result_of("fig8a", FITS["fig8a"])), "fig8a") for _ in range(2))
    assert first == second
    assert svg_of(picture_of(result_of("fig8a", FITS["fig8a"])), "other") != first  # ids of two pictures differ


@pytest.mark.parametrize("name", ["table2", "fig8a", "fig12", "fig5"])
def test_a_picture_in_a_page_has_no_second_title(name):
    figure = picture_of(result_of(name, FITS[name]))
    width, height = figure.get_size_inches()
    title = figure.texts[0].get_text()
    assert title in svg_of(figure, name, fonts="none")
    bare = without_title(figure)
    assert title not in svg_of(bare, name, fonts="none")
    assert bare.get_size_inches()[0] == width
    assert 0.7 * height < bare.get_size_inches()[1] < height


def test_an_interval_ends_at_0_and_100_percent():
    figure = picture_of(result_of("table2", FITS["table2"]))
    (axes,) = figure.axes
    left, right = axes.get_xlim()
    assert left >= -1
    assert right <= 101
    ends = [point[0] for bars in axes.collections for path in bars.get_paths() for point in path.vertices]
    assert min(ends) >= 0
    assert max(ends) <= 100


def test_published_values_have_a_marker_of_their_own():
    found = markers(picture_of(result_of("fig11", FITS["fig11"])))
    assert found["published"] == PUBLISHED["marker"] == "D"
    assert PUBLISHED["marker"] not in {marker for _, marker, _ in SERIES}
    assert len({marker for _, marker, _ in SERIES}) == len({dashes for *_, dashes in SERIES}) == len(SERIES)
    assert PUBLISHED["markerfacecolor"] == "none"


def test_each_body_has_a_panel_of_its_own():
    fits = {0: [ended("r0", 0.8), ended("r1", 0.7, body="minilm")], 1: [ended("r2", 0.8)]}
    figure = picture_of(result_of("table2", fits))
    titles = [axes.get_title() for axes in figure.axes]
    assert [title.splitlines()[0] for title in titles] == ["ours: sst2 with mpnet", "ours: sst2 with minilm"]
    assert "epochs: 800; code: c0ffeec0ff" in titles[0]


def test_more_bodies_than_fit_are_named_in_words():
    fits = {0: [ended(f"r{number}", 0.8, body=f"b{number}") for number in range(5)]}
    figure = picture_of(result_of("table2", fits))
    assert len(figure.axes) == 3
    assert any(
        "2 more data sets or bodies are in the CSV" in text.get_text().replace("\n", " ") for text in figure.texts
    )


def test_a_diverged_row_says_so_in_place_of_a_mean():
    figure = picture_of(result_of("table2", {0: [ended("r0", 0.8), ended("r1", 0.0, seed=1, diverged=True)]}))
    assert texts(figure) == ["seed 1 diverged", "missing", "missing"]


def test_rows_points_and_boxes_hold_what_belongs_to_them():
    result = result_of("fig8a", FITS["fig8a"])
    (source,) = result.sources
    points = points_of(result, source, None)
    assert [(point.x, len(point.values), point.published) for point in points] == [
        (10, 2, 90.21), (12, 1, 90.99), (14, 0, 91.45),
    ]  # fmt: skip
    assert [point.chosen and point.chosen.fits[0].run_id for point in points] == ["r0", "r2", None]
    result = result_of("fig9", FITS["fig9"])
    boxes = boxes_of(result, result.sources[0])
    assert {level: [round(value, 2) for value in values] for level, values in boxes.items()} == {
        2: [0.7, 0.71, 0.74, 0.75], 3: [0.72, 0.73, 0.76, 0.77],
    }  # fmt: skip
    rows = table_rows(result_of("table2", FITS["table2"]), result_of("table2", FITS["table2"]).sources[0])
    assert [row.published for row in rows] == [90.21, 91.0, 92.5]


@pytest.mark.parametrize(("level", "text"), [(True, "yes"), (False, "no"), (10, "10"), ("[0.1, 0.2]", "0.1, 0.2")])
def test_levels_are_written_as_people_do(level, text):
    assert level_text(level) == text
