"""Runs whose process or store went away at a bad moment, brought to their end by a later one."""

import atexit
import sqlite3

import pytest
from mlflow import MlflowClient

from qlit.runtime.retry import retry_until_mlflow_answers
from qlit.tracking import connection, processes
from qlit.tracking.kept_runs import KeptRuns
from qlit.tracking.tracker import MLflowTracker

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow")


@pytest.fixture
def client(folder):
    return MlflowClient(f"sqlite:///{folder}/mlruns/mlflow.db")


def started(**options):
    tracker = MLflowTracker(**options)
    tracker.start()
    return tracker


def left_behind(client, monkeypatch, *, closed):
    """A tracker of a process that is gone, with a metric that waits, and its end if it was closed."""
    tracker = started()
    with monkeypatch.context() as store:
        store.setattr(connection, "answers", lambda *_, **__: False)
        tracker.log_metrics({"x": 0.5}, 3)
        tracker.flush()
        tracker.log_text("late\n", "a.txt")
        if closed:
            tracker.close()
    atexit.unregister(tracker._at_exit)
    tracker._run.log.release()
    client.set_tag(tracker.run_id, "qlit.pid", "999999999")
    return tracker


@pytest.mark.parametrize(("closed", "status"), [(True, "FINISHED"), (False, "KILLED")])
def test_what_a_dead_process_could_not_send_is_sent_before_its_run_is_ended(
    client, monkeypatch, folder, closed, status
):
    tracker = left_behind(client, monkeypatch, closed=closed)
    assert client.get_run(tracker.run_id).info.status == "RUNNING"
    started().close()
    run = client.get_run(tracker.run_id)
    assert run.info.status == status
    assert run.data.metrics == {"x": 0.5}
    assert (folder / "mlruns" / "artifacts" / tracker.run_id / "artifacts" / "a.txt").read_text() == "late\n"
    assert sorted(path.name for path in tracker.run_dir.rglob("*")) == ["lock", "log.jsonl"]


def test_looking_for_runs_sends_it_too_and_leaves_living_processes_alone(client, monkeypatch):
    dead = left_behind(client, monkeypatch, closed=True)
    alive = left_behind(client, monkeypatch, closed=True)
    client.set_tag(alive.run_id, "qlit.pid", processes.process_tags()["qlit.pid"])
    assert KeptRuns().reap("qlit") == []
    assert client.get_run(dead.run_id).info.status == "FINISHED"
    assert client.get_run(alive.run_id).info.status == "RUNNING"
    assert (alive.run_dir / "log.cursor").exists()


def test_the_run_that_a_store_made_before_it_went_is_taken_by_the_next_attempt(client, folder, monkeypatch):
    other = started(run_name="r")  # of the same name, and older
    create = MlflowClient.create_run

    def create_and_go(*arguments, **options):
        create(*arguments, **options)
        raise ConnectionError("gone")

    monkeypatch.setattr(MlflowClient, "create_run", create_and_go)
    tracker = MLflowTracker(run_name="r")
    with pytest.raises(ConnectionError, match="gone"):
        tracker.start()
    monkeypatch.undo()
    monkeypatch.chdir(folder)
    tracker.start()
    runs = client.search_runs([client.get_experiment_by_name("qlit").experiment_id])
    assert {run.info.run_id for run in runs} == {other.run_id, tracker.run_id}
    assert len(runs) == 2
    for each in (tracker, other):
        each.close()


def test_the_end_of_a_run_can_be_waited_for(client, monkeypatch):
    tracker = started()
    answers, asked = connection.answers, 0

    def away_at_first(*arguments, **options):
        nonlocal asked
        asked += 1
        return asked > 4 and answers(*arguments, **options)

    monkeypatch.setattr(connection, "answers", away_at_first)
    tracker.log_metrics({"x": 0.5})
    tracker.close()
    with pytest.raises(ConnectionError, match=f"run {tracker.run_id} is not complete in MLflow: Conn.*answer"):
        tracker.sync()
    retry_until_mlflow_answers(tracker.sync)
    assert asked > 4
    assert not (tracker.run_dir / "log.cursor").exists()
    assert client.get_run(tracker.run_id).info.status == "FINISHED"
    assert client.get_run(tracker.run_id).data.metrics == {"x": 0.5}


def test_the_start_of_a_run_waits_for_its_store_if_told_to(client, monkeypatch, capsys):
    create, asked = MlflowClient.create_run, 0

    def away_at_first(*arguments, **options):
        nonlocal asked
        asked += 1
        run = create(*arguments, **options)
        if asked == 1:  # made, but nobody is told
            raise sqlite3.OperationalError("database or disk is full")
        return run

    monkeypatch.setattr(MlflowClient, "create_run", away_at_first)
    tracker = MLflowTracker()
    tracker.opener = retry_until_mlflow_answers
    assert tracker.client is not None
    runs = client.search_runs([client.get_experiment_by_name("qlit").experiment_id])
    assert [each.info.run_id for each in runs] == [tracker.run_id]
    assert "MLflow is unreachable (OperationalError: database or disk is full)" in capsys.readouterr().err
    tracker.close()
