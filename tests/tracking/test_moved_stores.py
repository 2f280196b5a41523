"""Stores whose folder was moved, copied or mounted elsewhere: their runs are found, and written, where they are now."""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient

from qlit.tracking import connection
from qlit.tracking.config_hash import HASH
from qlit.tracking.kept_runs import KeptRuns
from qlit.tracking.mlflow_store import locate
from qlit.tracking.predictions import Predictions, keep_predictions
from qlit.tracking.run_log import RunLog
from qlit.tracking.sync import LogSync
from qlit.tracking.tracker import MLflowTracker

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow")

TWO = Predictions(np.arange(2), np.array([0, 1]), np.array([0.1, 0.9], dtype=np.float32), "f" * 16, ("a", "b"), "two")


@pytest.fixture
def one(tmp_path, empty_database, monkeypatch):
    """The current folder `one`, with an empty store."""
    (tmp_path / "one" / "mlruns").mkdir(parents=True)
    shutil.copy(empty_database, tmp_path / "one" / "mlruns" / "mlflow.db")
    monkeypatch.chdir(tmp_path / "one")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return tmp_path / "one"


def finished(**options):
    tracker = MLflowTracker(experiment="e", tags={HASH: "h"}, **options)
    keep_predictions(tracker, TWO)
    tracker.close()
    return tracker


def locations(folder):
    """Artifact locations of experiments and runs in the database of a folder."""
    with closing(sqlite3.connect(folder / "mlruns" / "mlflow.db")) as database:
        experiments = dict(database.execute("SELECT name, artifact_location FROM experiments"))
        return experiments, dict(database.execute("SELECT run_uuid, artifact_uri FROM runs"))


@pytest.mark.parametrize("name", ["two", "a folder with spaces"])
def test_runs_of_a_moved_store_are_found_and_new_ones_lie_beside_them(one, monkeypatch, capsys, name):
    before = finished().run_id
    two = one.rename(one.with_name(name))
    monkeypatch.chdir(two)
    kept = KeptRuns()
    assert kept.finished("e", "h") == before
    assert kept.read(before).predictions.probabilities.tolist() == TWO.probabilities.tolist()
    artifacts = two / "mlruns" / "artifacts"
    told = f"qlit: The MLflow store was moved: it now has the artifacts of 1 run in {artifacts}, not in {one}/mlruns/"
    assert capsys.readouterr().err == f"{told}artifacts.\n"
    after = finished().run_id
    assert {path.name for path in artifacts.iterdir()} == {before, after}
    assert not one.exists()
    assert capsys.readouterr().err == ""  # said once
    experiments, runs = locations(two)  # so that MLflow's own UI finds them too
    assert experiments == {"Default": (two / "mlruns" / "0").as_uri(), "e": artifacts.as_uri()}
    assert runs == {run: (artifacts / run / "artifacts").as_uri() for run in (before, after)}
    client = MlflowClient(f"sqlite:///{two}/mlruns/mlflow.db")
    assert [item.path for item in client.list_artifacts(before)] == ["test_predictions.safetensors"]


def test_a_run_is_resumed_in_the_place_where_it_is_now(one, monkeypatch):
    before = finished().run_id
    two = one.rename(one.with_name("two"))
    monkeypatch.chdir(two)
    tracker = MLflowTracker(experiment="e", run_id=before)
    tracker.log_text("late\n", "a.txt")
    tracker.close()
    assert (two / "mlruns" / "artifacts" / before / "artifacts" / "a.txt").read_text() == "late\n"
    assert tracker.run_dir == two / "mlruns" / "runs" / before
    assert not one.exists()


def test_a_copied_store_is_a_store_of_its_own(one, monkeypatch):
    before = finished().run_id
    MLflowTracker(experiment="empty").start()
    two = shutil.copytree(one, one.with_name("two"))
    monkeypatch.chdir(two)
    assert KeptRuns().finished("e", "h") == before
    after = [finished().run_id, finished().run_id]
    tracker = MLflowTracker(experiment="empty")
    tracker.log_text("x", "a.txt")
    tracker.close()
    assert {path.name for path in (one / "mlruns" / "artifacts").iterdir()} == {before}
    assert {path.name for path in (two / "mlruns" / "artifacts").iterdir()} == {before, *after, tracker.run_id}
    monkeypatch.chdir(one)
    assert KeptRuns().finished("e", "h") == before
    assert locations(one)[0]["e"] == (one / "mlruns" / "artifacts").as_uri()


def test_artifacts_that_are_kept_elsewhere_stay_there(one, monkeypatch, capsys):
    elsewhere = one.with_name("disk") / "artifacts"
    client = connection.connect(locate(None))
    client.create_experiment("e", artifact_location=elsewhere.as_uri())
    client.create_experiment("bucket", artifact_location="s3://bucket/artifacts")
    elsewhere.parent.mkdir()
    before = finished().run_id
    assert (elsewhere / before).is_dir()
    two = one.rename(one.with_name("two"))
    monkeypatch.chdir(two)
    assert KeptRuns().finished("e", "h") == before
    experiments, runs = locations(two)
    assert experiments["e"] == elsewhere.as_uri()
    assert experiments["bucket"] == "s3://bucket/artifacts"
    assert runs == {before: (elsewhere / before / "artifacts").as_uri()}
    assert capsys.readouterr().err == ""


def test_artifacts_that_an_older_qlit_wrote_to_the_old_place_are_still_read(one, monkeypatch):
    """It created the old folder again, and trained everything once more."""
    moved = finished().run_id
    two = one.rename(one.with_name("two"))
    monkeypatch.chdir(two)
    with monkeypatch.context() as older:
        older.setattr(connection, "follow_move", lambda *_: None)
        strayed = finished().run_id
    assert (one / "mlruns" / "artifacts" / strayed).is_dir()
    kept = KeptRuns()
    for run in (moved, strayed):
        assert kept.read(run).predictions.dataset == "two"
    after = finished().run_id
    assert (two / "mlruns" / "artifacts" / after).is_dir()


def test_one_folder_under_two_names_is_not_moved(one, capsys):
    before = finished().run_id
    link = one.with_name("link")
    link.symlink_to(one)
    uri = f"sqlite:///{link}/mlruns/mlflow.db"
    assert KeptRuns(uri).finished("e", "h") == before
    assert locations(one)[1] == {before: (one / "mlruns" / "artifacts" / before / "artifacts").as_uri()}
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("absolute", [False, True])
def test_files_that_wait_are_sent_from_the_place_where_they_are_now(tmp_path, absolute):
    log = RunLog(tmp_path / "one")
    log.take()
    log.append(log.files.record_of(log.files.add_content(b"text", "a.txt"), ""))
    if absolute:  # as an older qlit wrote it
        record = json.loads(log.file.read_text())
        path = str(tmp_path / "one" / record["path"])
        (tmp_path / "one" / "unsent_files.jsonl").write_text(json.dumps({**record, "path": path}) + "\n")
        log.file.unlink()
    log.release()
    (tmp_path / "one").rename(tmp_path / "two")
    sent = []

    def deliver(record):
        sent.append(record["path"])
        assert Path(record["path"]).read_text() == "text"
        assert tmp_path / "two" / "unsent" in Path(record["path"]).parents

    moved = RunLog(tmp_path / "two")
    moved.take()
    assert LogSync(moved, deliver, answers=lambda: True, store_name="store").sync()
    assert len(sent) == 1
    assert moved.finish()
    assert sorted(path.name for path in (tmp_path / "two").iterdir()) == ["lock", "log.jsonl"]
