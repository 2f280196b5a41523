"""Signals that come while something must not be broken off."""

import os
import signal
import sqlite3
import threading

import pytest
from mlflow import MlflowClient
from sqlalchemy import Engine, event

from qlit.runtime.critical_section import raise_when_whole, undivided
from qlit.training.tracking import MLflowTracker

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow")


@pytest.fixture(autouse=True)
def raising():
    """SIGUSR1 raises as Ctrl-C does in a training."""

    def received(*_):
        raise_when_whole(KeyboardInterrupt())

    before = signal.signal(signal.SIGUSR1, received)
    yield
    signal.signal(signal.SIGUSR1, before)


def interrupt():
    os.kill(os.getpid(), signal.SIGUSR1)


def test_a_signal_waits_for_the_end_of_what_is_undivided():
    done = []

    @undivided()
    def inner():
        interrupt()
        done.append("inner")

    @undivided()
    def outer():
        inner()
        done.append("outer")

    with pytest.raises(KeyboardInterrupt):
        outer()
    assert done == ["inner", "outer"]
    undivided()(done.clear)()  # it was raised once


def test_a_second_signal_is_not_held_up():
    @undivided()
    def work():
        interrupt()
        interrupt()
        pytest.fail("still held up")

    with pytest.raises(KeyboardInterrupt):
        work()
    undivided()(list)()


def test_a_failure_does_not_hide_the_signal():
    @undivided()
    def fail():
        interrupt()
        raise ConnectionError("gone")

    with pytest.raises(KeyboardInterrupt) as raised:
        fail()
    assert isinstance(raised.value.__context__, ConnectionError)


def test_outside_a_signal_raises_at_once():
    with pytest.raises(KeyboardInterrupt):
        interrupt()


def test_what_another_thread_does_holds_nothing_up():
    entered, over = threading.Event(), threading.Event()

    def work():
        with undivided():
            entered.set()
            over.wait()

    thread = threading.Thread(target=work)
    thread.start()
    entered.wait()
    try:
        with pytest.raises(KeyboardInterrupt):
            interrupt()
    finally:
        over.set()
        thread.join()


@pytest.fixture
def interrupted_commit():
    """The next commit of a database has a signal in it."""
    signals = iter([interrupt])

    def listener(_):
        next(signals, int)()

    event.listen(Engine, "commit", listener)
    yield
    event.remove(Engine, "commit", listener)


def test_a_run_that_is_made_meanwhile_has_somebody_to_close_it(folder, monkeypatch):
    create = MlflowClient.create_run

    def create_and_interrupt(*arguments, **options):
        run = create(*arguments, **options)
        interrupt()
        return run

    monkeypatch.setattr(MlflowClient, "create_run", create_and_interrupt)
    tracker = MLflowTracker()
    with pytest.raises(KeyboardInterrupt):
        tracker.start()
    tracker.close("KILLED")
    client = MlflowClient(f"sqlite:///{folder}/mlruns/mlflow.db")
    (run,) = client.search_runs([client.get_experiment_by_name("qlit").experiment_id])
    assert (run.info.run_id, run.info.status) == (tracker.run_id, "KILLED")


def test_a_commit_comes_to_its_end_and_leaves_no_lock(folder, request):
    tracker = MLflowTracker()
    tracker.start()
    request.getfixturevalue("interrupted_commit")
    with pytest.raises(KeyboardInterrupt) as raised:
        tracker.set_tag("a", "b")
    other = sqlite3.connect(folder / "mlruns" / "mlflow.db", timeout=0.1, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert other.execute("SELECT value FROM tags WHERE key = 'a'").fetchall() == [("b",)]
    other.close()
    assert raised.value.__traceback__ is not None  # alive until here, with the frames that it went through
