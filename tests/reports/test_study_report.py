"""The report of a study: one page with everything, beside its pictures and tables."""

import csv
import re

import pytest
from studies.small import FACTORS, finished_trials, trials_of

from qlit.reports.study_report import report_of


def test_a_report_holds_the_chosen_cell_tables_and_pictures(tmp_path):
    page = report_of(finished_trials(tmp_path)).write(tmp_path / "report")
    html = page.read_text()
    assert "x 2, y 0.5: val/accuracy 0.755" in html
    assert "test/accuracy 0.655" in html
    assert "which chose nothing" in html
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


def test_nothing_finished_is_nothing_to_report(tmp_path):
    trials = trials_of(tmp_path)
    with pytest.raises(ValueError, match="No trial of study 'small' is finished yet"):
        report_of(trials)
