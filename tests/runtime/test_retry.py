"""Outages: told from other errors, waited for, and named when they last."""

import errno
import os
import signal
import sqlite3
import time

import pytest
import requests
import sqlalchemy.exc
from mlflow.exceptions import MlflowException, RestException

from qlit.runtime import retry
from qlit.runtime.critical_section import defer_signals
from qlit.runtime.interrupts import RaisingSignals, StoppedBySignal, seconds_since_stop
from qlit.runtime.retry import (
    OutageError,
    is_full_disk,
    is_outage,
    no_retries,
    retry_during_outage,
    retry_while_disk_is_full,
)

FULL = OSError(errno.ENOSPC, "No space left on device")


def caused(error, by):
    error.__cause__ = by
    return error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ConnectionRefusedError(), True),
        (FULL, True),
        (caused(ValueError("cannot be written"), FULL), True),
        (requests.ConnectionError("refused"), True),
        (requests.ReadTimeout(), True),
        (caused(RuntimeError("cannot open a run"), requests.ConnectionError("refused")), True),
        (sqlite3.OperationalError("database or disk is full"), True),
        (sqlalchemy.exc.OperationalError("SELECT 1", {}, Exception("gone")), True),
        (MlflowException("API request to endpoint /x failed with error code 503 != 200."), True),
        (RestException({"error_code": "TEMPORARILY_UNAVAILABLE", "message": "database is away"}), True),
        (OutageError("away"), True),
        (MlflowException("API request to endpoint /x failed with error code 404 != 200."), False),
        (RestException({"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no run"}), False),
        (MlflowException("our own mistake"), False),
        (requests.HTTPError("404"), False),
        (FileNotFoundError(errno.ENOENT, "no such file"), False),
        (PermissionError(errno.EACCES, "not allowed"), False),
        (ValueError("wrong"), False),
    ],
    ids=repr,
)
def test_outages_are_told_from_other_errors(error, expected):
    assert is_outage(error) is expected


def raise_anew():
    try:
        raise ConnectionError
    except ConnectionError:
        raise ValueError("wrong") from None


def test_what_was_dealt_with_before_is_no_cause():
    with pytest.raises(ValueError, match="wrong") as caught:
        raise_anew()
    assert not is_outage(caught.value)


def calls(*results):
    """A call that raises or returns these, one after the other."""
    left = iter(results)

    def call():
        result = next(left)
        if isinstance(result, Exception):
            raise result
        return result

    return call


def test_an_outage_is_waited_for_and_told_once(capsys):
    assert (
        retry_during_outage(calls(*[ConnectionError("refused")] * 3, 7), what="The store is away", pause_s=0.001) == 7
    )
    assert capsys.readouterr().err == (
        "qlit: The store is away (ConnectionError: refused). It is tried again for 180 s.\n"
    )


def test_an_outage_that_lasts_is_named_with_its_cause(capsys):
    error = caused(RuntimeError("cannot open a run"), ConnectionError("http://me:secret@x refused"))
    with pytest.raises(
        OutageError, match=r"^The store is away, for 0 s by now \(ConnectionError: http://\*\*\*@x refused\)"
    ):
        retry_during_outage(calls(*[error] * 100), what="The store is away", retry_s=0.05, pause_s=0.01)
    assert "secret" not in capsys.readouterr().err


def test_other_errors_are_raised_at_once():
    with pytest.raises(ValueError, match="wrong"):
        retry_during_outage(calls(ValueError("wrong"), 7), what="x")
    with pytest.raises(OutageError, match="inner"):  # waited for in vain already
        retry_during_outage(calls(OutageError("inner"), 7), what="x")


def test_a_full_disk_is_waited_for_once(monkeypatch, capsys):
    monkeypatch.setattr(retry, "RETRY_S", 0.5)
    assert is_full_disk(caused(RuntimeError("torch"), FULL))
    with pytest.raises(ConnectionError):
        retry_while_disk_is_full(calls(ConnectionError()))
    for _ in range(2):
        with pytest.raises(OutageError, match=r"The disk is full, for \d s by now"):
            retry_while_disk_is_full(calls(*[FULL] * 100))
    assert capsys.readouterr().err.count("It is tried again") == 1
    assert retry_while_disk_is_full(calls(7)) == 7  # as small files still can on a disk that is nearly full
    with pytest.raises(OutageError, match="for 0 s"):
        retry_while_disk_is_full(calls(FULL, 8))
    monkeypatch.setattr(retry, "_FULL_AGAIN_S", 0.0)
    assert retry_while_disk_is_full(calls(FULL, 8)) == 8
    monkeypatch.setattr(retry, "_FULL_AGAIN_S", 600.0)
    assert retry_while_disk_is_full(calls(FULL, 9)) == 9  # space came back


def test_a_signal_ends_the_waiting_also_where_its_exception_waits(monkeypatch):
    monkeypatch.setattr(retry, "_RETRY_AFTER_STOP_S", 0.3)

    def full_and_stopped():
        if seconds_since_stop() is None:
            os.kill(os.getpid(), signal.SIGTERM)
        raise FULL

    begun = time.monotonic()
    with RaisingSignals():
        with pytest.raises(StoppedBySignal) as stop, defer_signals():
            retry_while_disk_is_full(full_and_stopped)
        with pytest.raises(OutageError):  # what comes after it does not wait either
            retry_during_outage(calls(*[ConnectionError()] * 100), what="The store is away")
    assert isinstance(stop.value.__context__, OutageError)
    assert time.monotonic() - begun < 3


def test_where_an_end_is_wanted_nothing_is_waited_for(capsys):
    with no_retries(), pytest.raises(OutageError, match="The store is away, for 0 s by now"):
        retry_during_outage(calls(ConnectionError(), 7), what="The store is away", retry_s=60.0)
    assert capsys.readouterr().err == ""
    assert retry_during_outage(calls(ConnectionError(), 7), what="The store is away", pause_s=0.001) == 7
