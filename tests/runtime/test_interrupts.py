"""Signals: raised inside a training, remembered outside, and given back at the end."""

import os
import signal
import subprocess
import sys
from contextlib import suppress

import pytest
from commands.runs import SMALL, all_runs, history

from qlit.cli import main
from qlit.runtime.interrupts import Interrupts, RaisingSignals, StoppedBySignal, raise_if_stopped, seconds_since_stop
from qlit.training.progress import EpochProgress

# Where Python drops an exception it tells so; pytest makes a warning of that.
drops_an_exception = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(autouse=True)
def sigint_as_in_a_terminal():
    """Python's own handler, also where the tests run in the background of a shell, which ignores SIGINT."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class Finalised:
    """Sends a signal to this process while an object is finalised."""

    def __init__(self, number):
        self.number = number

    def __del__(self):
        os.kill(os.getpid(), self.number)
        sum(range(1000))  # the handler runs here, and what it raises is dropped


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_inside_a_training_is_raised_once(number):
    with Interrupts() as interrupts:
        with pytest.raises(StoppedBySignal) as stop, interrupts.raising():
            os.kill(os.getpid(), number)
        os.kill(os.getpid(), number)  # a second one, while the trial is given back, changes nothing
        assert stop.value.signal == interrupts.signal == number
        assert stop.value.code == 128 + number


def test_a_signal_between_trainings_is_raised_by_the_next():
    with Interrupts() as interrupts:
        os.kill(os.getpid(), signal.SIGTERM)
        assert interrupts.signal is signal.SIGTERM
        with pytest.raises(StoppedBySignal), interrupts.raising():
            pytest.fail("nothing is begun after a signal")


def test_handlers_are_given_back():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with Interrupts() as interrupts:
        assert signal.getsignal(signal.SIGTERM) not in before
        with interrupts.raising():
            pass
        assert interrupts.signal is None
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


@drops_an_exception
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_whose_exception_was_dropped_is_raised_when_asked(number):
    with Interrupts() as interrupts:
        interrupts.raise_if_stopped()
        with interrupts.raising():
            Finalised(number)
        with pytest.raises(StoppedBySignal) as stop:
            interrupts.raise_if_stopped()
        assert stop.value.signal == number


STOPPING = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@drops_an_exception
@pytest.mark.parametrize("number", STOPPING)
def test_a_signal_of_a_command_raises_at_once_and_is_remembered(number):
    before = signal.getsignal(number)
    with RaisingSignals():
        raise_if_stopped()
        Finalised(number)
        with pytest.raises(StoppedBySignal, match=f"stopped by {number.name}"):
            raise_if_stopped()
        assert seconds_since_stop() >= 0
    with RaisingSignals(), pytest.raises(StoppedBySignal) as stop:
        os.kill(os.getpid(), number)
    assert stop.value.code == 128 + number
    assert signal.getsignal(number) is before
    assert seconds_since_stop() is None
    raise_if_stopped()


@pytest.mark.parametrize("number", STOPPING)
def test_an_ignored_signal_stays_ignored(number):
    before = signal.signal(number, signal.SIG_IGN)
    try:
        with RaisingSignals():
            assert signal.getsignal(number) is signal.SIG_IGN
            os.kill(os.getpid(), number)
            raise_if_stopped()
            assert seconds_since_stop() is None
        assert signal.getsignal(number) is signal.SIG_IGN
    finally:
        signal.signal(number, before)


def test_an_error_after_a_signal_is_a_consequence_of_it():
    def swallow_and_fail():
        with suppress(StoppedBySignal):
            os.kill(os.getpid(), signal.SIGTERM)
        raise RecursionError("a module that was half imported")

    with pytest.raises(StoppedBySignal) as stop, RaisingSignals():
        swallow_and_fail()
    assert stop.value.code == 143
    with pytest.raises(RecursionError), RaisingSignals():
        raise RecursionError


def test_while_modules_are_imported_a_signal_ends_the_process():
    code = """
import os, signal
from qlit.runtime.interrupts import RaisingSignals
with RaisingSignals() as signals, signals.ending("qlit fit"):
    os.kill(os.getpid(), signal.SIGTERM)
"""
    path = {"PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=path, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stderr) == (143, "qlit fit: stopped by SIGTERM\n")


def test_a_second_signal_ends_a_process_that_is_slow_to_stop():
    code = """
import os, signal, time
from qlit.runtime.critical_section import defer_signals
from qlit.runtime.interrupts import RaisingSignals
with RaisingSignals(), defer_signals():
    os.kill(os.getpid(), signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGTERM)  # of the same press
    time.sleep(0.6)
    print("goes on", flush=True)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(60)
"""
    path = {"PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=path, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGTERM, "goes on\n", "")


@drops_an_exception
@pytest.mark.filterwarnings("ignore:.*treespec, LeafSpec.*:FutureWarning", "ignore::DeprecationWarning:mlflow")
@pytest.mark.parametrize("command", ["fit", "compare"])
def test_a_training_stops_also_where_the_exception_was_dropped(command, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    show = EpochProgress.on_train_epoch_start

    def shown(self, trainer, pl_module):
        show(self, trainer, pl_module)
        if trainer.current_epoch == 3:
            Finalised(signal.SIGINT)

    monkeypatch.setattr(EpochProgress, "on_train_epoch_start", shown)
    models = (
        [SMALL[1], "--config", f"{SMALL[1]} --model.lr 0.02", "--seeds", "1"] if command == "compare" else SMALL[1:2]
    )
    assert main([command, "--config", *models, *SMALL[2:], "--trainer.max_epochs", "50"]) == 130
    assert "stopped by SIGINT; " in capsys.readouterr().err
    (run,) = all_runs(tmp_path)
    assert run.info.status == "KILLED"
    assert set(history(tmp_path, run.info.run_id, "train/loss")) == set(range(3))
