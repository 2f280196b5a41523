"""Two stages in a storage: screened whole, decided once, searched exactly as often as asked, whatever workers do."""

from collections import Counter

import pytest
from optuna.trial import TrialState
from studies.staged import (
    BETTER,
    FACTORS,
    NUM_CELLS,
    REPLICATES,
    SEARCH,
    screen,
    staged_trials,
    start_worker,
    train,
    value_of,
    work,
)

from qlit.runtime.digest import digest
from qlit.studies.cell_results import ranked, results_of
from qlit.studies.definition import Factor
from qlit.studies.design_kinds import Design
from qlit.studies.trials.samplers import sampler_of


def stages(trials):
    return Counter(
        trial.user_attrs["stage"] for trial in trials.all() if trial.state in (TrialState.COMPLETE, TrialState.WAITING)
    )


def check_finished(trials):
    """What is true at the end, however it was reached."""
    assert trials.is_finished
    assert stages(trials) == {"screening": NUM_CELLS, "search": SEARCH.size}
    assert set(trials.screened.kept) == {"n", "x"}
    assert trials.screened.fixed == {name: BETTER[name] for name in "acd"}
    done = [trial for trial in trials.all() if trial.state == TrialState.COMPLETE]
    cells = Counter(trial.user_attrs["cell"] for trial in done if trial.user_attrs["stage"] == "screening")
    assert set(cells.values()) == {1}
    for trial in done:
        if trial.user_attrs["stage"] == "search":
            assert set(trial.params) == {"n", "x"}
            assert 0 <= trial.params["x"] <= 1
            assert trial.params["n"] in range(1, 9)
            assert trial.user_attrs["cell"] == digest({**trials.screened.fixed, **trial.params})
        assert sum(name.startswith("result ") for name in trial.user_attrs) == len(REPLICATES)
    best = ranked(results_of(trials.all()), trials.definition.objectives[0])[0]
    assert set(best.cell) == {"a", "x", "c", "d", "n"}
    assert best.cell["n"] >= 7


def test_the_factors_that_matter_are_searched_and_the_others_stay(tmp_path, storage):
    trials = staged_trials(tmp_path, storage)
    assert trials.fill() == NUM_CELLS
    assert trials.num_left == NUM_CELLS + SEARCH.size
    assert trials.begin_search() is None
    screen(trials)
    assert trials.claim() is None
    assert not trials.is_finished
    assert trials.num_left == SEARCH.size
    decided = trials.begin_search()
    assert trials.begin_search() is None
    assert trials.screened == decided
    assert trials.fill() == 0
    assert work(trials) == SEARCH.size
    check_finished(trials)
    assert trials.fill() == 0
    assert trials.num_given_up == 0


def test_a_search_begins_with_its_starts_and_knows_the_cells_of_the_screening(tmp_path, monkeypatch):
    factors = (Factor("a", ("m.a",), (1, 0)), *FACTORS[1:])  # a fraction of all cells that lacks the best corner
    trials = staged_trials(tmp_path, search=Design("tpe", size=4), factors=factors)
    trials.fill()
    screen(trials)
    decided = trials.begin_search()
    assert decided.starts[0] == {"n": BETTER["n"], "x": BETTER["x"]}
    claimed = [trials.claim() for _ in decided.starts]
    for each, start in zip(claimed, decided.starts, strict=True):
        assert each.cell == {**decided.fixed, **start}
        assert each.replicates == REPLICATES
        train(trials, each)
    asked = []

    def note(_, study, __, space):
        asked.append((len(study.trials), set(space)))
        return {}

    monkeypatch.setattr(type(trials.study.sampler), "sample_relative", note)
    trials.claim()
    assert asked == [(NUM_CELLS + 4, {"n", "x"})]  # no space of chance: those of the screening are known


@pytest.mark.parametrize("kind", ["tpe", "gp", "random"])
def test_every_search_can_be_the_second_stage(tmp_path, kind):
    trials = staged_trials(tmp_path, search=Design(kind, size=5))
    trials.fill()
    assert work(trials) == NUM_CELLS + 5
    assert type(trials.study.sampler) is type(sampler_of(trials.definition))
    assert stages(trials) == {"screening": NUM_CELLS, "search": 5}


def test_workers_that_start_together_decide_once_and_share_both_stages(tmp_path, storage):
    workers = [start_worker(tmp_path, storage) for _ in range(2)]
    for worker in workers:
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        worker.stdin.write("go\n")
        worker.stdin.flush()
    said = [worker.communicate(timeout=300)[0] for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * 2
    assert sum(map(int, said)) == NUM_CELLS + SEARCH.size
    check_finished(staged_trials(tmp_path, storage))


def test_a_worker_that_dies_at_the_decision_loses_nothing(tmp_path, storage, monkeypatch):
    first = staged_trials(tmp_path, storage)
    first.fill()
    screen(first)
    queued = []

    def die_at_the_third(cell, marks):
        queued.append(cell)
        if len(queued) == 3:
            raise KeyboardInterrupt
        first.study.enqueue_trial(dict(cell), user_attrs=dict(marks))

    monkeypatch.setattr(first, "_queue", die_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        first.begin_search()
    second = staged_trials(tmp_path, storage)
    decided = second.screened
    assert decided is not None
    assert second.begin_search() == decided
    assert work(second) == SEARCH.size
    check_finished(second)


def test_a_run_that_was_stopped_between_the_stages_goes_on(tmp_path):
    first = staged_trials(tmp_path)
    first.fill()
    screen(first)
    again = staged_trials(tmp_path)
    assert not again.is_finished
    assert again.fill() == 0
    assert work(again) == SEARCH.size
    check_finished(again)


def test_the_decision_waits_for_a_cell_that_failed(tmp_path):
    trials = staged_trials(tmp_path)
    trials.fill()
    trials.finish(trials.claim(), None)
    assert work(trials) == NUM_CELLS - 1
    assert trials.screened is None
    assert trials.is_finished  # until the next run queues it again
    assert trials.num_given_up == 1
    assert trials.fill() == 1
    assert trials.num_given_up == 0
    assert work(trials) == 1 + SEARCH.size
    check_finished(trials)


def test_a_failed_trial_of_the_search_is_queued_again_by_the_next_run_alone(tmp_path):
    trials = staged_trials(tmp_path)
    trials.fill()
    screen(trials)
    trials.begin_search()
    trials.finish(trials.claim(), None)
    assert work(trials) == SEARCH.size - 1
    assert trials.num_given_up == 1
    assert trials.fill() == 1
    assert work(trials) == 1
    check_finished(trials)


def test_a_trial_of_the_search_that_is_given_back_or_lost_goes_on_as_it_was(tmp_path):
    trials = staged_trials(tmp_path)
    trials.fill()
    screen(trials)
    trials.begin_search()
    stopped, lost = trials.claim(), trials.claim()
    trials.give_back(stopped, "stopped by SIGTERM")
    lost.trial.set_user_attr("qlit.pid", "999999999")
    assert trials.recover() == [lost.trial.number]
    again = [trials.claim() for _ in range(SEARCH.size)][-2:]
    assert [(each.cell, each.stage, each.restarts) for each in again] == [
        (stopped.cell, "search", 0), (lost.cell, "search", 1),
    ]  # fmt: skip
    assert trials.claim() is None


def test_cells_of_the_screening_are_trained_to_their_end(tmp_path):
    trials = staged_trials(tmp_path)
    trials.fill()
    for _ in range(NUM_CELLS):
        claimed = trials.claim()
        assert not claimed.may_be_pruned
        train(trials, claimed)
    trials.begin_search()
    assert trials.claim().may_be_pruned


def test_nothing_that_matters_ends_the_study_after_its_screening(tmp_path):
    trials = staged_trials(tmp_path, keep=None, significance=1e-6)
    trials.fill()
    assert work(trials, lambda cell, split: value_of({**cell, **BETTER}, split)) == NUM_CELLS
    assert trials.screened.kept == ()
    assert trials.is_finished
    assert trials.num_given_up == 0
    assert trials.fill() == 0


def test_a_study_with_another_second_stage_is_another_study(tmp_path):
    staged_trials(tmp_path)
    for options in ({"keep": 3}, {"search": Design("tpe", size=13)}, {"significance": 0.05}):
        with pytest.raises(ValueError, match="contains a study 'staged' with other factors, design"):
            staged_trials(tmp_path, **options)
