"""Signals while the tracker writes: a run that is being created gets an owner, and a commit is completed."""

import sqlite3

import pytest
from interrupting import interrupt, raising_signal
from mlflow import MlflowClient
from sqlalchemy import Engine, event

from qlit.tracking.tracker import MLflowTracker

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow")


@pytest.fixture(autouse=True)
def raising():
    with raising_signal():
        yield


@pytest.fixture
def interrupted_commit():
    """The next commit of a database has a signal in it."""
    signals = iter([interrupt])

    def listener(_):
        next(signals, int)()

    event.listen(Engine, "commit", listener)
    yield
    event.remove(Engine, "commit", listener)


def test_a_run_that_is_made_meanwhile_has_somebody_to_close_it(folder, monkeypatch):
    create = MlflowClient.create_run

    def create_and_interrupt(*arguments, **options):
        run = create(*arguments, **options)
        interrupt()
        return run

    monkeypatch.setattr(MlflowClient, "create_run", create_and_interrupt)
    tracker = MLflowTracker()
    with pytest.raises(KeyboardInterrupt):
        tracker.start()
    tracker.close("KILLED")
    client = MlflowClient(f"sqlite:///{folder}/mlruns/mlflow.db")
    (run,) = client.search_runs([client.get_experiment_by_name("qlit").experiment_id])
    assert (run.info.run_id, run.info.status) == (tracker.run_id, "KILLED")


def test_a_commit_comes_to_its_end_and_leaves_no_lock(folder, request):
    tracker = MLflowTracker()
    tracker.start()
    request.getfixturevalue("interrupted_commit")
    with pytest.raises(KeyboardInterrupt) as raised:
        tracker.set_tag("a", "b")
    other = sqlite3.connect(folder / "mlruns" / "mlflow.db", timeout=0.1, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert other.execute("SELECT value FROM tags WHERE key = 'a'").fetchall() == [("b",)]
    other.close()
    assert raised.value.__traceback__ is not None  # alive until here, with the frames that it went through
