"""The report of a study: one page with everything, beside its pictures and tables."""

import csv
import re

import pytest
from studies.small import FACTORS, finished_trials, trials_of
from studies.staged import BETTER, NUM_CELLS, screen, staged_trials, value_of, work

from qlit.reports.study_figures import pareto_figure
from qlit.reports.study_report import report_of
from qlit.studies.cell_results import results_of
from qlit.studies.definition import Objective


def test_a_report_holds_the_chosen_cell_tables_and_pictures(tmp_path):
    page = report_of(finished_trials(tmp_path)).write(tmp_path / "report")
    html = page.read_text()
    assert "x 2, y 0.5: val/accuracy 0.755" in html
    assert "test/accuracy 0.655" in html
    assert "is not, because it did not take part in the choice" in html
    assert "PED-ANOVA" in html
    assert "fANOVA" in html
    assert len(re.findall(r"<img alt=\"[^\"]+\" src=\"data:image/png;base64,[A-Za-z0-9+/=]+\">", html)) == 4
    assert "http" not in html  # it needs nothing from elsewhere
    for name in ("slices", "main_effects", "importances", "pareto"):
        assert (page.parent / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    rows = list(csv.DictReader((page.parent / "trainings.csv").read_text().splitlines()))
    assert len(rows) == 16


def test_a_report_of_a_factorial_has_its_analysis_of_variance(tmp_path):
    report = report_of(finished_trials(tmp_path, factors=FACTORS[:2]))
    rows = list(csv.DictReader(report.tables["anova"].splitlines()))
    assert [row["effect"] for row in rows[:2]] == ["x", "y"]


def test_a_report_of_two_stages_tells_what_was_kept_why_and_what_the_search_added(tmp_path):
    trials = staged_trials(tmp_path)
    trials.fill()
    screen(trials)
    before = report_of(trials)
    assert "The search starts when all cells of the screening are trained" in before.html
    assert "screened" not in before.tables
    work(trials)
    report = report_of(trials)
    rows = {row["factor"]: row for row in csv.DictReader(report.tables["screened"].splitlines())}
    assert list(rows)[:2] == ["n", "x"]
    assert [rows[name]["then"] for name in "nxacd"] == [
        "searched", "searched", "stays at 0", "stays at p", "stays at 4",
    ]  # fmt: skip
    for row in rows.values():
        assert float(row["low"]) < float(row["second minus first"]) < float(row["high"])
        assert row["p"]
    assert float(rows["n"]["second minus first"]) == pytest.approx(0.35, abs=0.005)
    assert "fractional_factorial, then tpe over 5 factors" in report.html
    assert "Kept: the 2 factors with the largest main effects or interactions, at any p value." in report.html
    assert re.search(r"tpe over n, x over all of their values; .*a 0.* stay", report.html)
    assert re.search(rf"The best of the {NUM_CELLS} cells of the screening: val/accuracy 0\.\d+", report.html)
    assert re.search(r"The best of the \d cells of the search: val/accuracy 0\.\d+", report.html)
    names = {row["effect"] for row in csv.DictReader(report.tables["anova"].splitlines())}
    assert names == {"a", "x", "c", "d", "n", "split"}  # of the screening: a search's points are no design
    assert {row["factor"] for row in csv.DictReader(report.tables["importances"].splitlines())} == {"n", "x"}
    stages = [row["stage"] for row in csv.DictReader(report.tables["trainings"].splitlines())]
    assert stages.count("screening") == 2 * NUM_CELLS


def test_a_report_tells_when_no_factor_matters(tmp_path):
    trials = staged_trials(tmp_path, keep=None, significance=1e-6)
    trials.fill()
    work(trials, lambda cell, split: value_of({**cell, **BETTER}, split))
    html = report_of(trials).html
    assert "with p &lt; 1e-06; p values are not corrected for their number" in html
    assert "No factor matters by this rule, so nothing was searched." in html


def test_nothing_finished_is_nothing_to_report(tmp_path):
    trials = trials_of(tmp_path)
    with pytest.raises(ValueError, match="No trial of study 'small' is finished yet"):
        report_of(trials)


@pytest.mark.parametrize(("metric", "are_whole"), [("parameters", True), ("val/accuracy", False)])
def test_whole_numbers_have_whole_ticks(tmp_path, metric, are_whole):
    trials = finished_trials(tmp_path)
    against = (Objective(), Objective(metric, "minimize"))
    (axes,) = pareto_figure(trials.definition, results_of(trials.all()), against).axes
    axes.set_xlim(0, 2)  # of cells that differ by two parameters, say
    assert all(tick == int(tick) for tick in axes.get_xticks()) == are_whole
