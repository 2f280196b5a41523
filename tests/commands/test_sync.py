"""`qlit sync` sends events that an outage left behind."""

import atexit

import pytest
from mlflow import MlflowClient
from servers import free_port

from qlit.cli import main
from qlit.tracking import connection
from qlit.tracking.tracker import MLflowTracker

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow")


@pytest.fixture
def client(folder):
    return MlflowClient(f"sqlite:///{folder}/mlruns/mlflow.db")


@pytest.fixture
def left(client, monkeypatch):
    """The id of a run whose process ended before it could send its last four events."""
    tracker = MLflowTracker()
    tracker.start()
    with monkeypatch.context() as outage:
        outage.setattr(connection, "answers", lambda *_, **__: False)
        tracker.log_metrics({"x": 0.5}, 3)
        tracker.log_metrics({"x": 0.75}, 4)
        tracker.log_text("late", "a.txt")
        tracker.close()
    client.set_tag(tracker.run_id, "qlit.pid", "999999999")
    return tracker.run_id


def test_waiting_events_are_sent_once(client, left, folder, capsys):
    assert main(["sync"]) == 0
    assert capsys.readouterr() == (f"run {left}: 4 events were sent; MLflow has everything.\n", "")
    run = client.get_run(left)
    assert (run.info.status, run.data.metrics) == ("FINISHED", {"x": 0.75})
    assert [(each.step, each.value) for each in client.get_metric_history(left, "x")] == [(3, 0.5), (4, 0.75)]
    assert (folder / "mlruns" / "artifacts" / left / "artifacts" / "a.txt").read_text() == "late"
    assert main(["sync", "--tracking_uri", f"sqlite:///{folder}/mlruns/mlflow.db"]) == 0
    assert capsys.readouterr() == (f"Nothing in {folder}/mlruns/runs waits to be sent.\n", "")


def test_unsent_events_keep_waiting(left, folder, capsys):
    (folder / "mlruns" / "artifacts").write_text("a file where the folder should be")
    capsys.readouterr()
    assert main(["sync"]) == 1
    out, err = capsys.readouterr()
    log = folder / "mlruns" / "runs" / left / "log.jsonl"
    assert out.startswith(f"run {left}: 3 events were sent; the others wait in {log}: ")
    assert err == ""
    (folder / "mlruns" / "artifacts").unlink()
    assert main(["sync"]) == 0
    assert capsys.readouterr().out == f"run {left}: 1 event was sent; MLflow has everything.\n"


def test_runs_that_are_trained_and_those_of_other_stores_are_left_alone(client, folder, capsys):
    tracker = MLflowTracker()
    tracker.log_metrics({"x": 1.0})
    assert main(["sync"]) == 0
    assert capsys.readouterr().out == f"run {tracker.run_id}: a process is training it, which sends its log itself.\n"
    atexit.unregister(tracker._at_exit)
    tracker._run.log.release()  # as if it were killed
    for uri in ("sqlite:///other/mlflow.db", f"sqlite:///{folder}/mlruns/none.db"):
        status = main(["sync", "--tracking_uri", uri])
        text = capsys.readouterr().out
        if "other" in uri:
            wanted = (
                f"There are no runs in {folder}/other/runs: run `qlit sync` in the folder where they were trained.\n"
            )
            assert (status, text) == (0, wanted)
        else:
            assert (status, f"run {tracker.run_id}: not in MLflow at {uri}, or deleted there;" in text) == (1, True)
    assert not (folder / "mlruns" / "none.db").exists()
    client.delete_run(tracker.run_id)
    assert main(["sync"]) == 1
    assert f"It stays in {tracker.run_dir}/log.jsonl.\n" in capsys.readouterr().out


@pytest.mark.usefixtures("left")
def test_an_unreachable_server_is_named(capsys):
    uri = f"http://127.0.0.1:{free_port()}"
    capsys.readouterr()
    assert main(["sync", "--tracking_uri", uri]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"qlit sync: MLflow at {uri} does not answer. Start it with `mlflow server`")
    assert main(["sync", "--tracking_ur", uri]) == 2
