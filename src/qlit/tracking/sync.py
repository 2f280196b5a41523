"""Send the log of a run to MLflow, during the run and after an outage."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from qlit.runtime.retry import cause_of, is_full_disk, say
from qlit.runtime.secrets import scrub
from qlit.tracking import connection
from qlit.tracking.delivery import RefusedError, deliver
from qlit.tracking.mlflow_store import Store
from qlit.tracking.records import DAMAGED, Record
from qlit.tracking.run_log import Lane, RunLog

_PROBE_S = 2.0  # the longest time that one check of a dead server delays the training
_RETRY_S, _RETRY_MAX_S = 30.0, 300.0


@dataclass
class _Attempts:
    """Attempts to send one lane of a log."""

    receiver: str
    next_s: float = 0.0
    wait_s: float = _RETRY_S
    is_failing: bool = False

    def postpone(self) -> None:
        self.next_s = time.monotonic() + self.wait_s
        self.wait_s = min(2 * self.wait_s, _RETRY_MAX_S)


class LogSync:
    """Sends the log of one run to MLflow, in order; never raises the errors of MLflow.

    After a failure it tries again after 30 s at the earliest; the wait doubles up to 300 s. An event that may have
    arrived is sent again: MLflow keeps equal metrics, parameters, tags and files once, so nothing is doubled.

    Args:
        log: The log, taken by this process.
        deliver: Sends one record, whose path is absolute; raises `RefusedError` if that can never succeed, any other
            exception if it may succeed later.
        answers: Quick check whether the store is reachable, made before every attempt: a server that hangs would block
            MLflow's own request for 20 s, while the check takes 5 ms if the server is well.
        store_name: Name of the store in messages, without credentials.
        reports_outages: Whether to print a line when an outage begins and ends.
    """

    def __init__(
        self,
        log: RunLog,
        deliver: Callable[[Record], None],
        *,
        answers: Callable[[], bool],
        store_name: str,
        reports_outages: bool = True,
    ) -> None:
        self._log, self._deliver, self._answers, self._reports = log, deliver, answers, reports_outages
        self.reason = ""
        """Why the last failed attempt failed."""
        self._attempts = {
            Lane.RECORDS: _Attempts(f"MLflow at {store_name}"),
            Lane.FILES: _Attempts(f"The artifact store of MLflow at {store_name}"),
        }
        self._has_reported_refusal = self._has_reported_figure = False

    def sync(self, *, now: bool = False) -> bool:
        """Send what MLflow lacks if an attempt is due, or at once if `now`; whether MLflow has everything."""
        done = [self._sync(lane, now=now) for lane in Lane]
        return all(done)

    def _sync(self, lane: Lane, *, now: bool) -> bool:
        attempts = self._attempts[lane]
        if not self._log.has_waiting(lane):
            return True
        if not now and time.monotonic() < attempts.next_s:
            return False
        try:
            self._send_all(lane)
        except Exception as error:
            attempts.postpone()
            self.reason = cause_of(error)
            if self._reports and not attempts.is_failing:
                attempts.is_failing = True
                say(
                    f"{attempts.receiver} cannot be written to ({self.reason}). The training continues; its log waits "
                    f"in {self._log.file} and is sent when MLflow is back."
                )
            return False
        attempts.wait_s = _RETRY_S
        if attempts.is_failing:
            attempts.is_failing = False
            say(f"{attempts.receiver} is back and has the whole log.")
        return True

    def _send_all(self, lane: Lane) -> None:
        if not self._answers():
            raise ConnectionError("it does not answer")
        for record, end in self._log.waiting(lane):
            self._send(record)
            self._log.mark(lane, end)
            if record["kind"] == "file":
                self._log.files.remove(record)
        if self._log.has_waiting(lane):  # the rest are lines without an event of this lane
            self._log.mark(lane)

    def _send(self, record: Record) -> None:
        if record["kind"] == DAMAGED:
            rejected = self._log.reject(record)
            say(f"{self._log.file} has a line that is cut off or damaged; it is copied to {rejected}.")
            return
        try:
            is_file = record["kind"] == "file"
            self._deliver({**record, "path": str(self._log.files.path_of(record))} if is_file else record)
        except RefusedError as error:
            rejected = self._log.reject(record, str(error))
            if not self._has_reported_refusal:
                self._has_reported_refusal = True
                receiver = self._attempts[Lane.RECORDS].receiver
                say(f"{receiver} refused a record ({error}). Refused records are kept in {rejected}.")
        except Exception as error:
            if not (record.get("optional") and is_full_disk(error)):
                raise
            self.report_left_out(record["name"], error)

    def report_left_out(self, name: str, error: Exception) -> None:
        """Say, once, that a figure is left out because the disk is full."""
        if not self._has_reported_figure:
            self._has_reported_figure = True
            say(f"{name} and further figures are left out while the disk is full ({cause_of(error)}).")


def sync_of(store: Store, client: Any, run_id: str, log: RunLog, *, reports_outages: bool = True) -> LogSync:
    """The sync of a run's log with its store."""
    return LogSync(
        log,
        lambda record: deliver(client, run_id, record),
        answers=lambda: connection.answers(store, _PROBE_S),
        store_name=scrub(store.uri),
        reports_outages=reports_outages,
    )
