"""Searches: a seed repeats one, whoever works on it, and workers never draw equal points."""

from dataclasses import replace

import pytest
from optuna.trial import TrialState
from studies.small import small_study, url
from studies.staged import screen, staged_trials, train

from qlit.studies.definition import Factor, Objective
from qlit.studies.design_kinds import Design
from qlit.studies.trials.storage import location_of
from qlit.studies.trials.trials import Trials

RANGES = (
    Factor("lr", ("a.lr",), low=1e-4, high=1e-2, log=True),
    Factor("n", ("a.n",), low=1, high=1000),
    Factor("kind", ("a.kind",), ("a", "b")),
)
SIZE = 12  # more than the ten trials that tpe and gp draw at random first
FIRST_OF_SEED_7 = {"lr": 0.0017296005618143992, "n": 159, "kind": "a"}
KINDS = ["random", "tpe", "gp", "nsga2"]


@pytest.fixture
def folders(tmp_path):
    """Makes empty folders."""

    def make():
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        return folder

    return make


def search(folder, kind, seed=7, size=SIZE, **options):
    study = replace(small_study(folder, factors=RANGES, **options), design=Design(kind, size=size, seed=seed))
    return Trials(study, location_of(url(folder, "journal"), study.name))


def train_one(trials):
    if (claimed := trials.claim()) is None:
        return False
    value = claimed.cell["n"] * (1 + claimed.cell["lr"])
    return trials.finish(claimed, [value, -value][: len(trials.definition.objectives)])


def points(trials):
    return [trial.params for trial in trials.all() if trial.state != TrialState.FAIL]


def whole(folder, kind, seed=7, size=SIZE, **options):
    trials = search(folder, kind, seed, size, **options)
    trials.fill()
    while train_one(trials):
        pass
    assert len(points(trials)) == size
    return points(trials)


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_repeats_a_search_in_another_folder_and_another_one_does_not(folders, kind):
    first = whole(folders(), kind)
    assert whole(folders(), kind) == first
    other = whole(folders(), kind, seed=8)
    assert not [point for point in other[:10] if point in first]  # the best point may be found by both


def test_the_points_of_a_seed_are_those_of_every_process(folders):
    assert whole(folders(), "random")[0] == FIRST_OF_SEED_7


@pytest.mark.parametrize("kind", ["tpe", "nsga2"])
def test_a_seed_repeats_a_search_for_two_objectives(folders, kind):
    two = (Objective(), Objective("parameters", "minimize"))
    assert whole(folders(), kind, objectives=two) == whole(folders(), kind, objectives=two)


@pytest.mark.parametrize("kind", ["random", "tpe"])
def test_a_restarted_worker_goes_on_with_the_points_that_an_undisturbed_one_draws(folders, kind):
    folder = folders()
    trials = search(folder, kind)
    trials.fill()
    for _ in range(SIZE):
        trials = search(folder, kind)  # a new worker
        train_one(trials)
    assert points(trials) == whole(folders(), kind)


def test_a_search_learns_from_the_trials_of_its_own_worker(folders):
    drawn = [point["n"] for point in whole(folders(), "tpe", size=20)]
    assert sum(drawn[-5:]) > 1.5 * sum(drawn[:5])


def test_two_workers_share_the_points_of_one(folders):
    folder = folders()
    workers = [search(folder, "random"), search(folder, "random")]
    workers[0].fill()
    claimed = [workers[number % 2].claim() for number in range(SIZE)]  # all of them at once
    cells = [each.cell for each in claimed]
    assert len({str(cell) for cell in cells}) == SIZE
    assert cells == whole(folders(), "random")


def test_a_trial_that_is_stopped_before_it_drew_is_drawn_as_it_would_have_been(folders):
    trials = search(folders(), "random")
    trials.fill()
    taken = trials.all()[0]
    trials.storage.set_trial_state_values(taken._trial_id, TrialState.RUNNING)
    trials.storage.set_trial_user_attr(taken._trial_id, "heartbeat", 0.0)  # its worker died at once
    assert trials.recover() == [0]
    while train_one(trials):
        pass
    assert sorted(map(str, points(trials))) == sorted(map(str, whole(folders(), "random")))


def test_a_search_after_a_screening_is_repeated_too(folders):
    found = []
    for folder in (folders(), folders()):
        trials = staged_trials(folder)
        trials.fill()
        screen(trials)
        assert trials.begin_search() is not None
        while (claimed := trials.claim()) is not None:
            trials.finish(claimed, [train(trials, claimed)])
        found.append(points(trials))
    assert found[0] == found[1]
