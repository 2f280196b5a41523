"""Runs of one model are found by their tags."""

import pytest
from comparisons.fakes import fake_run

from qlit.comparisons.models import models_of_runs
from qlit.tracking.config_hash import HASH_WITHOUT_SEEDS


def of(family, run_id, *, split, **tags):
    return fake_run(run_id, [1, 0], split=split, tags={HASH_WITHOUT_SEEDS: family, **tags})


def test_runs_that_differ_in_seeds_are_one_model_in_the_order_of_splits():
    runs = [of("x", "x2", split="s2"), of("y", "y1", split="s1"), of("x", "x1", split="s1"), of("y", "y2", split="s2")]
    first, second = models_of_runs(runs)
    assert [run.run_id for run in first.runs] == ["x1", "x2"]
    assert [run.run_id for run in second.runs] == ["y1", "y2"]
    assert (first.name, second.name) == ("name-x2", "name-y1")


def test_a_series_gives_its_model_the_name():
    series = {"series.model": "single"}
    first, _ = models_of_runs(
        [of("x", "x1", split="s1"), of("x", "x2", split="s2", **series), fake_run("z", [1], split="s1")]
    )
    assert first.name == "single"


def test_runs_of_one_config_alone_are_compared_with_each_other():
    found = models_of_runs([of("x", "x1", split="s1"), of("x", "x2", split="s1")])
    assert [model.name for model in found] == ["name-x1", "name-x2"]


def test_equal_names_are_told_apart_by_the_runs_ids():
    runs = [fake_run(run_id, [1]) for run_id in ("a" * 32, "b" * 32)]
    object.__setattr__(runs[1], "name", runs[0].name)
    assert [model.name for model in models_of_runs(runs)] == [
        f"name-{'a' * 32} (aaaaaaaa)",
        f"name-{'a' * 32} (bbbbbbbb)",
    ]


def test_runs_that_were_resumed_with_other_settings_are_a_model_of_their_own():
    resumed = of("x", "x2", split="s2", **{f"resumed.{HASH_WITHOUT_SEEDS}": "y"})
    assert len(models_of_runs([of("x", "x1", split="s1"), resumed, of("z", "z1", split="s1")])) == 3


def test_runs_of_an_older_version_are_grouped_by_their_settings():
    old = [fake_run(f"x{k}", [1, 0], split=f"s{k}", tags={"config.hash_without_seeds": "x"}) for k in range(2)]
    assert len(models_of_runs([*old, of("y", "y1", split="s1")])) == 2


def test_a_run_is_given_once():
    run = fake_run("a", [1])
    with pytest.raises(ValueError, match="Run a is given twice"):
        models_of_runs([run, run])
