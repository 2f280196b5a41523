"""Trials while their storage goes away: each step may be done twice, and none is left half done."""

from collections import Counter

import pytest
from optuna.trial import Trial, TrialState
from studies.small import trials_of, work

from qlit.studies.trials import recovery

NUM_TRIALS = 16


@pytest.fixture
def trials(tmp_path):
    trials = trials_of(tmp_path)
    trials.fill()
    return trials


@pytest.fixture
def failing(monkeypatch):
    """Let the n-th call of something, and the later ones, fail as where a server is away, until it is called back."""

    def fail(owner, name, at=1):
        original, count = getattr(owner, name), 0

        def call(*arguments, **options):
            nonlocal count
            count += 1
            if count >= at:
                raise OSError("the storage is away")
            return original(*arguments, **options)

        monkeypatch.setattr(owner, name, call)
        return lambda: monkeypatch.setattr(owner, name, original)

    return fail


def places(trials):
    """How often each replicate of each cell is queued, running or done."""
    alive = [trial for trial in trials.all() if trial.state != TrialState.FAIL]
    return Counter((trial.user_attrs["cell"], tuple(trial.user_attrs["replicate"])) for trial in alive)


def all_once(trials):
    return set(places(trials).values()) == {1} and len(places(trials)) == NUM_TRIALS


@pytest.mark.parametrize("step", ["set_trial_user_attr", "set_trial_state_values", "create_new_trial"])
def test_what_is_given_back_is_queued_once_when_the_storage_is_back(trials, failing, step):
    claimed = trials.claim()
    restore = failing(trials.storage, step)
    with pytest.raises(OSError, match="is away"):
        trials.give_back(claimed, "SIGTERM")
    restore()
    for _ in range(2):
        trials.give_back(claimed, "SIGTERM")
    assert all_once(trials)
    assert trials.counts()["running"] == 0
    assert trials.all()[-1].user_attrs["restarts"] == 0
    assert work(trials) == NUM_TRIALS


@pytest.mark.parametrize("goes_on", ["recover", "fill"])
def test_another_worker_queues_what_a_dying_one_failed_and_did_not_queue(tmp_path, trials, failing, goes_on):
    trials.claim().trial.set_user_attr("qlit.pid", "999999999")
    restore = failing(trials.storage, "create_new_trial")
    with pytest.raises(OSError, match="is away"):
        trials.recover()
    restore()
    assert len(places(trials)) == NUM_TRIALS - 1
    other = trials_of(tmp_path)
    getattr(other, goes_on)()
    assert all_once(other)
    assert other.all()[-1].user_attrs["restarts"] == 1
    assert (trials.recover(), trials.fill()) == ([], 0)


def test_a_search_whose_trial_was_failed_and_not_queued_keeps_its_number_of_trials(tmp_path, failing):
    trials = trials_of(tmp_path, kind="random", size=3)
    trials.fill()
    claimed = trials.claim()
    restore = failing(trials.storage, "create_new_trial")
    with pytest.raises(OSError, match="is away"):
        trials.give_back(claimed, "SIGTERM")
    restore()
    assert trials.fill() == 0
    assert trials.counts()["waiting"] == 3
    assert trials.all()[-1].system_attrs["fixed_params"] == claimed.cell


@pytest.mark.parametrize(("step", "at"), [("set_user_attr", 1), ("suggest_categorical", 2)])
def test_a_trial_that_was_taken_when_the_storage_went_is_the_one_to_go_on_with(trials, failing, step, at):
    restore = failing(Trial, step, at=at)
    for _ in range(2):
        with pytest.raises(OSError, match="is away"):
            trials.claim()
    assert trials.recover() == []
    restore()
    assert trials.claim().trial.number == 0
    assert trials.counts()["running"] == 1
    assert trials.claim().trial.number == 1


def test_a_trial_of_a_living_process_is_not_lost_because_the_clock_was_set(trials, monkeypatch):
    claimed = trials.claim()
    claimed.trial.set_user_attr("heartbeat", claimed.trial.user_attrs["heartbeat"] - 86_400)
    assert trials.recover() == []
    clock = recovery.time.monotonic() + recovery.STALE_S + 1
    monkeypatch.setattr(recovery.time, "monotonic", lambda: clock)  # seen without a sign of life all the time
    assert trials.recover() == [claimed.trial.number]


def test_a_result_whose_receipt_was_lost_counts(trials):
    claimed = trials.claim()
    assert trials.finish(claimed, [1.5])
    assert trials.finish(claimed, [1.5])
    assert not trials.finish(claimed, [2.5])
    assert not trials.finish(claimed, None)


def test_a_queue_that_is_half_written_is_completed(tmp_path, failing):
    trials = trials_of(tmp_path)
    restore = failing(trials.storage, "create_new_trial", at=6)
    with pytest.raises(OSError, match="is away"):
        trials.fill()
    restore()
    assert trials.fill() == NUM_TRIALS - 5
    assert all_once(trials)
