"""The state of a study in words."""

from dataclasses import replace

from studies.small import finished_trials, small_study, trials_of, url

from qlit.jobs.study.state import state_text
from qlit.studies.definition import Factor


def stored(folder):
    return replace(small_study(folder), storage=url(folder, "journal"))


def test_a_study_that_never_ran_has_no_state_and_no_storage(tmp_path):
    assert state_text(stored(tmp_path), set()) == ""
    assert not (tmp_path / "small.journal").exists()


def test_a_finished_study_tells_which_runs_are_elsewhere(tmp_path):
    trials = finished_trials(tmp_path)
    runs = {f"run-{trial.number}-{seed}" for trial in trials.all() for seed in (0, 1)}
    trials.close()
    assert state_text(stored(tmp_path), runs) == "Study small: 16 complete."
    assert state_text(stored(tmp_path), set()).endswith(
        "16 complete. Runs that are not in MLflow here: those of 16 of its 16 finished trainings."
    )


def test_a_queued_study_is_told(tmp_path):
    trials = trials_of(tmp_path)
    trials.fill()
    trials.close()
    assert state_text(stored(tmp_path), set()) == "Study small: 16 waiting."


def test_a_storage_with_another_study_of_the_name_is_told(tmp_path):
    trials_of(tmp_path).close()
    other = replace(stored(tmp_path), factors=(Factor("x", ("a.x",), (0, 7)),))
    assert "contains a study 'small' with other factors" in state_text(other, set())
