"""Configs and options of a series as they are typed."""

import pytest

from qlit.jobs.series import candidate_of, split_overrides


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


def test_a_config_may_have_options_of_its_own_which_come_last(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.yaml").touch()
    made = candidate_of("a.yaml --model.lr 0.1 --data.source 'my data'", ["--model.lr", "0.2"], range(2))
    assert made.options == ("--config", "a.yaml", "--model.lr", "0.2", "--model.lr", "0.1", "--data.source", "my data")
    assert (made.name, made.seeds) == ("a lr 0.1 source my data", (0, 1))


@pytest.mark.parametrize("name", ["my config.yaml", "it's.yaml"])
def test_a_path_may_hold_spaces_and_quotes(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).touch()
    made = candidate_of(name, [], range(1))
    assert made.options == ("--config", name)


def test_a_config_may_lie_in_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "a.yaml").touch()
    for typed, own in (("~/a.yaml", ()), ("~/a.yaml --model.lr 0.1", ("--model.lr", "0.1"))):
        assert candidate_of(typed, [], range(1)).options == ("--config", str(tmp_path / "a.yaml"), *own)
