"""Runs of the real command on the built-in sample and the MiniLM body, small enough for tests."""

import json
import os
import subprocess
import sys
import time
import warnings
from pathlib import Path

import torch
import yaml
from mlflow import MlflowClient
from prefork import ForkedCommand
from tiny_body import make_tiny_body, write_tiny_data

from qlit.cli import main

ROOT = Path(__file__).resolve().parents[2]
QUICKSTART = ROOT / "configs" / "quickstart.yaml"
# 64 sentences train, 16 validate, 20 test; the encoder keeps the 9 qubits that the body needs, with fewer gates.
SMALL = [
    "--config", str(QUICKSTART), "--trainer.max_epochs", "2",
    "--data.num_per_label", "40", "--data.train_fraction", "0.8", "--data.max_test", "20",
    "--model.head.encoder.connectivity", "1", "--model.head.encoder.num_layers", "0",
    "--model.head.pqc.num_qubits", "4", "--model.head.pqc.num_reuploads", "1",
]  # fmt: skip


def fit_untracked(folder: Path, config: dict[str, object]) -> None:
    """Fit a config without tracking, whose root is `folder`; leave `config.yaml`, `best.ckpt` and `last.ckpt` there."""
    (folder / "config.yaml").write_text(json.dumps(config))
    assert main(["fit", "--config", str(folder / "config.yaml")]) == 0
    (best,) = folder.glob("mlruns/untracked/*/best.ckpt")
    best.rename(folder / "best.ckpt")
    best.with_name("last.ckpt").rename(folder / "last.ckpt")


def tiny_head(**encoder: object) -> dict[str, object]:
    """A hybrid head of 3 and 2 qubits, as in a config; `encoder` has further arguments of its encoder."""
    small = {"num_qubits": 3, "connectivity": 1, "num_layers": 0, **encoder}
    return {
        "class_path": "qlit.heads.HybridHead",
        "init_args": {
            "num_classes": 2,
            "encoder": {"class_path": "qlit.heads.SimulatedQuantumEncoder", "init_args": small},
            "pqc": {"num_qubits": 2, "num_reuploads": 1},
        },
    }


def write_tiny_study(folder: Path, rates: list[float], *, max_epochs: int) -> Path:
    """A study file with one cell per learning rate, of a head of 3 and 2 qubits on a body of eleven words."""
    overrides = {
        "trainer.max_epochs": max_epochs, "data.num_per_label": 12, "data.max_test": 8,
        "model.head.encoder.connectivity": 1, "model.head.encoder.num_layers": 0, "model.head.encoder.num_qubits": 3,
        "model.head.pqc.num_qubits": 2, "model.head.pqc.num_reuploads": 1,
        "data.source": str(write_tiny_data(folder / "data.tsv", 80)), "data.body": str(make_tiny_body(folder / "body")),
    }  # fmt: skip
    study = {"base": str(QUICKSTART), "overrides": overrides, "factors": {"model.lr": rates}, "name": "tiny"}
    (folder / "tiny.yaml").write_text(yaml.safe_dump(study))
    return folder / "tiny.yaml"


_SLOWED = """
import time
from pathlib import Path

from lightning import Callback


class Slowed(Callback):
    def on_train_epoch_end(self, trainer, pl_module):
        if Path("slow").exists():
            time.sleep(0.1)
"""


def slowed(folder: Path) -> str:
    """Path of a callback that makes each epoch take 0.1 s while `folder` has a file `slow`, which this call writes.

    A training that is to be caught in the middle must not end before it is looked at, also on a fast machine.
    """
    (folder / "slowed.py").write_text(_SLOWED)
    (folder / "slow").touch()
    return "slowed.Slowed"


def at_full_speed(folder: Path) -> None:
    (folder / "slow").unlink()


def command(*arguments: str) -> list[str]:
    """The command line of `qlit` in this interpreter."""
    return [sys.executable, "-W", "error::UserWarning:qlit", "-m", "qlit", *arguments]


def start(folder: Path, *arguments: str) -> ForkedCommand:
    """Start `qlit` in `folder`, in a process group of its own, one thread a process; its imports are done."""
    return ForkedCommand(folder, arguments, {**os.environ, "OMP_NUM_THREADS": "1"})


def start_new(folder: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    """As `start`, with a new interpreter; for what is decided while modules are imported."""
    return subprocess.Popen(
        command(*arguments),
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finish(process: subprocess.Popen[str] | ForkedCommand) -> tuple[int, str, str]:
    """Exit status, standard output and standard error."""
    out, err = process.communicate(timeout=300)
    return process.returncode, out, err


def run(folder: Path, *arguments: str) -> tuple[int, str, str]:
    return finish(start(folder, *arguments))


def run_new(folder: Path, *arguments: str, **environment: str) -> tuple[int, str, str]:
    return finish(start_new(folder, *arguments, **environment))


def client(folder: Path) -> MlflowClient:
    """MLflow on the runs kept in `folder`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # MLflow 3.17 uses what SQLAlchemy 2.1 deprecates
        return MlflowClient(f"sqlite:///{folder}/mlruns/mlflow.db")


def only_run(folder: Path, experiment: str = "quickstart"):
    (found,) = all_runs(folder, experiment)
    return found


def all_runs(folder: Path, experiment: str = "quickstart"):
    mlflow = client(folder)
    return mlflow.search_runs([mlflow.get_experiment_by_name(experiment).experiment_id])


def history(folder: Path, run_id: str, name: str) -> dict[int, float]:
    """A metric by epoch; a value that was logged twice must be the same twice."""
    values: dict[int, float] = {}
    for point in client(folder).get_metric_history(run_id, name):
        assert values.setdefault(point.step, point.value) == point.value
    return values


def weights(folder: Path, run_id: str, name: str = "last.ckpt") -> dict[str, torch.Tensor]:
    path = folder / "mlruns" / "runs" / run_id / name
    return torch.load(path, map_location="cpu", weights_only=True)["state_dict"]


def last_epoch(folder: Path) -> int:
    """Epoch of the newest `last.ckpt`, -1 before the first."""
    (path,) = [*folder.glob("mlruns/runs/*/last.ckpt")] or [None]
    return -1 if path is None else int(torch.load(path, weights_only=True)["epoch"])


def wait_for_epoch(folder: Path, epoch: int, process: subprocess.Popen[str]) -> None:
    deadline, seen = time.monotonic() + 120, []
    while True:
        written = [path.stat().st_mtime_ns for path in folder.glob("mlruns/runs/*/last.ckpt")]
        if written != seen and last_epoch(folder) >= epoch:
            return
        seen = written
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.02)
