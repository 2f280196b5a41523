"""Locks between processes: held, waited for, and given up after a signal."""

import time

import pytest
from filelock import FileLock

from qlit.runtime import file_lock as module
from qlit.runtime import retry
from qlit.runtime.file_lock import file_lock


def test_a_lock_is_held_and_released_also_after_an_error(tmp_path):
    path = tmp_path / "a.lock"

    def fail():
        with file_lock(path):
            assert not _is_free(path)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert _is_free(path)


def test_a_lock_that_stays_held_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_TIMEOUT_S", 0.1)
    path = tmp_path / "a.lock"
    with FileLock(path), pytest.raises(TimeoutError, match=f"Another process holds {path}"), file_lock(path):
        raise AssertionError


def test_a_process_that_was_asked_to_stop_does_not_wait(tmp_path, monkeypatch):
    monkeypatch.setattr(retry, "seconds_since_stop", lambda: 6.0)
    path, begun = tmp_path / "a.lock", time.monotonic()
    with FileLock(path), pytest.raises(TimeoutError), file_lock(path):
        raise AssertionError
    assert time.monotonic() - begun < 5


def _is_free(path):
    lock = FileLock(path, timeout=0)
    try:
        lock.acquire()
    except TimeoutError:
        return False
    lock.release()
    return True
