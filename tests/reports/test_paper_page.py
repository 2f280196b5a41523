"""The page of `qlit report`: self-contained, escaped, with and without plotly."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from plotly.graph_objects import Figure
from reports.paper_results import ended, result_of
from reports.test_paper_pictures import CURVES, FITS

from qlit.reports.paper import page
from qlit.reports.paper.files import svg_of, write
from qlit.reports.paper.interactive import figure_of
from qlit.reports.paper.page import page_of, themed
from qlit.reports.paper.pictures import picture_of

NAMES = list(FITS)


def results(*, is_empty=False):
    return [
        result_of(name, None if is_empty else FITS[name], history=CURVES if name == "fig12" and not is_empty else None)
        for name in NAMES
    ]


def html_of(found):
    svg = {each.part.name: svg_of(picture_of(each), each.part.name, fonts="none") for each in found}
    return page_of(found, lambda each: svg[each.part.name], {"made": "today", "from": "<store>"}, "times: none")


class Tags(HTMLParser):
    """Checks that tags are closed in order, and collects what a page loads."""

    VOID = ("meta", "br", "use", "path", "stop", "link", "img", "input", "hr")

    def __init__(self):
        super().__init__()
        self.open, self.loaded = [], []

    def handle_starttag(self, tag, attrs):
        if tag not in self.VOID:
            self.open.append(tag)
        self.loaded += [
            value for name, value in attrs if name in ("src", "href", "xlink:href") and not value.startswith("#")
        ]

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag


def checked(html):
    without_scripts = re.sub(r"<script.*?</script>", "", html, flags=re.DOTALL)
    tags = Tags()
    tags.feed(without_scripts)
    assert tags.open == []
    return tags.loaded


@pytest.fixture
def no_plotly(monkeypatch):
    monkeypatch.setattr(page, "find_spec", lambda _: None)


without_plotly = pytest.mark.usefixtures("no_plotly")


@pytest.mark.parametrize("is_empty", [False, True])
def test_the_page_loads_nothing_and_holds_everything(is_empty):
    html = html_of(results(is_empty=is_empty))
    loaded = checked(html)
    assert set(loaded) == {f"{name}.{suffix}" for name in NAMES for suffix in ("csv", "png", "svg")}
    assert "Plotly.react" in html
    assert re.search(r"plotly\.js v\d", html)
    assert html.count("<svg") >= len(NAMES)
    assert all(f'<section id="{name}">' in html for name in NAMES)


@without_plotly
def test_without_plotly_the_pictures_are_the_page():
    html = html_of(results())
    checked(html)
    assert "<script" not in html
    assert html.count("<svg") == len(NAMES)
    assert len(html) < 600_000


@without_plotly
def test_texts_are_escaped():
    html = html_of(results())
    assert "a &lt;row&gt;" in html
    assert "<row>" not in html
    assert "&lt;store&gt;" in html
    assert "&#x27;x &amp; y&#x27;" in html  # in a command


def test_a_script_in_a_name_stays_text():
    result = result_of("table2", FITS["table2"])
    cells = tuple(
        replace(cell, name=f"</script><script>alert({number})</script>") for number, cell in enumerate(result.cells)
    )
    value = replace(result.values[0], cell=cells[0])
    html = html_of([replace(result, cells=cells, values=(value,), to_train=())])
    assert "<script>alert" not in html
    (figure,) = re.findall(r'<script type="application/json">(.*?)</script>', html)
    assert "alert" in json.dumps(json.loads(figure))


@without_plotly
def test_values_stand_beside_the_published_ones_with_their_origin():
    html = html_of(
        [result_of("table2", {0: [ended("r0", 0.8), ended("r1", 0.82, seed=1)], 1: [ended("r2", 0.7, epochs=20)]})]
    )
    text = re.sub(r"<svg.*?</svg>", "", html, flags=re.DOTALL)
    assert "<td>90.21 %</td><td><b>81.00 %</b></td>" in text
    assert "68.29 to 93.71" in text
    assert "sst2 with mpnet" in text
    assert "splits split-0, split-1; code c0ffeec0ff" in text
    assert "<td>20 of 800</td>" in text
    assert "<td>2 of 2</td>" in text
    assert "missing; about 60 s per training: <code>qlit fit --config &#x27;x &amp; y&#x27; 0</code>" in text
    assert "353 (published 353)" not in text


@without_plotly
def test_what_to_run_begins_with_the_cheapest():
    cheap, dear = result_of("table2"), result_of("fig8a")
    cheap = replace(cheap, to_train=tuple(replace(each, estimated_s=1.0) for each in cheap.to_train))
    unknown = replace(
        result_of("fig9"), to_train=tuple(replace(each, estimated_s=None) for each in result_of("fig9").to_train)
    )
    text = re.search(r"<h2>To run, the cheapest first</h2>(.*?)</ol>", html_of([unknown, dear, cheap]), re.DOTALL)[1]
    titles = re.findall(r"<li>(.*?):", text)
    assert titles == ["Table II", "Figure 8a", "Figure 9"]


@without_plotly
def test_a_diverged_cell_says_so():
    html = html_of([result_of("table2", {0: [ended("r0", 0.8), ended("r1", 0.0, seed=1, diverged=True)]})])
    assert "<b>diverged</b></td><td>seed 1 diverged" in html


@pytest.mark.parametrize("name", NAMES)
def test_interactive_figures_are_figures_of_plotly(name):
    found = figure_of(result_of(name, FITS[name], history=CURVES if name == "fig12" else None))
    text = json.dumps(found, allow_nan=False)
    assert set(re.findall(r'"@(\w+)"', text)) <= {"ink", "muted", "grid", "s0", "s1", "s2", "s3"}
    Figure(json.loads(re.sub(r'"@\w+"', '"#123456"', text)))  # raises an error for an unknown key
    published = [trace["marker"]["symbol"] for trace in found["data"] if trace.get("name") == "published"]
    ours = [trace["marker"]["symbol"] for trace in found["data"] if str(trace.get("name")).startswith("ours")]
    assert set(published) <= {"diamond-open"}
    assert not set(published) & set(ours)


def test_an_interactive_interval_ends_at_0_and_100_percent():
    found = figure_of(result_of("table2", FITS["table2"]))
    (trace,) = [trace for trace in found["data"] if trace["name"].startswith("ours")]
    bars = trace["error_x"]
    for mean, above, below in zip(trace["x"], bars["array"], bars["arrayminus"], strict=True):
        assert mean + above <= 100 + 1e-9
        assert mean - below >= -1e-9


def test_nothing_to_draw_is_no_interactive_figure():
    assert figure_of(result_of("fig9")) is None
    assert figure_of(result_of("fig12")) is None


def test_a_line_has_a_gap_where_a_cell_is_missing():
    fits = {0: [ended("r0", 0.8)], 4: [ended("r1", 0.7)]}  # 10 and 14 qubits, not 12
    (line,) = [trace for trace in figure_of(result_of("fig8a", fits))["data"] if trace.get("connectgaps") is False]
    assert line["y"] == [80.0, None, 70.0]


def test_colours_of_pictures_follow_the_style_sheet():
    svg = themed(svg_of(picture_of(result_of("fig8a", FITS["fig8a"])), "fig8a", fonts="none"))
    assert svg.startswith("<svg")
    assert "var(--s0)" in svg
    assert not re.search(r"#(000000|0072b2|666666)\b", svg)


def test_all_files_are_written(tmp_path):
    path = write(results(), tmp_path / "out", {"made": "today"}, "times: none")
    assert path == tmp_path / "out" / "report.html"
    expected = {f"{name}.{suffix}" for name in NAMES for suffix in ("csv", "png", "svg")}
    assert {each.name for each in path.parent.iterdir()} == {*expected, "report.html", "fig12_curves.csv"}
    assert (path.parent / "fig12_curves.csv").read_text() == "epoch,train/loss,val/accuracy\n0,0.7,0.5\n1,0.6,0.9\n"
