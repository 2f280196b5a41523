"""Runs found by their config and read back, on a real MLflow store."""

import numpy as np
import pytest
from mlflow import MlflowClient

from qlit.tracking.config_hash import HASH
from qlit.tracking.kept_runs import KeptRuns
from qlit.tracking.predictions import Predictions, keep_predictions
from qlit.tracking.tracker import MLflowTracker

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow")

SIX = Predictions(
    np.arange(6), np.array([0, 1, 0, 1, 0, 1]), np.linspace(0, 1, 6, dtype=np.float32), "f" * 16, ("a", "b"), "six"
)


@pytest.fixture
def uri(tmp_path):
    return f"sqlite:///{tmp_path}/mlflow.db"


def logged(uri, config_hash="h", status="FINISHED", *, with_predictions=True, tags=None):
    """A run with these tags and status; its tracker."""
    tracker = MLflowTracker(experiment="e", tracking_uri=uri, tags={HASH: config_hash, **(tags or {})})
    tracker.log_hyperparams({"lr": 0.1})
    if with_predictions:
        keep_predictions(tracker, SIX)
    tracker.close(status)
    return tracker


def test_runs_are_found_by_config_and_read_whole(uri):
    first = logged(uri)
    second = logged(uri)
    logged(uri, with_predictions=False)
    logged(uri, "other")
    for name in (HASH, "checkpoint"):
        logged(uri, tags={f"resumed.{name}": "other"})
    kept = KeptRuns(uri)
    assert kept.finished("e", "h") in (first.run_id, second.run_id)
    assert kept.finished("e", "none") is kept.finished("nowhere", "h") is None
    run = kept.read(first.run_id)
    assert (run.run_id, run.params, run.tags[HASH]) == (first.run_id, {"lr": "0.1"}, "h")
    assert run.predictions.probabilities.tolist() == SIX.probabilities.tolist()
    assert run.predictions.split_fingerprint == SIX.split_fingerprint


def test_a_run_that_went_on_with_its_data_in_another_place_is_found(uri):
    run = logged(uri, tags={"resumed.data.source": "/two/d.tsv"})
    assert KeptRuns(uri).finished("e", "h") == run.run_id


def test_a_stopped_run_is_found_by_its_last_checkpoint(uri):
    killed = logged(uri, status="KILLED", with_predictions=False)
    kept = KeptRuns(uri)
    assert kept.stopped("e", "h") is None  # stopped before its first checkpoint
    (killed.run_dir / "last.ckpt").touch()
    assert kept.stopped("e", "h") == killed.run_dir / "last.ckpt"
    assert kept.finished("e", "h") is None


def test_the_history_of_a_run_has_each_step_once(uri):
    tracker = logged(uri, status="FINISHED")
    client = MlflowClient(uri)
    for step, value in ((1, 0.5), (0, 0.25), (1, 0.75)):  # epoch 1 was trained again after a kill
        client.log_metric(tracker.run_id, "val/loss", value, step=step)
    assert KeptRuns(uri).history(tracker.run_id)["val/loss"] == [(0, 0.25), (1, 0.75)]


def test_runs_of_processes_that_are_gone_are_reaped(uri):
    running = logged(uri, status="FINISHED")
    client = MlflowClient(uri)
    client.update_run(running.run_id, status="RUNNING")
    assert KeptRuns(uri).reap("e") == []  # its process is this one
    client.set_tag(running.run_id, "qlit.pid", "999999999")
    assert KeptRuns(uri).reap("nothing") == []
    assert KeptRuns(uri).reap("e") == [running.run_id]
    assert client.get_run(running.run_id).info.status == "KILLED"


def test_a_run_of_processes_that_are_gone_is_closed_unless_they_did(uri):
    runs = [logged(uri, status=status).run_id for status in ("FINISHED", "FINISHED", "FAILED")]
    client = MlflowClient(uri)
    client.update_run(runs[0], status="RUNNING")
    for run_id in runs:
        KeptRuns(uri).close(run_id, "FAILED", "rank 1 died")
    found = [(each.info.status, each.data.tags.get("error")) for each in map(client.get_run, runs)]
    assert found == [("FAILED", "rank 1 died"), ("FINISHED", None), ("FAILED", "rank 1 died")]


def test_what_is_not_there_is_told_in_a_sentence(uri, tmp_path):
    with pytest.raises(ValueError, match=r"There is no run 'abc' in MLflow at sqlite:.*; check the id, and the store"):
        KeptRuns(uri).read("abc")
    assert KeptRuns(uri).finished("e", "h") is None
    assert not list(tmp_path.iterdir())  # a store is not made by looking into it
    bare = logged(uri, with_predictions=False)
    with pytest.raises(ValueError, match=f"Run {bare.run_id} keeps no test predictions .*`qlit test --ckpt_path "):
        KeptRuns(uri).read(bare.run_id)
    with pytest.raises(ValueError, match=f"There is no run '{'0' * 32}'"):
        KeptRuns(uri).read("0" * 32)
    MlflowClient(uri).delete_run(bare.run_id)
    with pytest.raises(ValueError, match=f"There is no run '{bare.run_id}'"):
        KeptRuns(uri).read(bare.run_id)
