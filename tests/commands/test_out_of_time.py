"""Commands in a submitted job that SIGUSR1 stops: their status, and what the same command does afterwards."""

import os
import signal

import pytest
import torch
from commands.runs import SMALL, all_runs, only_run

from qlit.cli import main
from qlit.runtime.batch_job import JOB_FOLDER
from qlit.training.evaluation import WITHIN_EPOCH
from qlit.training.module import SentenceClassifier

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow")

OUT_OF_TIME = 128 + signal.SIGUSR1


@pytest.fixture
def signal_once(monkeypatch):
    """Send SIGUSR1 within the second batch of the second epoch of the first training."""
    original, sent = SentenceClassifier.training_step, []

    def step(self, batch):
        if not sent and (self.current_epoch, batch.number) == (1, 1):
            sent.append(True)
            os.kill(os.getpid(), signal.SIGUSR1)
        return original(self, batch)

    monkeypatch.setattr(SentenceClassifier, "training_step", step)


@pytest.mark.usefixtures("signal_once")
def test_a_comparison_continues_within_the_epoch_of_the_training_that_was_stopped(folder, monkeypatch, capsys):
    monkeypatch.setenv(JOB_FOLDER, str(folder))
    words = ["--config", SMALL[1], "--config", f"{SMALL[1]} --model.lr 0.02", "--seeds", "1", *SMALL[2:]]
    assert main(["compare", *words]) == OUT_OF_TIME
    assert "stopped by SIGUSR1" in capsys.readouterr().err
    stopped = only_run(folder)
    saved = torch.load(folder / "mlruns" / "runs" / stopped.info.run_id / "last.ckpt", weights_only=True)
    assert (saved["epoch"], saved[WITHIN_EPOCH][0]["num_batches"]) == (1, 2)
    assert main(["compare", *words]) == 0
    runs = all_runs(folder)
    assert [run.info.status for run in runs] == ["FINISHED", "FINISHED"]
    assert stopped.info.run_id in [run.info.run_id for run in runs]

    monkeypatch.delenv(JOB_FOLDER)
    assert main(["compare", *words, "--tracking.experiment", "calm"]) == 0
    losses = [
        {run.data.tags["series.model"]: run.data.metrics["test/loss"] for run in all_runs(folder, experiment)}
        for experiment in ("quickstart", "calm")
    ]
    assert losses[0] == losses[1]
    assert len(losses[0]) == 2


@pytest.mark.usefixtures("signal_once")
def test_a_fit_of_a_job_continues_its_run_without_being_told_and_only_there(folder, monkeypatch, capsys):
    monkeypatch.setenv(JOB_FOLDER, str(folder))
    assert main(["fit", *SMALL]) == OUT_OF_TIME
    assert "stopped by SIGUSR1; continue with: qlit fit --ckpt_path " in capsys.readouterr().err
    first = only_run(folder)
    assert (folder / "run").read_text() == f"{folder}/mlruns/runs/{first.info.run_id}\n"
    assert main(["fit", *SMALL]) == 0
    assert only_run(folder).info.status == "FINISHED"
    monkeypatch.delenv(JOB_FOLDER)
    assert main(["fit", *SMALL]) == 0
    assert len(all_runs(folder)) == 2


def test_a_fit_that_is_stopped_before_its_first_batch_continues_the_same_run(folder, monkeypatch, capsys):
    monkeypatch.setenv(JOB_FOLDER, str(folder))
    original, sent = SentenceClassifier.configure_optimizers, []

    def configure(self):
        if not sent:
            sent.append(True)
            os.kill(os.getpid(), signal.SIGUSR1)
        return original(self)

    monkeypatch.setattr(SentenceClassifier, "configure_optimizers", configure)
    assert main(["fit", *SMALL]) == OUT_OF_TIME
    assert "Traceback" not in capsys.readouterr().err
    assert only_run(folder).info.status == "KILLED"
    assert main(["fit", *SMALL]) == 0
    assert only_run(folder).info.status == "FINISHED"
