"""A process that is killed at any step of making a study and queueing its trials: the next one makes it whole."""

import itertools

import optuna
import pytest
from sqlalchemy import Engine, event
from studies.small import small_study, trials_of, url

from qlit.studies.trials import journal
from qlit.studies.trials.storage import location_of
from qlit.studies.trials.trials import Trials

NUM_TRIALS = 16  # cells times replicates


class Killed(BaseException):
    """Ends what a process did, as a kill would: nothing catches it."""


def begun(folder, storage):
    trials = trials_of(folder, storage)
    try:
        trials.fill()
    finally:
        trials.close()


def killed_at(step, monkeypatch, storage, folder, part=0.0):
    """Begin a study, and die at a step; False if it has no more steps."""
    steps = itertools.count()

    def die_in_time(*_):
        if next(steps) == step:
            raise Killed

    def write(stream, data):
        if next(steps) == step:
            stream.write(data[: round(part * len(data))])
            raise Killed
        stream.write(data)

    with monkeypatch.context() as patch:
        if storage == "journal":
            patch.setattr(journal, "write_whole", write)
        else:
            event.listen(Engine, "before_cursor_execute", die_in_time)
        try:
            begun(folder, storage)
        except Killed:
            return True
        finally:
            if storage != "journal":
                event.remove(Engine, "before_cursor_execute", die_in_time)
    return False


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.parametrize(
    ("storage", "steps", "part"),
    [("journal", range(9), 0.0), ("journal", range(0, 24, 4), 0.5), ("sqlite", (3, 60, 90), 0.0)],
)
def test_a_study_is_whole_after_a_kill_at_any_step(tmp_path, monkeypatch, storage, steps, part):
    for step in steps:
        folder = tmp_path / str(step)
        folder.mkdir()
        assert killed_at(step, monkeypatch, storage, folder, part)
        begun(folder, storage)
        trials = trials_of(folder, storage, create=False)
        assert trials.study.metric_names == ["val/accuracy"]
        assert trials.counts()["waiting"] == len(trials.all()) == NUM_TRIALS
        assert trials.claim() is not None
        trials.close()


def test_a_half_made_study_is_none_to_look_at(tmp_path, monkeypatch):
    assert killed_at(2, monkeypatch, "journal", tmp_path)
    with pytest.raises(ValueError, match=r"There is no study 'small' in .*; start it with `qlit study run`"):
        trials_of(tmp_path, create=False)


def test_a_study_of_somebody_else_is_not_taken_for_a_half_made_one(tmp_path):
    location = location_of(url(tmp_path, "sqlite"), "small")
    optuna.create_study(storage=location.url, study_name="small").set_user_attr("mine", 1)
    with pytest.raises(ValueError, match="contains a study 'small' with other factors"):
        Trials(small_study(tmp_path), location)


def test_a_worker_that_is_killed_right_after_it_took_a_trial_is_known(tmp_path, monkeypatch):
    trials = trials_of(tmp_path)
    trials.fill()
    monkeypatch.setattr(Trials, "_prepared", lambda *_: (_ for _ in ()).throw(Killed))
    with pytest.raises(Killed):
        trials.claim()
    (taken,) = [trial for trial in trials.all() if trial.state == optuna.trial.TrialState.RUNNING]
    assert {"qlit.host", "qlit.pid", "qlit.process_start"} <= taken.user_attrs.keys()
