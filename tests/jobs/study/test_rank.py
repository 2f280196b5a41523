"""A process of a training: how it reports its end, and how it reacts to the end of others."""

import errno
import json
import signal
import socket
import subprocess
import sys
from functools import partial
from types import SimpleNamespace

import pytest
from lightning.pytorch import Trainer

from qlit.jobs.callbacks.pruning import Pruning
from qlit.jobs.outcome import Outcome
from qlit.jobs.run_logger import RunLogger
from qlit.jobs.study import rank
from qlit.jobs.study.rank import run_rank
from qlit.runtime.interrupts import StoppedBySignal
from qlit.runtime.retry import OutageError
from qlit.tracking.tracker import MLflowTracker


def job_that(training):
    """A class of jobs whose `run` is a function of their plain values and of its own arguments."""
    return SimpleNamespace(from_json=lambda plain: SimpleNamespace(run=partial(training, plain)))


@pytest.fixture
def ran(monkeypatch, tmp_path):
    """Run one rank whose training is a function; return its status and its messages to the worker."""
    ours, theirs = socket.socketpair()
    fd = theirs.detach()
    (tmp_path / "trial.json").write_text(
        json.dumps({"job": {"options": ["--x=1"]}, "tags": {"a": "b"}, "worker": 7, "socket": fd})
    )
    parents = []
    monkeypatch.setattr(rank, "_end_with", parents.append)
    monkeypatch.setattr(rank, "_WAIT_S", 0.0)

    def run(number, training):
        monkeypatch.setattr(rank, "local_rank", lambda: number)
        monkeypatch.setattr(rank, "Job", job_that(training))
        status = run_rank([str(tmp_path / "trial.json")])
        if number:
            socket.socket(fileno=fd).close()
        with ours:
            return status, [json.loads(line) for line in ours.makefile()]

    run.parents = parents
    return run


def test_rank_0_sends_its_outcome(ran):
    def training(plain, tags, interruption, pruning):
        assert (plain, tags) == ({"options": ["--x=1"]}, {"a": "b"})
        assert isinstance(interruption, rank._RankZeroInterruption)
        assert isinstance(pruning, Pruning)
        return Outcome("finished", "R", {"val/loss": 0.5})

    status, said = ran(0, training)
    assert status == 0
    (message,) = said
    assert Outcome(**message["outcome"]) == Outcome("finished", "R", {"val/loss": 0.5})
    assert ran.parents == [7]


def fails(*_, **__):
    raise ValueError("this\nis why")


def test_rank_0_sends_its_error(ran):
    assert ran(0, fails) == (1, [{"error": "ValueError: this is why"}])


@pytest.mark.parametrize(
    ("kind", "words", "message"),
    [
        (OutageError, ("MLflow is unreachable, for 180 s by now",), "MLflow is unreachable, for 180 s by now"),
        (OSError, (errno.ENOSPC, "No space left on device"), "OSError: [Errno 28] No space left on device"),
    ],
)
def test_rank_0_distinguishes_an_outage_from_an_error(ran, kind, words, message):
    def training(*_, **__):
        raise kind(*words)  # made here: kept by the test, it would keep the line open

    assert ran(0, training) == (1, [{"outage": message}])


def test_rank_0_sends_the_error_of_another_rank_instead_of_its_own(ran, tmp_path):
    (tmp_path / "error").write_text("OSError: rank 1")
    assert ran(0, fails) == (1, [{"error": "OSError: rank 1"}])


def test_rank_0_sends_nothing_after_a_signal_before_its_training(ran):
    def before_its_trainer(*_, **__):
        raise StoppedBySignal(signal.SIGINT)

    assert ran(0, before_its_trainer) == (130, [])


def test_rank_0_sends_nothing_when_its_training_is_stopped(ran):
    assert ran(0, lambda *_, **__: Outcome("stopped", "R", stopped_by=signal.SIGINT)) == (130, [])


def test_another_rank_writes_its_error_to_a_file_unless_one_did_before(ran, tmp_path):
    assert ran(1, fails) == (1, [])
    assert (tmp_path / "error").read_text() == "ValueError: this is why"
    assert ran.parents != [7]  # of rank 0, not of the worker

    def fails_too(*_, **__):
        raise RuntimeError("connection closed")

    rank.Job = job_that(fails_too)  # restored by the fixture's patch
    assert run_rank([str(tmp_path / "trial.json")]) == 1
    assert (tmp_path / "error").read_text() == "ValueError: this is why"


@pytest.mark.parametrize(
    ("script", "lost", "status"),
    [
        ("import os; os.kill(os.getpid(), 9)", "rank 2 of its processes was killed by SIGKILL", "KILLED"),
        ("raise SystemExit(1)", "", None),
        ("import time; time.sleep(600)", "", None),
    ],
)
def test_an_exception_of_rank_0_may_come_from_another_killed_rank(monkeypatch, tmp_path, script, lost, status):
    monkeypatch.setattr(rank, "_DEATH_S", 2.0 if lost else 0.3)
    others = [
        subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
        for code in ("import time; time.sleep(600)", script)
    ]
    trainer = Trainer(accelerator="cpu", strategy="ddp", devices=3, logger=False, enable_checkpointing=False)
    trainer.strategy.launcher.procs = others
    tracker = MLflowTracker(tracking_uri=f"sqlite:///{tmp_path}/mlflow.db")
    closed = []
    monkeypatch.setattr(tracker, "close", lambda *how: closed.append(how))
    trainer.loggers = [RunLogger(tracker)]
    first = rank._RankZeroInterruption(lambda: None, SimpleNamespace(send=None))
    try:
        first.on_exception(trainer, None, StoppedBySignal(signal.SIGINT))
        assert first.lost == ""
        first.on_exception(trainer, None, RuntimeError("connection closed by peer"))
        assert first.lost == lost
        assert closed == ([(status, lost)] if status else [])
        if lost:
            assert others[0].wait(10) == -signal.SIGKILL  # it waits for the dead, perhaps for ever
    finally:
        for process in others:
            process.kill()
            process.wait()
