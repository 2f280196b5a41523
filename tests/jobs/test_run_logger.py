"""Trackers as loggers of Lightning's trainer: one run over fit and test, with its true status."""

import signal
from pathlib import Path

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_only
from lightning.pytorch.utilities.exceptions import SIGTERMException
from mlflow import MlflowClient
from servers import free_port

from qlit.jobs.callbacks.run_status import RunStatus
from qlit.jobs.run_logger import RunLogger
from qlit.tracking.tracker import MLflowTracker


def client_of(folder: Path) -> MlflowClient:
    return MlflowClient(f"sqlite:///{folder}/mlruns/mlflow.db")


class Tiny(LightningModule):
    def __init__(self, error: BaseException | None = None) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)
        self.error = error

    def training_step(self, batch, batch_idx):
        if self.error is not None and batch_idx == 1:
            raise self.error
        loss = self.layer(batch).mean()
        self.log("train/loss", loss)
        return loss

    def test_step(self, batch):
        self.log("test/loss", self.layer(batch).mean())

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def make_trainer(tracker: MLflowTracker) -> Trainer:
    return Trainer(
        max_epochs=1,
        accelerator="cpu",
        logger=RunLogger(tracker),
        callbacks=[RunStatus()],
        log_every_n_steps=1,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


def loader() -> torch.utils.data.DataLoader:
    data = torch.randn(4, 2, generator=torch.Generator().manual_seed(0))
    return torch.utils.data.DataLoader(data, batch_size=1)


def quiet_lightning(test):
    """Lightning 2.6 advises more workers for four rows, and calls what torch 2.13 deprecates."""
    test = pytest.mark.filterwarnings("ignore:.*does not have many workers:UserWarning")(test)
    return pytest.mark.filterwarnings("ignore:.*LeafSpec.* is deprecated:FutureWarning")(test)


@quiet_lightning
def test_a_run_is_finished_by_its_caller_after_fit_and_test(folder):
    tracker = MLflowTracker()
    trainer = make_trainer(tracker)
    model = Tiny()
    trainer.fit(model, loader())
    assert client_of(folder).get_run(tracker.run_id).info.status == "RUNNING"
    trainer.test(model, loader(), verbose=False)
    tracker.close()
    run = client_of(folder).get_run(tracker.run_id)
    assert run.info.status == "FINISHED"
    assert {"train/loss", "test/loss"} <= set(run.data.metrics)
    assert [point.step for point in client_of(folder).get_metric_history(tracker.run_id, "train/loss")] == [0, 1, 2, 3]


@quiet_lightning
@pytest.mark.parametrize(
    ("error", "raised", "status"),
    [
        (KeyboardInterrupt(), SystemExit, "KILLED"),
        (SIGTERMException(), SIGTERMException, "KILLED"),
        (SystemExit(3), SystemExit, "KILLED"),
        (RuntimeError("no memory at http://me:wallaby@host\nmore"), RuntimeError, "FAILED"),
    ],
    ids=["Ctrl-C", "SIGTERM", "exit", "exception"],
)
def test_an_interrupted_run_is_killed_and_a_broken_one_failed(folder, error, raised, status):
    tracker = MLflowTracker()
    interrupt = signal.getsignal(signal.SIGINT)
    try:
        with pytest.raises(raised):
            make_trainer(tracker).fit(Tiny(error), loader())
    finally:
        signal.signal(signal.SIGINT, interrupt)  # Lightning leaves it ignored
    run = client_of(folder).get_run(tracker.run_id)
    assert run.info.status == status
    assert "train/loss" in run.data.metrics
    if status == "FAILED":
        assert run.data.tags["error"] == "RuntimeError: no memory at http://***@host"


@quiet_lightning
def test_a_dead_server_stops_the_fit_before_it_begins(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tracker = MLflowTracker(tracking_uri=f"http://127.0.0.1:{free_port()}")
    with pytest.raises(ConnectionError, match="does not answer"):
        make_trainer(tracker).fit(Tiny(), loader())


def test_ranks_other_than_zero_log_nothing(folder, monkeypatch):
    monkeypatch.setattr(rank_zero_only, "rank", 1)
    logger = RunLogger(MLflowTracker())
    logger.log_metrics({"x": 1.0}, 0)
    logger.log_hyperparams({"lr": 1})
    logger.experiment.set_tag("no", "client")
    logger.save()
    logger.finalize("success")
    assert (logger.name, logger.version, logger.save_dir) == ("qlit", None, None)
    assert not (folder / "mlruns" / "runs").exists()


def test_a_logger_names_experiment_and_run(folder):
    logger = RunLogger(MLflowTracker(experiment="e"))
    logger.experiment.set_tag(logger.tracker.run_id, "by", "hand")
    assert (logger.name, logger.version) == ("e", logger.tracker.run_id)
    assert client_of(folder).get_run(logger.version).data.tags["by"] == "hand"
    logger.tracker.close()
