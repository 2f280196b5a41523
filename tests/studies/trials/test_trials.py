"""Trials: queued once, claimed once, queued again when they are lost; with many workers and in every storage."""

import os
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import replace

import psutil
import pytest
from optuna.trial import TrialState
from studies.small import REPLICATES, small_study, start_worker, trials_of, url, value_of, work

from qlit.runtime.digest import digest
from qlit.studies.definition import Factor
from qlit.studies.trials.recovery import STALE_S
from qlit.studies.trials.storage import location_of
from qlit.studies.trials.trials import Trials

# 3 * 2 cells, those with x = 1 twice for z: 8, with 2 replicates each.
NUM_CELLS, NUM_TRIALS = 8, 16


def done_cells(trials):
    done = [trial for trial in trials.all() if trial.state == TrialState.COMPLETE]
    return Counter((trial.user_attrs["cell"], tuple(trial.user_attrs["replicate"])) for trial in done)


def test_every_cell_is_trained_once_with_every_replicate(tmp_path, storage):
    trials = trials_of(tmp_path, storage)
    assert trials.fill() == NUM_TRIALS
    assert trials.fill() == 0
    claimed = trials.claim()
    assert claimed.cell == {"x": 0, "y": 0.0}
    assert trials.counts()["running"] == 1
    assert trials.finish(claimed, [value_of(claimed.cell)])
    assert work(trials) == NUM_TRIALS - 1
    assert trials.is_finished
    assert trials.claim() is None
    found = done_cells(trials)
    assert len(found) == NUM_TRIALS
    assert set(found.values()) == {1}
    for trial in trials.all():
        assert trial.user_attrs["cell"] == digest(trial.params)
        assert trial.value == value_of(trial.params)
        assert ("z" in trial.params) == (trial.params["x"] == 1)


def test_workers_that_start_together_on_nothing_share_the_trials(tmp_path, storage):
    workers = [start_worker(tmp_path, storage) for _ in range(4)]
    for worker in workers:
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:  # all are past their imports now
        worker.stdin.write("go\n")
        worker.stdin.flush()
    said = [worker.communicate(timeout=120)[0] for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * 4
    assert sum(map(int, said)) == NUM_TRIALS
    found = done_cells(trials_of(tmp_path, storage))
    assert len(found) == NUM_TRIALS
    assert set(found.values()) == {1}


def test_a_killed_workers_trial_is_noticed_and_done_by_another(tmp_path, storage):
    worker = start_worker(tmp_path, storage, "die")
    worker.communicate("go\n", timeout=120)
    assert worker.returncode == -9
    trials = trials_of(tmp_path, storage)
    assert trials.counts()["running"] == 1
    assert trials.recover() == [0]
    assert trials.recover() == []
    assert trials.all()[0].state == TrialState.FAIL
    assert trials.all()[0].user_attrs["error"] == "its process ended without a message"
    again = trials.all()[-1]
    assert (again.user_attrs["restarts"], again.user_attrs["again"]) == (1, 0)
    assert work(trials) == NUM_TRIALS
    assert set(done_cells(trials).values()) == {1}
    assert len(done_cells(trials)) == NUM_TRIALS


def test_a_trial_of_another_machine_is_lost_when_it_gives_no_sign_of_life(tmp_path):
    trials = trials_of(tmp_path, retries=1)
    trials.fill()
    claimed = trials.claim()
    claimed.trial.set_user_attr("qlit.host", "elsewhere")
    assert trials.recover() == []
    claimed.trial.set_user_attr("heartbeat", claimed.trial.user_attrs["heartbeat"] - STALE_S - 1)
    assert trials.recover() == [0]
    assert not trials.finish(claimed, [1.0])  # it lives after all, but its result comes too late
    assert trials.all()[0].state == TrialState.FAIL


def test_a_trial_that_kills_every_worker_is_given_up_and_tried_again_by_the_next_run(tmp_path):
    trials = trials_of(tmp_path, retries=1)
    trials.fill()
    for number in range(2):
        first = {"cell": {"x": 0, "y": 0.0}, "replicates": (REPLICATES[0],)}
        claimed = next(
            found for found in iter(trials.claim, None) if first == {key: getattr(found, key) for key in first}
        )
        claimed.trial.set_user_attr("qlit.pid", "999999999")
        assert claimed.restarts == number
        assert trials.recover() == [claimed.trial.number]
    lost = digest({"x": 0, "y": 0.0})
    left = [each for each in trials.all() if each.user_attrs["cell"] == lost and each.state != TrialState.FAIL]
    assert len(left) == 1  # the other replicate
    assert trials.fill() == 1


def test_a_trial_whose_processes_died_is_queued_again_as_often_as_the_study_allows(tmp_path):
    trials = trials_of(tmp_path, retries=1)
    trials.fill()
    claimed = trials.claim()
    trials.lose(claimed, "rank 1 died")
    lost, again = trials.all()[0], trials.all()[-1]
    assert (lost.state, lost.user_attrs["error"]) == (TrialState.FAIL, "rank 1 died")
    assert (again.user_attrs["restarts"], again.user_attrs["cell"]) == (1, digest(claimed.cell))
    while (claimed := trials.claim()).trial.number != again.number:
        trials.finish(claimed, [0.0])
    trials.lose(claimed, "rank 1 died")
    assert trials.is_finished
    assert trials.num_given_up == 1


def test_what_is_given_back_goes_on_later(tmp_path):
    trials = trials_of(tmp_path)
    trials.fill()
    trials.give_back(trials.claim(), "SIGTERM")
    assert trials.counts()["running"] == 0
    assert trials.fill() == 0
    assert work(trials) == NUM_TRIALS
    assert len(done_cells(trials)) == NUM_TRIALS


def test_what_failed_is_queued_again_by_the_next_run_and_what_is_done_is_not(tmp_path):
    trials = trials_of(tmp_path)
    trials.fill()
    trials.finish(trials.claim(), None)
    assert work(trials) == NUM_TRIALS - 1
    again = trials_of(tmp_path)
    assert again.fill() == 1
    assert work(again) == 1
    assert again.fill() == 0
    assert set(done_cells(again).values()) == {1}


@pytest.mark.parametrize("kind", ["tpe", "gp", "nsga2", "random"])
def test_a_search_has_exactly_its_trials_and_finds_the_better_levels(tmp_path, kind):
    trials = trials_of(tmp_path, kind=kind, size=11)  # the eleventh is the first that is not drawn at random
    assert trials.fill() == 11
    assert work(trials) == 11
    assert trials.fill() == 0
    assert trials.study.best_value >= 2.0
    assert trials.all()[0].user_attrs["cell"] == digest(trials.all()[0].params)


def test_a_range_is_searched_within_its_ends(tmp_path):
    study = small_study(tmp_path, "tpe", 24)
    ranges = (
        Factor("n", ("a.n",), low=2, high=8, step=2),
        Factor("lr", ("a.lr",), low=1e-4, high=1e-2, log=True),
        Factor("rho", ("a.rho",), low=0.0, high=0.5, step=0.25),
    )
    study = type(study)("ranges", study.base, {}, ranges, study.design)
    trials = Trials(study, location_of(url(tmp_path, "journal"), "ranges"))
    trials.fill()
    while (claimed := trials.claim()) is not None:
        assert claimed.cell["n"] in (2, 4, 6, 8)
        assert 1e-4 <= claimed.cell["lr"] <= 1e-2
        assert claimed.cell["rho"] in (0.0, 0.25, 0.5)
        trials.finish(claimed, [claimed.cell["n"]])
    assert trials.study.best_params["n"] == 8


def test_stopping_is_seen_by_other_workers_and_forgotten_by_the_next_run(tmp_path, storage):
    trials, other = trials_of(tmp_path, storage), trials_of(tmp_path, storage)
    trials.fill()
    assert not other.stop_is_asked
    trials.ask_to_stop()
    assert other.stop_is_asked
    other.fill()
    assert not trials.stop_is_asked


def test_stopping_now_reaches_the_processes_that_train(tmp_path):
    trials = trials_of(tmp_path)
    trials.fill()
    claimed = trials.claim()
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as child:
        claimed.trial.set_user_attr("qlit.pid", str(child.pid))
        claimed.trial.set_user_attr("qlit.process_start", f"{psutil.Process(child.pid).create_time():.2f}")
        assert trials.stop_now() == 1
        assert child.wait(timeout=30) == -signal.SIGTERM
    assert trials.stop_now() == 0


def test_a_study_of_this_name_with_other_factors_is_refused(tmp_path):
    trials_of(tmp_path)
    with pytest.raises(ValueError, match="contains a study 'small' with other factors"):
        trials_of(tmp_path, kind="tpe", size=3)


def test_a_study_that_is_not_there_is_not_made_by_looking(tmp_path):
    study = small_study(tmp_path)
    place = location_of(url(tmp_path, "journal"), study.name)
    with pytest.raises(ValueError, match=r"There is no study 'small' in .*small.journal yet; start it with"):
        Trials(study, place, create=False)
    assert not place.path.exists()


def test_looking_needs_no_overrides_but_going_on_does(tmp_path):
    study = replace(small_study(tmp_path), overrides={"b": 1})
    place = location_of(url(tmp_path, "journal"), study.name)
    Trials(study, place)
    assert Trials(small_study(tmp_path), place, create=False).definition == study
    with pytest.raises(ValueError, match="or overrides"):
        Trials(small_study(tmp_path), place)


@pytest.mark.parametrize("storage", ["journal", "sqlite"])
def test_a_file_is_for_the_workers_of_one_machine(tmp_path, monkeypatch, storage):
    trials_of(tmp_path, storage)
    monkeypatch.setattr("qlit.studies.trials.opening.this_host", lambda: "elsewhere")
    with pytest.raises(
        ValueError, match="but this is elsewhere, and workers on several machines would corrupt the file"
    ):
        trials_of(tmp_path, storage)


def test_marks_tell_whose_process_a_trial_is(tmp_path):
    trials = trials_of(tmp_path)
    trials.fill()
    assert trials.claim().trial.user_attrs["qlit.pid"] == str(os.getpid())
