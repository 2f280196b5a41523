"""Fixtures of the whole suite."""

import os
import shutil
import sys

import pytest
from empty_store import copied_tables
from memories import MEMORIES

# Before anything imports torch: many short parallel loops on few cores, beside other processes (see qlit/cli.py).
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
if num_workers := int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "0")):  # pytest-xdist's workers share the cores
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, len(os.sched_getaffinity(0)) // num_workers)))


@pytest.fixture(scope="session", autouse=True)
def _embeddings_of_this_session(tmp_path_factory):
    """Embeddings are kept for the session, beside nobody's own; child processes inherit it."""
    before = os.environ.get("QLIT_CACHE")
    os.environ["QLIT_CACHE"] = str(tmp_path_factory.mktemp("embeddings"))
    yield
    if before is None:
        del os.environ["QLIT_CACHE"]
    else:
        os.environ["QLIT_CACHE"] = before


@pytest.fixture(autouse=True)
def _every_test_starts_like_a_new_process():
    yield
    for name, memory in MEMORIES.items():
        if (module := sys.modules.get(name)) is not None:  # importing them all takes six seconds
            getattr(module, memory).clear()


@pytest.fixture(scope="session")
def body(tmp_path_factory):
    """A body of eleven words."""
    from tiny_body import make_tiny_body

    return make_tiny_body(tmp_path_factory.mktemp("tiny") / "body")


@pytest.fixture
def data(body, tmp_path):
    """30 sentences of each of two labels: 17 train, 7 validate, 36 test."""
    from qlit.training.datamodule import SentenceDataModule

    rows = [f"{'good' if k % 2 else 'bad'} film {k}\t{k % 2}" for k in range(60)]
    (tmp_path / "few.tsv").write_text("\n".join(["text\tlabel", *rows]) + "\n")
    settings = {"num_per_label": 12, "train_fraction": 0.74, "batch_size": 5}
    return lambda **kwargs: SentenceDataModule(str(tmp_path / "few.tsv"), body=str(body), **{**settings, **kwargs})


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory):
    """A database with MLflow's tables and nothing else: creating them takes 6 s."""
    from qlit.tracking.connection import connect
    from qlit.tracking.mlflow_store import locate

    path = tmp_path_factory.mktemp("template") / "mlflow.db"
    connect(locate(f"sqlite:///{path}"))
    return path


@pytest.fixture(scope="session")
def cluster():
    """A Slurm cluster of one node; SLURM_CONF names it to all commands of the session."""
    from slurm_cluster import SlurmCluster

    if reason := SlurmCluster.missing():
        pytest.skip(reason)
    found = SlurmCluster()
    before = os.environ.get("SLURM_CONF")
    os.environ["SLURM_CONF"] = str(found.config)
    yield found
    if before is None:
        del os.environ["SLURM_CONF"]
    else:
        os.environ["SLURM_CONF"] = before
    found.stop()


@pytest.fixture(scope="module")
def copied_stores(empty_database):
    """New stores of this process and of forked ones are copies; interpreters that tests start create theirs."""
    with copied_tables(empty_database):
        yield


@pytest.fixture
def folder(tmp_path, empty_database, monkeypatch):
    """The current folder, with a local store in its default place."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "mlruns").mkdir()
    shutil.copy(empty_database, tmp_path / "mlruns" / "mlflow.db")
    return tmp_path
