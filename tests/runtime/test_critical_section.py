"""Signals that come while something must not be broken off."""

import threading

import pytest
from interrupting import interrupt, raising_signal

from qlit.runtime.critical_section import defer_signals


@pytest.fixture(autouse=True)
def raising():
    with raising_signal():
        yield


def test_a_signal_waits_for_the_end_of_what_is_undivided():
    done = []

    @defer_signals()
    def inner():
        interrupt()
        done.append("inner")

    @defer_signals()
    def outer():
        inner()
        done.append("outer")

    with pytest.raises(KeyboardInterrupt):
        outer()
    assert done == ["inner", "outer"]
    defer_signals()(done.clear)()  # it was raised once


def test_a_second_signal_is_not_held_up():
    @defer_signals()
    def work():
        interrupt()
        interrupt()
        pytest.fail("still held up")

    with pytest.raises(KeyboardInterrupt):
        work()
    defer_signals()(list)()


def test_a_failure_does_not_hide_the_signal():
    @defer_signals()
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
        with defer_signals():
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
