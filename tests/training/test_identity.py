"""Which changes of a config make another training of it."""

import copy

import pytest

from qlit.training.identity import HASH, HASH_WITHOUT_SEEDS, config_tags

CONFIG = {
    "seed_everything": 42,
    "model": {"head": {"class_path": "x.Head", "init_args": {"num_qubits": 10}}, "lr": 0.1},
    "data": {"source": "sample", "seed": 0, "cache_dir": None},
    "trainer": {"max_epochs": 5, "logger": None},
    "tracking": {"experiment": "a"},
}


def tags(*changes):
    config = copy.deepcopy(CONFIG)
    for path, value in changes:
        *groups, key = path.split(".")
        section = config
        for group in groups:
            section = section[group]
        section[key] = value
    return config_tags(config)


@pytest.mark.parametrize(
    "change",
    [
        ("model.lr", 0.2),
        ("model.head.init_args.num_qubits", 12),
        ("data.source", "other"),
        ("trainer.max_epochs", 6),
        ("trainer.precision", "64-true"),
    ],
)
def test_what_numbers_depend_on_changes_both_hashes(change):
    assert tags(change)[HASH] != tags()[HASH]
    assert tags(change)[HASH_WITHOUT_SEEDS] != tags()[HASH_WITHOUT_SEEDS]


@pytest.mark.parametrize("change", [("seed_everything", 1), ("data.seed", 1)])
def test_seeds_change_one_hash_alone(change):
    assert tags(change)[HASH] != tags()[HASH]
    assert tags(change)[HASH_WITHOUT_SEEDS] == tags()[HASH_WITHOUT_SEEDS]


@pytest.mark.parametrize(
    "change", [("data.cache_dir", "x"), ("tracking.experiment", "b"), ("trainer.enable_progress_bar", False)]
)
def test_where_things_are_kept_changes_nothing(change):
    assert tags(change) == tags()


def test_the_order_of_keys_changes_nothing_and_the_version_does(monkeypatch):
    assert config_tags(dict(reversed(CONFIG.items()))) == tags()
    before = tags()
    monkeypatch.setattr("qlit.__version__", "0.0.0")
    assert tags()[HASH] != before[HASH]
