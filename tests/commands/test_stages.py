"""A signal in every stage of a command: the exit status, the status of the run, and how to continue."""

import os
import shlex
import signal

import pytest
from commands.runs import SMALL, all_runs

from qlit.cli import main
from qlit.jobs import fit
from qlit.tracking.tracker import MLflowTracker
from qlit.training.module import SentenceClassifier

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*treespec, LeafSpec.*:FutureWarning"),  # Lightning 2.6 with torch 2.13
    pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow"),
]
SHORT = [*SMALL, "--trainer.max_epochs", "1"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a run whose summary could not be printed."""
    made = tmp_path_factory.mktemp("stages")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(made)
        patch.setattr(fit, "fit_summary", raising(BrokenPipeError()))
        assert main(["fit", *SHORT]) == 128 + signal.SIGPIPE
    return made


def raising(error):
    def call(*_, **__):
        raise error

    return call


@pytest.fixture
def statuses(folder, monkeypatch):
    """The statuses of the runs since the test began, the youngest first; the current folder is that of the runs."""
    monkeypatch.chdir(folder)
    before = len(all_runs(folder))
    return lambda: [run.info.status for run in all_runs(folder)][: len(all_runs(folder)) - before]


def send(monkeypatch, number, owner, name):
    """Send a signal to this process at the first call of a function."""
    original = getattr(owner, name)

    def call(*arguments, **options):
        monkeypatch.setattr(owner, name, original)
        os.kill(os.getpid(), number)
        return original(*arguments, **options)

    monkeypatch.setattr(owner, name, call)


def test_a_run_whose_summary_cannot_be_printed_is_finished(folder):
    assert [run.info.status for run in all_runs(folder)] == ["FINISHED"]


def test_before_a_run_is_opened_there_is_none(statuses, monkeypatch, capsys):
    send(monkeypatch, signal.SIGTERM, MLflowTracker, "check")
    assert main(["fit", *SHORT]) == 143
    assert capsys.readouterr().err == "qlit fit: stopped by SIGTERM\n"
    assert statuses() == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("owner", [fit, SentenceClassifier], ids=["before the test", "in the test"])
def test_a_fit_that_is_stopped_after_its_epochs_continues_with_the_test(statuses, monkeypatch, capsys, number, owner):
    name = "after_fit" if owner is fit else "test_step"
    send(monkeypatch, number, owner, name)
    assert main(["fit", *SHORT]) == 128 + number
    assert statuses() == ["KILLED"]
    err = capsys.readouterr().err
    assert "Traceback" not in err
    _, _, path = shlex.split(err.rpartition("continue with: qlit ")[2].splitlines()[0])
    assert main(["fit", "--ckpt_path", path]) == 0
    assert statuses() == ["FINISHED"]


def test_a_signal_at_the_end_leaves_the_run_finished(statuses, monkeypatch, capsys):
    send(monkeypatch, signal.SIGTERM, MLflowTracker, "_end")
    assert main(["fit", *SHORT]) == 143
    assert statuses() == ["FINISHED"]
    assert capsys.readouterr().err.endswith("qlit fit: stopped by SIGTERM\n")


@pytest.mark.parametrize(("command", "step"), [("test", "test_step"), ("validate", "validation_step")])
def test_an_evaluation_is_stopped_within_its_batches(folder, statuses, monkeypatch, capsys, command, step):
    send(monkeypatch, signal.SIGTERM, SentenceClassifier, step)
    path = next(folder.glob("mlruns/runs/*/best.ckpt"))
    assert main([command, "--ckpt_path", str(path)]) == 143
    assert statuses() == ["KILLED"]
    assert capsys.readouterr().err == f"qlit {command}: stopped by SIGTERM\n"


def test_a_series_is_stopped_between_fit_and_test(statuses, monkeypatch, capsys):
    send(monkeypatch, signal.SIGTERM, fit, "after_fit")
    models = ["--config", SMALL[1], "--config", f"{SMALL[1]} --model.lr 0.02", "--seeds", "1"]
    assert main(["compare", *models, *SMALL[2:]]) == 143
    assert capsys.readouterr().err.endswith(
        "qlit compare: stopped by SIGTERM; run the same command again to continue\n"
    )
    assert statuses() == ["KILLED"]
