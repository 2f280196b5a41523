"""A training of two processes as a job of a real Slurm cluster, stopped within an epoch and queued again."""

import shutil
import subprocess
import time
from pathlib import Path

import pytest
import torch
from commands.runs import SMALL, client, history, only_run, weights
from commands.slurm_jobs import submitted

from qlit.training.evaluation import WITHIN_EPOCH

# 64 sentences train in 32 batches, of which every process has one sentence.
LONG = [*SMALL, "--data.batch_size", "2", "--trainer.max_epochs", "40"]


@pytest.fixture
def place(tmp_path, empty_database, monkeypatch):
    """Make folders with a store of their own."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)

    def make(name: str) -> Path:
        (tmp_path / name / "mlruns").mkdir(parents=True)
        shutil.copy(empty_database, tmp_path / name / "mlruns" / "mlflow.db")
        return tmp_path / name

    return make


def test_two_tasks_stopped_within_an_epoch_train_what_undisturbed_ones_do(cluster, place, monkeypatch, capsys):
    two = "tasks_per_node: 2\njob_name: pair\n"
    calm, disturbed = place("calm"), place("disturbed")
    job, own = submitted(disturbed, monkeypatch, capsys, "fit", *LONG, slurm=two)
    deadline = time.monotonic() + 240
    while not (found := list(disturbed.glob("mlruns/runs/*/last.ckpt"))):
        assert time.monotonic() < deadline, (own / "job.log").read_text()
        time.sleep(0.05)
    subprocess.run(["scancel", "--signal=USR1", job], check=True)
    while "stopped by SIGUSR1; continue with" not in (said := (own / "job.log").read_text()):
        assert time.monotonic() < deadline, said
        time.sleep(0.05)
    stopped = torch.load(found[0], weights_only=True)  # the job waits some seconds before it starts again
    kept = stopped[WITHIN_EPOCH]
    assert [0 < each["num_batches"] < 32 for each in kept] == [True, True]
    assert [len(each["train_scores"][1]) for each in kept] == [each["num_batches"] for each in kept]
    assert cluster.wait(job, "COMPLETED", "FAILED", timeout_s=300) == "COMPLETED 0", (own / "job.log").read_text()
    assert "Restarts=1 " in cluster.said("scontrol", "--oneliner", "show", "job", job)
    assert (own / "exit").read_text() == "0\n"

    other, other_own = submitted(calm, monkeypatch, capsys, "fit", *LONG, slurm=two)
    assert cluster.wait(other, timeout_s=300) == "COMPLETED 0", (other_own / "job.log").read_text()
    runs = [only_run(folder) for folder in (calm, disturbed)]
    assert [run.info.status for run in runs] == ["FINISHED", "FINISHED"]
    for name in ("last.ckpt", "best.ckpt"):
        one, two_ = (
            weights(folder, run.info.run_id, name) for folder, run in zip((calm, disturbed), runs, strict=True)
        )
        assert one.keys() == two_.keys()
        assert all(torch.equal(one[key], two_[key]) for key in one)
    for name in ("train/loss", "train/accuracy", "val/loss", "val/accuracy", "test/accuracy"):
        one, two_ = (
            history(folder, run.info.run_id, name) for folder, run in zip((calm, disturbed), runs, strict=True)
        )
        assert one == two_
        assert len(one) == (1 if name.startswith("test/") else 40)
    assert client(disturbed).get_run(runs[1].info.run_id).data.params["trainer.devices"] == "2"
