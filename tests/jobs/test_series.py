"""A series: configs and options from the command line, and which trainings it looks up and runs."""

import signal
from types import SimpleNamespace

import numpy as np
import pytest

from qlit.jobs import series
from qlit.jobs.config.arguments import split_overrides
from qlit.jobs.outcome import Outcome
from qlit.jobs.series import Candidate, Series, candidate_of
from qlit.runtime.interrupts import StoppedBySignal


def test_options_with_a_dot_go_to_configs_and_all_others_stay():
    own, overrides = split_overrides(
        [
            "a",
            "--seeds",
            "3",
            "--data.source",
            "x.tsv",
            "--json=f.json",
            "--model.lr=0.1",
            "b",
            "--plot",
            "y.png",
            "--a.b",
        ]
    )
    assert own == ["a", "--seeds", "3", "--json=f.json", "b", "--plot", "y.png"]
    assert overrides == ["--data.source", "x.tsv", "--model.lr=0.1", "--a.b"]


def test_a_config_may_have_its_own_options_which_win(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.yaml").touch()
    made = candidate_of("a.yaml --model.lr 0.1 --data.source 'my data'", ["--model.lr", "0.2"], range(2))
    assert made.configs == ("a.yaml",)
    assert made.options == ("--model.lr", "0.2", "--model.lr", "0.1", "--data.source", "my data")
    assert (made.name, made.seeds) == ("a lr 0.1 source my data", (0, 1))


@pytest.mark.parametrize("name", ["my config.yaml", "it's.yaml"])
def test_a_path_may_hold_spaces_and_quotes(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).touch()
    made = candidate_of(name, [], range(1))
    assert (made.configs, made.options) == ((name,), ())


def test_a_config_may_be_in_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "a.yaml").touch()
    for typed, own in (("~/a.yaml", ()), ("~/a.yaml --model.lr 0.1", ("--model.lr", "0.1"))):
        made = candidate_of(typed, [], range(1))
        assert (made.configs, made.options) == ((str(tmp_path / "a.yaml"),), own)


class Trainings:
    """Jobs of a candidate in memory: what `find` returns by seed, and the outcomes of their trainings by seed."""

    options, config, contents = (), {"trainer": {"devices": 1, "strategy": "auto", "num_nodes": 1}}, "contents"

    def __init__(self, found, outcomes):
        self.found, self.outcomes, self.looked_up, self.settings = dict(found), dict(outcomes), [], {}
        right = SimpleNamespace(is_right=np.ones(1))
        self.runs = SimpleNamespace(read=lambda run_id: SimpleNamespace(run_id=run_id, predictions=right))

    def with_settings(self, settings):
        self.settings = {**self.settings, **settings}
        return self

    def find(self):
        self.looked_up.append(self.settings["data.seed"])
        return self.found.get(self.settings["data.seed"])

    def run(self, *, tags):
        seed = self.settings["data.seed"]
        assert tags == {"series.model": "m", "series.seed": str(seed)}
        self.trained_from = self.settings["ckpt_path"]
        outcome = self.outcomes.pop(seed)
        if isinstance(outcome, BaseException):
            raise outcome
        if outcome.status != "stopped":
            self.found[seed] = outcome
        return outcome


@pytest.fixture
def series_of(monkeypatch):
    """A series of one candidate with these trainings."""
    monkeypatch.setattr(series, "check_all", list)

    def make(trainings, *seeds):
        monkeypatch.setattr(series, "Job", lambda *_, **__: trainings)
        return Series([Candidate("m", seeds)])

    return make


def test_every_training_is_looked_up_once_and_after_it_was_run(series_of, capsys):
    found = {0: Outcome("finished", "r0"), 1: Outcome("failed", "r1", reason="it diverged")}
    trainings = Trainings(found, {2: Outcome("finished", "r2")})
    made = series_of(trainings, 0, 1, 2)
    assert made.train() is None
    assert trainings.looked_up == [0, 1, 2, 2]
    assert {seed: run.run_id for seed, run in made.runs[0].items()} == {0: "r0", 2: "r2"}
    assert made.diverged == [{1: found[1]}]
    assert made.diverged_text() == "1 of 3 trainings diverged: m, seed 1 (run r1). it diverged"
    assert capsys.readouterr().err.splitlines() == [
        "qlit: training 1 of 1: m, seed 2",
        "qlit: m, seed 2: test accuracy 100.00%",
    ]


def test_a_stopped_training_continues_from_its_checkpoint(series_of):
    found = {0: Outcome("stopped", "r0", checkpoint="last.ckpt")}
    trainings = Trainings(found, {0: Outcome("finished", "r0")})
    made = series_of(trainings, 0)
    assert made.train() is None
    assert (trainings.trained_from, trainings.looked_up) == ("last.ckpt", [0, 0])


@pytest.mark.parametrize("stop", [Outcome("stopped", "r", stopped_by=signal.SIGTERM), StoppedBySignal(signal.SIGTERM)])
def test_a_stopped_series_returns_an_outcome_and_trains_nothing_more(series_of, stop):
    trainings = Trainings({}, {0: stop, 1: Outcome("finished", "r1")})
    made = series_of(trainings, 0, 1)
    stopped = made.train()
    assert (stopped.status, stopped.stopped_by) == ("stopped", signal.SIGTERM)
    assert list(trainings.outcomes) == [1]
    assert made.runs == [{}]


def test_a_run_that_mlflow_does_not_have_is_an_error(series_of):
    trainings = Trainings({}, {0: Outcome("finished", "r0")})
    made = series_of(trainings, 0)
    trainings.find = lambda: None
    with pytest.raises(ValueError, match="The run of m, seed 0 is not complete in MLflow, so it cannot be read"):
        made.train()
