"""A body of eleven words and sixty sentences; an empty store of runs."""

import shutil

import pytest
from tiny_body import make_tiny_body

from qlit.training._store import connect, locate
from qlit.training.datamodule import SentenceDataModule


@pytest.fixture(scope="session")
def body(tmp_path_factory):
    return make_tiny_body(tmp_path_factory.mktemp("tiny") / "body")


@pytest.fixture
def data(body, tmp_path):
    """30 sentences of each of two labels: 17 train, 7 validate, 36 test."""
    rows = [f"{'good' if k % 2 else 'bad'} film {k}\t{k % 2}" for k in range(60)]
    (tmp_path / "few.tsv").write_text("\n".join(["text\tlabel", *rows]) + "\n")
    settings = {"num_per_label": 12, "train_fraction": 0.74, "batch_size": 5}
    return lambda **kwargs: SentenceDataModule(str(tmp_path / "few.tsv"), body=str(body), **{**settings, **kwargs})


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory):
    """A database with MLflow's tables and nothing else: creating them takes 6 s."""
    path = tmp_path_factory.mktemp("template") / "mlflow.db"
    connect(locate(f"sqlite:///{path}"))
    return path


@pytest.fixture
def folder(tmp_path, empty_database, monkeypatch):
    """The current folder, with a local store in its default place."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "mlruns").mkdir()
    shutil.copy(empty_database, tmp_path / "mlruns" / "mlflow.db")
    return tmp_path
