"""Tracking against real stores: SQLite files, and an MLflow server that is killed and comes back."""

import atexit
import errno
import json
import math
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from argparse import Namespace
from pathlib import Path

import pytest
from full_disk import files_of_at_most, full_at_first
from matplotlib.figure import Figure
from mlflow import MlflowClient
from servers import MlflowServer

from qlit.jobs.callbacks.recorder import RunRecorder
from qlit.runtime import retry
from qlit.runtime.retry import OutageError, is_outage
from qlit.runtime.secrets import scrub
from qlit.tracking import connection, run_log
from qlit.tracking import tracker as tracker_module
from qlit.tracking.delivery import RefusedError, deliver
from qlit.tracking.mlflow_store import locate
from qlit.tracking.records import metrics_record
from qlit.tracking.run_log import RunLog
from qlit.tracking.sync import LogSync
from qlit.tracking.tracker import MLflowTracker


def client_of(folder: Path) -> MlflowClient:
    return MlflowClient(f"sqlite:///{folder}/mlruns/mlflow.db")


def history(client: MlflowClient, run_id: str, key: str) -> list[tuple[int, float]]:
    return [(metric.step, metric.value) for metric in client.get_metric_history(run_id, key)]


# --- a run on the local store ---


def test_nothing_happens_before_start(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tracker = MLflowTracker(tags={"a": "b"})
    tracker.flush()
    tracker.close()
    assert (tracker.experiment, tracker.run_id, tracker.run_dir) == ("qlit", None, None)
    assert tracker.ui_command == f"mlflow ui --backend-store-uri sqlite:///{tmp_path}/mlruns/mlflow.db --port 5000"
    assert tracker.ui_page is None
    assert list(tmp_path.iterdir()) == []


def test_a_run_keeps_what_was_logged(folder):
    tracker = MLflowTracker(experiment="e", run_name="r", tags={"team": "q"}, parent_run_id="p1")
    tracker.start()
    tracker.start()
    page = f"http://127.0.0.1:5000/#/experiments/1/runs/{tracker.run_id}?workflowType=machine_learning"
    assert tracker.ui_page == page
    assert tracker.run_dir == folder / "mlruns" / "runs" / tracker.run_id
    for step in range(3):
        tracker.log_metrics({"val/loss": 1 / (1 + step), "rate=x": math.nan}, step)
    tracker.log_metrics({"big": math.inf})
    tracker.log_hyperparams({"model": {"head": Namespace(num_qubits=4), "none": {}}, "text": "x" * 900})
    tracker.log_text("a: 1\n", "configs/my config=1.yaml")
    figure = Figure()
    tracker.log_figure(figure, "figures/empty.png")
    (folder / "acc=0.9.ckpt").write_bytes(b"weights")
    tracker.log_file(folder / "acc=0.9.ckpt", "checkpoints")
    tracker.flush()

    client = client_of(folder)
    run = client.get_run(tracker.run_id)
    assert (run.info.status, run.info.run_name) == ("RUNNING", "r")
    assert history(client, tracker.run_id, "val/loss") == [(0, 1.0), (1, 0.5), (2, 1 / 3)]
    assert math.isnan(run.data.metrics["rate_x"])
    assert math.isnan(run.data.metrics["big"])  # MLflow would store infinity as the largest number
    assert run.data.params["model.head.num_qubits"] == "4"
    assert run.data.params["model.none"] == "{}"
    assert len(run.data.params["text"]) == 500
    assert run.data.tags["team"] == "q"
    assert run.data.tags["mlflow.parentRunId"] == "p1"
    artifacts = folder / "mlruns" / "artifacts" / tracker.run_id / "artifacts"
    assert (artifacts / "configs" / "my_config_1.yaml").read_text() == "a: 1\n"
    assert (artifacts / "figures" / "empty.png").read_bytes().startswith(b"\x89PNG")
    assert (artifacts / "checkpoints" / "acc_0.9.ckpt").read_bytes() == b"weights"

    tracker.close()
    tracker.close("FAILED")  # the first call decides
    assert client.get_run(tracker.run_id).info.status == "FINISHED"
    with pytest.raises(ValueError, match=r"must be one of .* but got 'DONE'"):
        tracker.close("DONE")
    with pytest.raises(FileNotFoundError, match="must be a file"):
        tracker.log_file(folder / "nothing")


def test_a_new_database_is_flushed_to_disk_once_it_is_there(folder):
    (folder / "mlruns" / "mlflow.db").unlink()
    tracker = MLflowTracker()
    tracker.start()
    with tracker.client._tracking_client.store.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2  # FULL


def test_a_database_is_made_whole_or_not_at_all(folder):
    path = folder / "mlruns" / "mlflow.db"
    path.unlink()
    (folder / "mlruns" / ".mlflow.db.new").write_text("what a killed process left")
    with files_of_at_most(200_000), pytest.raises(RuntimeError, match="cannot open a run") as error:
        MLflowTracker().start()
    assert is_outage(error.value)
    assert [each.name for each in (folder / "mlruns").glob("*mlflow.db*") if each.suffix != ".lock"] == []
    tracker = MLflowTracker()
    tracker.start()
    tracker.close()
    assert client_of(folder).get_run(tracker.run_id).info.status == "FINISHED"
    assert client_of(folder).get_experiment("0").name == "Default"


@pytest.mark.usefixtures("folder")
def test_metrics_are_sent_in_batches(monkeypatch):
    tracker = MLflowTracker()
    tracker.start()
    batches = []
    monkeypatch.setattr(MlflowClient, "log_batch", lambda *_, metrics=(), **__: batches.append(len(metrics)))
    monkeypatch.setattr(tracker_module, "_SYNC_S", 1000.0)
    tracker._last_sync = time.monotonic()
    for step in range(1001):
        tracker.log_metrics({"x": step}, step)
        tracker.flush_if_due()
    assert batches == [1000]
    tracker.flush()
    assert batches == [1000, 1]
    tracker.close()


def test_run_names_do_not_repeat_with_the_seed(folder, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["qlit", "fit", "--config", "configs/small study.yaml"])
    names = []
    for _ in range(2):
        random.seed(0)
        tracker = MLflowTracker()
        tracker.start()
        names.append(client_of(folder).get_run(tracker.run_id).info.run_name)
        tracker.close()
    assert names[0] != names[1]
    assert all(name.startswith("small_study-20") for name in names)


def test_resuming_appends_to_the_same_run(folder):
    first = MLflowTracker(tags={"phase": "one"})
    first.log_metrics({"x": 0.0}, 0)
    first.log_hyperparams({"lr": 0.1, "seed": 1})
    first.close("KILLED", error="Ctrl-C")
    second = MLflowTracker(run_id=first.run_id, tags={"phase": "two"})
    second.start()
    client = client_of(folder)
    assert client.get_run(first.run_id).info.status == "KILLED"  # nothing was logged yet
    second.log_hyperparams({"lr": 0.2, "seed": 1, "new": True})
    assert client.get_run(first.run_id).info.status == "RUNNING"
    second.log_metrics({"x": 1.0}, 1)
    second.close()
    run = client.get_run(first.run_id)
    assert history(client, first.run_id, "x") == [(0, 0.0), (1, 1.0)]
    assert run.data.params == {"lr": "0.1", "seed": "1", "new": "True"}
    assert (run.data.tags["resumed.lr"], run.data.tags["phase"]) == ("0.2", "two")
    assert not {"resumed.seed", "error"} & set(run.data.tags)
    assert run.info.status == "FINISHED"


def test_a_run_that_was_to_be_resumed_keeps_its_end_if_nothing_is_logged(folder):
    first = MLflowTracker()
    first.log_hyperparams({"lr": 0.1})
    first.close()
    client = client_of(folder)
    before = client.get_run(first.run_id)
    second = MLflowTracker(tags={"phase": "two"})
    second.continue_run(first.run_id)
    assert second.earlier_status() == "FINISHED"
    second.start()
    assert (second.run_id, second.is_resumed, second.continues) == (first.run_id, True, None)
    second.close("FAILED", "another model")
    after = client.get_run(first.run_id)
    assert (after.info.status, after.info.end_time) == ("FINISHED", before.info.end_time)
    assert after.data.tags == before.data.tags


@pytest.mark.parametrize("as_new", [False, True])
def test_a_run_that_the_store_lacks_is_continued_in_a_new_one(folder, as_new):
    tracker = MLflowTracker()
    tracker.continue_run("elsewhere", as_new=as_new)
    assert tracker.earlier_status() is None
    tracker.start()
    assert (tracker.is_resumed, tracker.continues) == (False, "elsewhere")
    tracker.log_again([("x", 0.5, 1000, 3)])  # what waited, and the same in the history
    tracker.log_metrics({"x": 0.5}, 3)
    tracker.close()
    assert client_of(folder).get_run(tracker.run_id).data.tags["continues.run_id"] == "elsewhere"
    assert history(client_of(folder), tracker.run_id, "x") == [(3, 0.5)]


def test_metrics_that_waited_are_kept_when_the_best_checkpoint_is_loaded_for_the_test():
    recorder = RunRecorder({}, "")
    for rows in ([["lr", 0.1, 1000, 5]], [["lr", 0.2, 900, 1]]):
        recorder.load_state_dict({"unsent": rows})
    assert recorder._unsent == [("lr", 0.1, 1000, 5), ("lr", 0.2, 900, 1)]


def test_a_setting_that_is_changed_back_is_told_too(folder):
    tracker = MLflowTracker()
    for lr in (0.1, 0.2, 0.1):
        tracker.log_hyperparams({"lr": lr})
        tracker.close()
        tracker = MLflowTracker(run_id=tracker.run_id)
        tracker.start()
    run = client_of(folder).get_run(tracker.run_id)
    assert (run.data.params["lr"], run.data.tags["resumed.lr"]) == ("0.1", "0.1")


def test_what_cannot_be_opened_is_refused_with_a_way_out(folder):
    client = client_of(folder)
    experiment_id = client.create_experiment("gone")
    other = client.create_run(experiment_id).info.run_id
    deleted = client.create_run("0").info.run_id
    client.delete_run(deleted)
    with pytest.raises(ValueError, match="lies in 'gone'"):
        MLflowTracker(run_id=other).start()
    with pytest.raises(ValueError, match="no MLflow run 'nosuch'"):
        MLflowTracker(run_id="nosuch").start()
    with pytest.raises(ValueError, match="runs restore"):
        MLflowTracker(run_id=deleted, experiment="Default").start()
    client.delete_experiment(experiment_id)
    with pytest.raises(ValueError, match=f"was deleted.*--experiment-id {experiment_id}"):
        MLflowTracker(experiment="gone").start()


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("sqlite://", "in memory"),
        ("sqlite:///:memory:", "in memory"),
        ("sqlite:///a#b/mlflow.db", "must not hold"),
        ("mlruns", "must begin with"),
        ("http://[", "cannot be parsed as an address"),
        ("ftp://me:secret@host/x", r"but got 'ftp://\*\*\*@host/x'"),
    ],
)
def test_unknown_stores_are_refused(uri, message):
    with pytest.raises(ValueError, match=message):
        MLflowTracker(tracking_uri=uri).start()


def test_the_environment_is_read_when_the_run_starts(tmp_path, monkeypatch):
    tracker = MLflowTracker()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///sub/x.db")
    monkeypatch.chdir(tmp_path)
    store = locate(None)
    assert (store.uri, store.root) == (f"sqlite:///{tmp_path}/sub/x.db", tmp_path / "sub")
    assert f"sqlite:///{tmp_path}/sub/x.db" in tracker.ui_command
    assert locate("postgresql+psycopg://me:pw@db/mlflow").ui_command().count("***") == 1


def test_secrets_are_scrubbed_everywhere(folder, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "correct-horse")
    uri = "http://me:wallaby@host:5000/x"
    tracker = MLflowTracker(tags={"uri": uri})
    tracker.log_hyperparams({"logger": {"tracking_uri": uri}, "p": "correct-horse"})
    tracker.set_tag("late", uri)
    tracker.log_text(f"uri: {uri}\n", "config.yaml")
    tracker.close("FAILED", error=f"cannot reach {uri}")
    stored = b"".join(path.read_bytes() for path in (folder / "mlruns").rglob("*") if path.is_file())
    assert b"://***@host:5000/x" in stored
    assert b"wallaby" not in stored
    assert b"correct-horse" not in stored
    assert scrub(f"a {uri} b") == "a http://***@host:5000/x b"
    assert scrub("mail me@host, see http://host/a@b") == "mail me@host, see http://host/a@b"


def test_a_tracker_that_is_not_active_does_nothing(folder):
    tracker = MLflowTracker()
    tracker.is_active = lambda: False
    tracker.start()
    tracker.log_metrics({"x": 1.0}, 0)
    tracker.log_text("a", "a.txt")
    tracker.close()
    assert (tracker.run_id, tracker.run_dir) == (None, None)
    assert not (folder / "mlruns" / "runs").exists()


def killed(tracker):
    """Let a tracker be as after a SIGKILL: the lock is free, and nobody closes the run."""
    atexit.unregister(tracker._at_exit)
    tracker._run.log._lock.release()
    return tracker.run_id


def test_a_resumed_run_gets_the_points_that_it_lacks_and_none_twice(folder):
    first = MLflowTracker()
    for step in range(4):
        first.log_metrics({"x": step / 10, "nan": math.nan}, step)
    first.flush()
    first._last_sync = time.monotonic()
    for step in (4, 5):
        first.log_metrics({"x": step / 10, "lr": 0.1}, step)
    client = client_of(folder)
    assert len(history(client, first.run_id, "x")) == 4  # the others wait
    second = MLflowTracker()
    second.continue_run(killed(first))
    second.start()
    second.log_again([("x", 0.4, 1000, 4), ("lr", 0.1, 1000, 5)])  # as a checkpoint of an older version has them
    for step in range(7):
        second.log_metrics({"x": step / 10 if step != 2 else 7.0, "nan": math.nan}, step)
    second.close()
    found = history(client, first.run_id, "x")
    assert sorted(found) == sorted([(2, 7.0), *((step, step / 10) for step in range(7))])
    assert [step for step, _ in history(client, first.run_id, "nan")] == list(range(7))
    assert history(client, first.run_id, "lr") == [(4, 0.1), (5, 0.1)]


def test_a_run_is_trained_by_one_process_at_a_time(folder):
    first = MLflowTracker()
    first.log_metrics({"x": 1.0})
    (scratch := first.run_dir / ".scratch-1").mkdir()
    second = MLflowTracker()
    second.continue_run(first.run_id)
    with pytest.raises(ValueError, match=f"^Another process is training in run {first.run_id}: wait for its end, or"):
        second.start()
    assert scratch.exists()
    killed(first)
    third = MLflowTracker()
    third.continue_run(first.run_id)
    third.start()
    assert not scratch.exists()  # of the process that is gone
    third.log_metrics({"x": 2.0})
    third.close()
    assert client_of(folder).get_run(first.run_id).info.status == "FINISHED"


# --- full disks ---


FULL = OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture
def full(monkeypatch):
    """Let every file of some bytes or more find the disks full that `full` names; nothing is waited for."""
    write, places = Path.write_bytes, []

    def refused(path, content):
        if len(content) > 1000 and any(path.is_relative_to(place) for place in places):
            raise FULL
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", refused)
    monkeypatch.setattr(retry, "RETRY_S", 0.05)
    return places


def test_a_picture_is_left_out_and_a_text_kept_elsewhere_on_a_full_disk(folder, full, capsys):
    tracker = MLflowTracker()
    tracker.start()
    full.append(tracker.run_dir)
    tracker.log_text("x" * 2000, "a.txt")  # by way of the temporary folder
    artifacts = folder / "mlruns" / "artifacts" / tracker.run_id / "artifacts"
    assert (artifacts / "a.txt").stat().st_size == 2000
    full.append(Path("/"))
    for name in ("one.png", "two.png"):
        tracker.log_figure(Figure(), name)
    with pytest.raises(OutageError, match="The disk is full"):
        tracker.log_text("x" * 2000, "b.txt")
    tracker.close()
    err = capsys.readouterr().err
    assert err.count("one.png and further figures are left out while the disk is full") == 1
    assert "two.png" not in err
    assert [path.name for path in artifacts.iterdir()] == ["a.txt"]
    assert [*tracker.run_dir.glob(".*")] == []
    assert client_of(folder).get_run(tracker.run_id).info.status == "FINISHED"


def test_a_run_that_has_lost_a_record_is_not_finished(folder, monkeypatch, capsys):
    tracker = MLflowTracker()
    tracker.start()
    assert (tracker.run_dir / ".reserve").stat().st_size == 131072  # for the end of the run
    monkeypatch.setattr(retry, "RETRY_S", 0.01)
    with monkeypatch.context() as patch:
        patch.setattr(connection, "answers", lambda *_, **__: False)
        full_at_first(patch, run_log, "write_whole", times=1000)
        tracker.log_metrics({"x": 1.0})
        tracker.flush()
    tracker.close()
    assert "LOST" in capsys.readouterr().err
    run = client_of(folder).get_run(tracker.run_id)
    assert (run.info.status, "resume it from last.ckpt" in run.data.tags["error"]) == ("KILLED", True)
    assert not (tracker.run_dir / ".reserve").exists()


# --- processes ---

_THREE_PROCESSES = """
import os, signal, sys, time
import mlflow  # before the fork: only then do the three really start together
from qlit.tracking.tracker import MLflowTracker

start_at = time.time() + 1.0
ready, ready_to_write = os.pipe()
children = []
for number in range(3):
    child = os.fork()
    if child == 0:
        time.sleep(max(0, start_at - time.time()))
        tracker = MLflowTracker(run_name=f"process {number}")
        tracker.log_metrics({"x": number}, 0)
        tracker.flush()
        if number == 0:
            os.write(ready_to_write, b"!")
            signal.pause()
        if number == 2:
            tracker.close()
        sys.exit(0)  # number 1 never closes
    children.append(child)
codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children[1:]]
os.read(ready, 1)
os.kill(children[0], signal.SIGKILL)  # only now: a start that came later would have found it dead
print([os.waitstatus_to_exitcode(os.waitpid(children[0], 0)[1]), *codes])
"""


def test_processes_that_start_together_and_end_differently(tmp_path, monkeypatch):
    """On no database at all; one is killed, one forgets to close, and MLflow prints nothing."""
    monkeypatch.chdir(tmp_path)
    environment = {**os.environ, "PYTHONPATH": ":".join(sys.path)}
    environment.pop("MLFLOW_TRACKING_URI", None)
    done = subprocess.run(
        [sys.executable, "-c", _THREE_PROCESSES], capture_output=True, text=True, env=environment, timeout=120
    )
    assert (done.stdout, done.stderr) == ("[-9, 0, 0]\n", "")
    client = client_of(tmp_path)
    experiment = client.get_experiment_by_name("qlit")

    def statuses():
        return {run.info.run_name: run.info.status for run in client.search_runs([experiment.experiment_id])}

    ends = {"process 0": "RUNNING", "process 1": "FAILED", "process 2": "FINISHED"}
    assert statuses() == ends
    tracker = MLflowTracker(run_name="next", tracking_uri="sqlite:///mlruns/mlflow.db")
    tracker.start()
    again = MLflowTracker(run_name="again", tracking_uri="sqlite:///mlruns/mlflow.db")
    again.start()  # "next" is alive and stays
    assert statuses() == {**ends, "process 0": "KILLED", "next": "RUNNING", "again": "RUNNING"}
    tracker.close()
    again.close()


# --- outages ---


class FlakyStore:
    """Takes records while it is up."""

    def __init__(self) -> None:
        self.up, self.records, self.calls = True, [], 0

    def deliver(self, record):
        self.calls += 1
        if not self.up:
            raise OSError("connection refused")
        self.records.append(record)

    def taken(self, folder: Path) -> tuple[RunLog, LogSync]:
        log = RunLog(folder)
        assert log.take()
        return log, LogSync(log, self.deliver, answers=lambda: True, store_name="store")


def test_a_log_is_sent_in_order_with_pauses_between_attempts(tmp_path, capsys):
    store = FlakyStore()
    log, mirror = store.taken(tmp_path)

    def put(record):
        log.append(record)
        mirror.sync()

    put(metrics_record([("x", 0.0, 1, 0)]))
    store.up = False
    for step in range(1, 6):
        put(metrics_record([("x", math.nan if step == 1 else float(step), 1, step)]))
    put({"kind": "tags", "values": {"a": "1"}})
    put(metrics_record([("x", 6.0, 1, 6)]))
    assert store.calls == 2  # the one that failed, and none after it
    assert all(json.loads(line, parse_constant=pytest.fail) for line in log.file.read_text().splitlines())
    store.up = True
    put(metrics_record([("x", 7.0, 1, 7)]))
    assert len(store.records) == 1  # it is not yet time
    assert mirror.sync(now=True)
    assert log.finish()
    steps = [row[3] for record in store.records if record["kind"] == "metrics" for row in record["values"]]
    assert steps == list(range(8))
    assert [record["kind"] for record in store.records] == ["metrics", "metrics", "tags", "metrics"]
    assert capsys.readouterr().err.count("\n") == 2  # one line for the outage, one for its end


def test_a_sync_that_is_cut_off_goes_on_with_the_rest(tmp_path):
    store = FlakyStore()
    log, mirror = store.taken(tmp_path)
    for number in range(3):
        log.append({"kind": "tags", "values": {"number": str(number)}})

    def one_only(record):
        store.records.append(record)
        mirror._deliver = store.deliver
        store.up = False

    mirror._deliver = one_only
    assert not mirror.sync(now=True)
    log.release()
    store.up = True
    log, mirror = store.taken(tmp_path)  # of another process
    assert mirror.sync(now=True)
    assert [record["values"]["number"] for record in store.records] == ["0", "1", "2"]


def test_what_a_killed_process_left_is_sent(tmp_path):
    store = FlakyStore()
    log, _ = store.taken(tmp_path)
    log.append({"kind": "tags", "values": {"a": "1"}})
    log.release()
    with log.file.open("ab") as stream:  # killed within a line
        stream.write(log.file.read_bytes()[:20])
    log, mirror = store.taken(tmp_path)
    log.append({"kind": "tags", "values": {"b": "2"}})
    assert mirror.sync(now=True)
    assert [record["values"] for record in store.records] == [{"a": "1"}, {"b": "2"}]
    assert log.finish()


def test_what_arrives_twice_is_kept_once(folder):
    """A reply that is lost lets a sync send again what has arrived."""
    tracker = MLflowTracker()
    client = tracker.client
    records = [
        metrics_record([("x", 0.5, 1000, 0), ("y", math.nan, 1000, 0)]),
        {"kind": "params", "values": {"lr": "1"}},
        {"kind": "tags", "values": {"a": "1"}},
    ]
    for record in records * 2:
        deliver(client, tracker.run_id, record)
    tracker.close()
    assert history(client_of(folder), tracker.run_id, "x") == [(0, 0.5)]
    assert len(history(client_of(folder), tracker.run_id, "y")) == 1


def test_a_log_that_is_sent_again_changes_nothing(folder):
    tracker = MLflowTracker()
    for step in range(3):
        tracker.log_metrics({"x": step / 10, "y": math.nan}, step)
    tracker.log_hyperparams({"lr": 1})
    tracker.log_text("a", "a.txt")
    tracker.close()
    client = client_of(folder)
    before = client.get_run(tracker.run_id)
    (tracker.run_dir / "log.cursor").write_text("cut off")
    again = MLflowTracker()
    again.start()  # the run's process is this one, so it is left alone
    assert (tracker.run_dir / "log.cursor").exists()
    client.set_tag(tracker.run_id, "qlit.pid", "999999999")
    third = MLflowTracker()
    third.start()
    assert not (tracker.run_dir / "log.cursor").exists()
    client.set_tag(tracker.run_id, "qlit.pid", before.data.tags["qlit.pid"])
    assert str(client.get_run(tracker.run_id).to_dictionary()) == str(before.to_dictionary())
    assert history(client, tracker.run_id, "x") == [(0, 0.0), (1, 0.1), (2, 0.2)]
    assert len(history(client, tracker.run_id, "y")) == 3
    for each in (again, third):
        each.close()


def test_files_are_kept_as_they_were(tmp_path):
    store = FlakyStore()
    store.up = False
    log, mirror = store.taken(tmp_path / "run")
    (tmp_path / "a.txt").write_text("then")
    log.append(log.files.record_of(log.files.add_file(tmp_path / "a.txt", "a.txt"), ""))
    (tmp_path / "a.txt").write_text("now")
    assert not mirror.sync(now=True)
    kept = tmp_path / "run" / json.loads(log.file.read_text())["path"]
    assert kept.read_text() == "then"
    store.up = True
    assert mirror.sync(now=True)
    assert store.records[0]["path"] == str(kept)
    assert not kept.exists()


def test_files_that_cannot_be_sent_do_not_hold_up_the_numbers(folder, capsys):
    tracker = MLflowTracker()
    tracker.start()
    artifacts = folder / "mlruns" / "artifacts"
    artifacts.write_text("a file where the folder should be")
    tracker.log_text("late\n", "a.txt")
    tracker.log_metrics({"x": 1.0})
    tracker.close()
    assert client_of(folder).get_run(tracker.run_id).data.metrics["x"] == 1.0
    assert client_of(folder).get_run(tracker.run_id).info.status == "FINISHED"
    err = capsys.readouterr().err
    assert err.count("The artifact store of MLflow at sqlite:///") == 1
    assert str(tracker.run_dir / "log.jsonl") in err
    artifacts.unlink()
    again = MLflowTracker(run_id=tracker.run_id)
    again.start()
    again.close()
    assert (artifacts / tracker.run_id / "artifacts" / "a.txt").read_text() == "late\n"
    assert sorted(path.name for path in tracker.run_dir.rglob("*")) == ["lock", "log.jsonl"]


def test_a_refused_file_is_kept_aside(tmp_path):
    def refuse(record):
        raise RefusedError(f"{record['name']} is too large")

    log = RunLog(tmp_path / "run")
    log.take()
    log.append(log.files.record_of(log.files.add_content(b"text", "a.txt"), ""))
    assert LogSync(log, refuse, answers=lambda: True, store_name="store").sync()
    assert log.finish()
    rejected = json.loads((tmp_path / "run" / "rejected.jsonl").read_text())
    assert rejected["reason"] == "a.txt is too large"
    assert (tmp_path / "run" / rejected["path"]).read_text() == "text"


def test_a_refused_record_does_not_hold_up_the_others(folder, capsys):
    tracker = MLflowTracker()
    tracker.start()
    client_of(folder).log_param(tracker.run_id, "lr", "1")  # behind the tracker's back
    tracker.log_hyperparams({"lr": "2"})
    tracker.log_metrics({"x": 1.0})
    tracker.close()
    assert "refused a record" in capsys.readouterr().err
    rejected = json.loads((tracker.run_dir / "rejected.jsonl").read_text())
    assert rejected["values"] == {"lr": "2"}
    assert client_of(folder).get_run(tracker.run_id).data.metrics["x"] == 1.0


@pytest.mark.parametrize("listens", [False, True], ids=["closed port", "mute server"])
def test_a_server_that_is_down_at_the_start_is_named_within_10_s(tmp_path, monkeypatch, listens):
    monkeypatch.chdir(tmp_path)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        if listens:
            listener.listen()
        started = time.monotonic()
        with pytest.raises(ConnectionError, match=rf"http://\*\*\*@127.0.0.1:{port} does not answer.*mlflow server"):
            MLflowTracker(tracking_uri=f"http://me:pw@127.0.0.1:{port}").start()
        assert time.monotonic() - started < 10


@pytest.fixture
def server(tmp_path, empty_database):
    shutil.copy(empty_database, tmp_path / "server.db")
    server = MlflowServer(tmp_path)
    server.start()
    yield server
    if server.process.returncode is None:
        server.kill()


def test_an_outage_loses_and_doubles_nothing(server, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    tracker = MLflowTracker(tracking_uri=server.uri, experiment="outage")
    tracker.start()
    run_id = tracker.run_id
    assert tracker.ui_command == f"{server.uri}/#/experiments/1/runs/{run_id}"

    def try_again():
        for attempts in tracker._run.sync._attempts.values():
            attempts.next_s = 0.0  # as if 30 s had passed

    def log(*steps):
        for step in steps:
            tracker.log_metrics({"x": step / 10}, step)
            tracker.flush()

    log(0, 1, 2)
    server.kill()
    started = time.monotonic()
    log(*range(3, 50))
    tracker.log_hyperparams({"lr": 0.1})
    tracker.log_text("kept\n", "notes/a.txt")
    assert time.monotonic() - started < 5
    cursor, before = tracker.run_dir / "log.cursor", MlflowClient(server.uri)

    server.start()
    assert history(before, run_id, "x") == [(0, 0.0), (1, 0.1), (2, 0.2)]
    try_again()
    log(50)
    tracker.log_text("kept too\n", "notes/b.txt")
    log(51)
    client = MlflowClient(server.uri)
    assert history(client, run_id, "x") == [(step, step / 10) for step in range(52)]

    os.killpg(server.process.pid, signal.SIGSTOP)  # alive, but it does not answer
    started = time.monotonic()
    log(52, 53, 54)
    assert time.monotonic() - started < 5
    os.killpg(server.process.pid, signal.SIGCONT)
    try_again()
    log(55)
    assert history(client, run_id, "x") == [(step, step / 10) for step in range(56)]

    server.kill()  # down again until after the end
    log(56)
    tracker.close()
    lines = capfd.readouterr().err.strip().splitlines()
    assert len(lines) == 8, lines  # of each outage its begin and its end
    assert str(tracker.run_dir / "log.jsonl") in lines[-1]
    assert "`qlit sync`" in lines[-1]
    assert cursor.exists()

    server.start()
    late = MLflowTracker(tracking_uri=server.uri, experiment="outage", run_id=run_id)
    late.start()
    late.close()
    assert history(client, run_id, "x") == [(step, step / 10) for step in range(57)]
    assert not cursor.exists()
    run = client.get_run(run_id)
    assert (run.info.status, run.data.params) == ("FINISHED", {"lr": "0.1"})
    assert Path(client.download_artifacts(run_id, "notes/a.txt", str(tmp_path))).read_text() == "kept\n"
    assert Path(client.download_artifacts(run_id, "notes/b.txt", str(tmp_path))).read_text() == "kept too\n"
    assert capfd.readouterr().out == ""


def test_without_a_home_folder_mlflow_is_refused_before_work(monkeypatch, tmp_path):
    def unknown(_):
        raise KeyError("getpwuid(): uid not found: 12345")

    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", unknown)
    with pytest.raises(
        ValueError, match=r"MLflow needs a home folder, but HOME is not set .* set HOME to a folder that"
    ):
        MLflowTracker(tracking_uri=f"sqlite:///{tmp_path}/m.db").check()
    assert not list(tmp_path.iterdir())
