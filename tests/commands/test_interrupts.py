"""Signals: raised inside a training, remembered outside, and given back at the end."""

import os
import signal

import pytest

from qlit.commands.interrupts import Interrupts, StoppedBySignal


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
