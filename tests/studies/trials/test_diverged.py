"""Trials whose training diverged: settled, never chosen, told; also those that an older version kept as results."""

import csv
import json
import math
import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest
from optuna.trial import TrialState
from studies.small import REPLICATES, small_study, trials_of, url, value_of
from studies.staged import NUM_CELLS, staged_trials, train

from qlit.reports.study_report import report_of
from qlit.reports.study_text import best_text, status_text
from qlit.studies.cell_results import all_results, csv_of, diverged_trainings, note_of, ranked, results_of, table_of
from qlit.studies.definition import Factor, Objective
from qlit.studies.design_kinds import Design
from qlit.studies.effects import importances
from qlit.studies.trials.diverged import DIVERGED, mend
from qlit.studies.trials.storage import location_of
from qlit.studies.trials.trials import Trials

WHY = "The training diverged in epoch 3."


def note(claimed, value, replicate=None):
    """What a worker notes of a training; NaN as older versions noted a diverged one."""
    replicate = replicate or claimed.replicates[0]
    scores = {"val/accuracy": 0.9 if math.isnan(value) else value, "val/loss": 1 - value, "test/accuracy": 0.5}
    run_id = f"run-{claimed.trial.number}"
    claimed.trial.set_user_attr(note_of(replicate), {"run_id": run_id, **scores, "parameters": 10.0})


def diverge(trials, claimed):
    for replicate in claimed.replicates[:1]:
        claimed.trial.set_user_attr(note_of(replicate), {"run_id": f"run-{claimed.trial.number}", DIVERGED: WHY})
    assert trials.settle_diverged(claimed, WHY)


def work(trials, is_diverging, value=lambda cell: 0.5 + value_of(cell) / 10):
    while (claimed := trials.claim()) is not None:
        if is_diverging(claimed):
            diverge(trials, claimed)
            continue
        for replicate in claimed.replicates:
            note(claimed, value(claimed.cell), replicate)
        values = [value(claimed.cell), 10.0][: len(trials.definition.objectives)]
        trials.finish(claimed, values)


@pytest.fixture
def one_cell(tmp_path, storage):
    """A finished study of which one replicate of the cell with the best values diverged."""
    trials = trials_of(tmp_path, storage)
    trials.fill()
    work(trials, lambda claimed: claimed.cell == {"x": 2, "y": 0.5} and claimed.replicates == REPLICATES[1:])
    return trials


def test_a_cell_of_which_one_training_diverged_is_neither_chosen_nor_trained_again(one_cell):
    assert one_cell.is_finished
    assert one_cell.fill() == one_cell.num_given_up == 0
    counts = one_cell.counts()
    assert (counts["complete"], counts["diverged"], counts["pruned"], counts["fail"]) == (15, 1, 0, 0)
    chosen = ranked(results_of(one_cell.all()), Objective())
    assert chosen[0].cell == {"x": 2, "y": 0.0}
    assert all(each.cell != {"x": 2, "y": 0.5} for each in chosen)
    (found,) = diverged_trainings(one_cell.all())
    assert (found.cell, found.replicate, found.reason) == ({"x": 2, "y": 0.5}, REPLICATES[1], WHY)
    assert all(math.isfinite(trial.value) for trial in one_cell.all() if trial.value is not None)


def test_a_diverged_training_is_told_everywhere(one_cell, tmp_path):
    assert "15 of 16 trials done, 1 diverged" in status_text(one_cell)
    assert f"x 2, y 0.5: {WHY}" in status_text(one_cell)
    assert "1 cell(s), which are not compared" in best_text(one_cell)
    every = one_cell.all()
    rows = list(
        csv.DictReader(
            csv_of(table_of(one_cell.definition, all_results(every), diverged_trainings(every))).splitlines()
        )
    )
    assert len(rows) == 16
    (row,) = [each for each in rows if each["diverged"]]
    assert (row["x"], row["y"], row["seed"], row["diverged"], row["val/accuracy"]) == ("2", "0.5", "1", WHY, "")
    assert row["run_id"].startswith("run-")
    report = report_of(one_cell)
    assert WHY in report.html
    assert report.write(tmp_path / "report").is_file()


def test_a_study_whose_trainings_all_diverged_says_so(tmp_path):
    trials = trials_of(tmp_path)
    trials.fill()
    work(trials, lambda _: True)
    assert best_text(trials) == "small: no trial is finished; 8 cell(s) diverged: qlit study status."
    with pytest.raises(ValueError, match=r"no trial|No trial of study 'small' is finished yet \(16 diverged\)"):
        report_of(trials)


@pytest.mark.parametrize("kind", ["tpe", "gp", "nsga2", "random"])
def test_a_search_goes_on_beside_diverged_trials_within_its_budget(tmp_path, kind):
    ranges = (Factor("x", ("a.x",), low=0.0, high=1.0),)
    study = replace(small_study(tmp_path, factors=ranges), design=Design(kind, size=13, seed=3))
    trials = Trials(study, location_of(url(tmp_path, "journal"), study.name))
    trials.fill()
    work(trials, lambda claimed: claimed.cell["x"] > 0.6, lambda cell: cell["x"])
    counts = trials.counts()
    assert counts["complete"] + counts["diverged"] == 13
    assert counts["diverged"] > 0
    assert ranked(results_of(trials.all()), Objective())[0].cell["x"] <= 0.6


@pytest.mark.parametrize("kind", ["tpe", "nsga2"])
def test_a_search_for_two_objectives_does_so_too(tmp_path, kind):
    ranges = (Factor("x", ("a.x",), low=0.0, high=1.0),)
    two = (Objective(), Objective("parameters", "minimize"))
    study = replace(small_study(tmp_path, factors=ranges, objectives=two), design=Design(kind, size=13, seed=3))
    trials = Trials(study, location_of(url(tmp_path, "journal"), study.name))
    trials.fill()
    work(trials, lambda claimed: claimed.cell["x"] > 0.6, lambda cell: cell["x"])
    assert trials.counts()["diverged"] > 0
    assert "cells that no other beats" in best_text(trials)


def test_tpe_keeps_away_from_where_trainings_diverge(tmp_path):
    ranges = (Factor("x", ("a.x",), low=0.0, high=1.0),)
    study = replace(small_study(tmp_path, factors=ranges), design=Design("tpe", size=30, seed=1))
    trials = Trials(study, location_of(url(tmp_path, "journal"), study.name))
    trials.fill()
    work(trials, lambda claimed: claimed.cell["x"] > 0.5, lambda cell: 1 - abs(cell["x"] - 0.2))
    is_diverged = [DIVERGED in trial.user_attrs for trial in trials.all()]
    assert sum(is_diverged[-15:]) < sum(is_diverged[:15])


def test_a_screening_with_diverged_cells_comes_to_its_search(tmp_path):
    trials = staged_trials(tmp_path)
    trials.fill()
    num_diverged = 0
    for _ in range(NUM_CELLS):
        claimed = trials.claim()
        if claimed.cell["n"] == 8:  # the better level by its values, and the one that diverges
            diverge(trials, claimed)
            num_diverged += 1
        else:
            train(trials, claimed)
    assert trials.begin_search() is not None
    screened = trials.screened
    assert f"{num_diverged} of {NUM_CELLS} cells diverged, and get the worst value" in screened.note
    (factor,) = [each for each in screened.factors if each.name == "n"]
    assert factor.better == 1
    assert factor.is_kept
    assert report_of(trials).html


def test_a_screening_that_diverged_altogether_says_so(tmp_path):
    trials = staged_trials(tmp_path)
    trials.fill()
    for _ in range(NUM_CELLS):
        diverge(trials, trials.claim())
    with pytest.raises(ValueError, match=r"All cells of the screening of study 'staged' diverged; use other levels\."):
        trials.begin_search()


# --- what older versions kept ---


def as_older_versions_did(trials, is_diverging):
    while (claimed := trials.claim()) is not None:
        value = math.nan if is_diverging(claimed.cell) else value_of(claimed.cell)
        for replicate in claimed.replicates:
            note(claimed, value, replicate)
        trials.storage.set_trial_state_values(claimed.trial._trial_id, TrialState.COMPLETE, [value])


def test_a_storage_with_values_that_are_not_numbers_can_be_read(tmp_path, storage):
    trials = trials_of(tmp_path, storage)
    trials.fill()
    try:
        as_older_versions_did(trials, lambda cell: cell == {"x": 2, "y": 0.5})
    except AssertionError:  # Optuna, of its own SQLite file, from the second on
        assert storage == "sqlite"
    again = trials_of(tmp_path, storage)
    as_older_versions_did(again, lambda _: False)
    assert again.counts()["diverged"] >= 1
    assert all(each.cell != {"x": 2, "y": 0.5} for each in results_of(again.all()))
    assert "diverged" in status_text(again)
    assert "nan" not in best_text(again)
    assert report_of(again).html
    importances(again.study)
    rows = csv_of(table_of(again.definition, all_results(again.all()), diverged_trainings(again.all())))
    assert "nan" not in rows.lower()


def test_an_sqlite_file_that_optuna_cannot_read_is_mended_once(tmp_path):
    trials = trials_of(tmp_path, "sqlite")
    trials.fill()
    claimed = trials.claim()
    note(claimed, math.nan)
    trials.storage.set_trial_state_values(claimed.trial._trial_id, TrialState.COMPLETE, [math.nan])
    path = tmp_path / "small.db"
    trials.close()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT value FROM trial_values").fetchall() == [(None,)]
    assert mend(path) == 1
    assert mend(path) == mend(tmp_path / "none.db") == 0
    (found,) = diverged_trainings(trials_of(tmp_path, "sqlite").all())
    assert (found.replicate, found.run_id) == (REPLICATES[0], "run-0")
    assert "not finite numbers (trained by an older qlit)" in found.reason


def test_a_search_does_not_go_on_where_its_sampler_would_take_nan_for_the_best(tmp_path):
    trials = trials_of(tmp_path, kind="tpe", size=3)
    trials.fill()
    claimed = trials.claim()
    trials.storage.set_trial_state_values(claimed.trial._trial_id, TrialState.COMPLETE, [math.nan])
    with pytest.raises(ValueError, match="contains trials of an older qlit whose values are not finite numbers"):
        trials_of(tmp_path, kind="tpe", size=3).fill()
    assert json.loads(json.dumps(trials.counts()))["diverged"] == 1
