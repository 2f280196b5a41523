"""How a worker handles the end of a training's processes; small scripts replace them."""

import sys
import time
from types import SimpleNamespace

import psutil
import pytest

from qlit.jobs.outcome import Outcome
from qlit.jobs.study import processes
from qlit.jobs.study.processes import FailedError, LostError, train_in_processes
from qlit.runtime.retry import OutageError

BEGIN = """
import json, os, pathlib, signal, socket, subprocess, sys, time
file = pathlib.Path(sys.argv[1])
start = json.loads(file.read_text())
line = socket.socket(fileno=start["socket"])
say = lambda **message: line.sendall((json.dumps(message) + "\\n").encode())
say(run_id="R")
"""


@pytest.fixture
def trained(monkeypatch):
    """Train in processes whose rank 0 is a script; the statuses that runs were closed with are in `closed`."""

    closed = []
    runs = SimpleNamespace(close=lambda *how: closed.append(how))
    job = SimpleNamespace(runs=runs, to_json=lambda: {"options": ["--model.lr=1"]})

    def train(script, raise_if_stopped=lambda: None, give_up=None):
        monkeypatch.setattr(processes, "_COMMAND", (sys.executable, "-c", BEGIN + script))
        return train_in_processes(job, 2, {"study.name": "tiny"}, raise_if_stopped, give_up)

    train.closed, train.runs = closed, runs
    return train


def test_rank_0_asks_after_every_epoch_and_sends_the_outcome(trained):
    asked = []

    def give_up(*question):
        asked.append(question)
        return len(asked) == 2

    outcome = trained(
        """
assert start["job"] == {"options": ["--model.lr=1"]} and start["tags"] == {"study.name": "tiny"}
assert start["worker"] == os.getppid() and os.getpgrp() == os.getpid()
assert signal.SIGTERM in signal.pthread_sigmask(signal.SIG_BLOCK, [])
answers = line.makefile()
for epoch in range(3):
    say(epoch=epoch, scores={"val/loss": 0.5})
    if json.loads(answers.readline()):
        break
say(outcome={"status": "pruned" if epoch == 1 else "", "run_id": "R", "scores": {"val/accuracy": 0.5}})
""",
        give_up=give_up,
    )
    assert asked == [(0, {"val/loss": 0.5}), (1, {"val/loss": 0.5})]
    assert outcome == Outcome("pruned", "R", {"val/accuracy": 0.5})
    assert trained.closed == []


@pytest.mark.parametrize(
    ("script", "kind", "why", "status"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", LostError, "its process was killed by SIGKILL", "KILLED"),
        ("say(lost='rank 1 died'); sys.exit(1)", LostError, "rank 1 died", "KILLED"),
        ("sys.exit(130)", LostError, "its process was interrupted", "KILLED"),
        ("line.sendall(b'{\"ep'); os.kill(os.getpid(), 9)", LostError, "its process was killed by SIGKILL", "KILLED"),
        ("say(outage='MLflow is unreachable'); sys.exit(1)", OutageError, "MLflow is unreachable", "KILLED"),
        ("say(error='ValueError: no'); sys.exit(1)", FailedError, "ValueError: no", "FAILED"),
        ("(file.parent / 'error').write_text('OSError: rank 1'); sys.exit(1)",
         FailedError, "OSError: rank 1", "FAILED"),
        ("(file.parent / 'error').write_text('OSError: rank 1'); os.kill(os.getpid(), 9)",
         FailedError, "OSError: rank 1", "FAILED"),
        ("sys.exit(3)", FailedError, "its process ended with status 3; the worker's log has its messages", "FAILED"),
    ],
)  # fmt: skip
def test_processes_that_reach_nothing_were_lost_or_failed_or_had_an_outage(trained, script, kind, why, status):
    with pytest.raises(kind) as raised:
        trained(script)
    assert str(raised.value) == why
    assert trained.closed == [("R", status, why)]


def test_processes_that_rank_0_started_end_with_it(trained, tmp_path):
    pid = tmp_path / "pid"
    with pytest.raises(LostError):
        trained(f"""
other = subprocess.Popen(["sleep", "600"])
pathlib.Path({str(pid)!r}).write_text(str(other.pid))
os.kill(os.getpid(), signal.SIGKILL)
""")
    deadline = time.monotonic() + 10
    while psutil.pid_exists(int(pid.read_text())) and psutil.Process(int(pid.read_text())).status() != "zombie":
        assert time.monotonic() < deadline
        time.sleep(0.02)


class StopError(Exception):
    """Stands for the exception of a signal."""


def test_a_stopped_worker_lets_rank_0_close_its_run(trained, tmp_path):
    done, begun = tmp_path / "done", iter([False, True])

    def stop():
        if next(begun):
            raise StopError

    with pytest.raises(StopError):
        trained(
            f"""
try:
    say(run_id="R")
    time.sleep(600)
except KeyboardInterrupt:
    pathlib.Path({str(done)!r}).write_text("closed")
    sys.exit(130)
""",
            raise_if_stopped=stop,
        )
    assert done.read_text() == "closed"


def test_mlflow_may_be_unreachable_when_processes_are_lost(trained, monkeypatch):
    def away(*_):
        raise ConnectionError

    monkeypatch.setattr(trained.runs, "close", away)
    with pytest.raises(LostError, match="SIGKILL"):
        trained("os.kill(os.getpid(), signal.SIGKILL)")
