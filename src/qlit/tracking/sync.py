"""Send the log of a run to MLflow, during the run and after an outage."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from qlit.runtime.retry import cause_of, first_line, is_full_disk, say
from qlit.runtime.secrets import scrub
from qlit.tracking import mlflow_store, processes
from qlit.tracking.records import DAMAGED, Record
from qlit.tracking.run_log import Lane, RunLog

_PROBE_S = 2.0  # the most that one look at a dead server holds the training
_RETRY_S, _RETRY_MAX_S = 30.0, 300.0
_REFUSALS = frozenset({"INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST", "RESOURCE_ALREADY_EXISTS"})
_HTTP_REFUSALS = frozenset({400, 413, 422})  # a gateway takes no files of this size, mostly


class RefusedError(Exception):
    """The store is there and will never take this record."""


@dataclass
class _Attempts:
    """Attempts to send one lane of a log."""

    store_name: str
    next_s: float = 0.0
    wait_s: float = _RETRY_S
    is_away: bool = False

    def postpone(self) -> None:
        self.next_s = time.monotonic() + self.wait_s
        self.wait_s = min(2 * self.wait_s, _RETRY_MAX_S)


class LogSync:
    """Sends the log of one run to MLflow, in order; never raises what MLflow raises.

    After a failure a new attempt is made at most every 30 s (the wait doubles up to 300 s). An event that may have
    arrived is sent again: MLflow keeps equal metrics, parameters, tags and files once, so nothing is doubled.

    Args:
        log: The log, taken by this process.
        deliver: Sends one record, whose path is absolute; raises `RefusedError` if that is hopeless, anything else if
            it may succeed later.
        answers: Quick check whether the store is up, made before every attempt: a server that hangs would hold
            MLflow's own request for 20 s; the question costs 5 ms while it is well.
        store_name: The store in messages, without credentials.
        tells_outages: Whether to say when an outage begins and ends.
    """

    def __init__(
        self,
        log: RunLog,
        deliver: Callable[[Record], None],
        *,
        answers: Callable[[], bool],
        store_name: str,
        tells_outages: bool = True,
    ) -> None:
        self._log, self._deliver, self._answers, self._tells = log, deliver, answers, tells_outages
        self.reason = ""
        """Why the last attempt failed that did."""
        self._attempts = {
            Lane.RECORDS: _Attempts(f"MLflow at {store_name}"),
            Lane.FILES: _Attempts(f"The artifact store of MLflow at {store_name}"),
        }
        self._told_refusal = self._told_dropped = False

    def sync(self, *, now: bool = False) -> bool:
        """Send what MLflow lacks if it is time to try, or at once if `now`; whether it has everything."""
        done = [self._sync(lane, now=now) for lane in Lane]
        return all(done)

    def _sync(self, lane: Lane, *, now: bool) -> bool:
        attempts = self._attempts[lane]
        if not self._log.waits(lane):
            return True
        if not now and time.monotonic() < attempts.next_s:
            return False
        try:
            self._send_all(lane)
        except Exception as error:
            attempts.postpone()
            self.reason = cause_of(error)
            if self._tells and not attempts.is_away:
                attempts.is_away = True
                say(
                    f"{attempts.store_name} cannot be written to ({self.reason}). The training goes on; what it "
                    f"logs waits in {self._log.file} and is sent when MLflow is back."
                )
            return False
        attempts.wait_s = _RETRY_S
        if attempts.is_away:
            attempts.is_away = False
            say(f"{attempts.store_name} has all that waited for it.")
        return True

    def _send_all(self, lane: Lane) -> None:
        if not self._answers():
            raise ConnectionError("it does not answer")
        for record, end in self._log.waiting(lane):
            self._send(record)
            self._log.mark(lane, end)
            self._log.discard(record)
        if self._log.waits(lane):  # for lines that are no events of this lane
            self._log.mark(lane)

    def _send(self, record: Record) -> None:
        if record["kind"] == DAMAGED:
            rejected = self._log.reject(record, "")
            say(f"{self._log.file} has a line that is cut off or damaged; it is copied to {rejected}.")
            return
        try:
            is_file = record["kind"] == "file"
            self._deliver({**record, "path": str(self._log.path_of(record))} if is_file else record)
        except RefusedError as error:
            rejected = self._log.reject(record, str(error))
            if not self._told_refusal:
                self._told_refusal = True
                name = self._attempts[Lane.RECORDS].store_name
                say(f"{name} refused a record ({error}). What it refuses is kept in {rejected}.")
        except Exception as error:
            if not (record.get("optional") and is_full_disk(error)):
                raise
            self.drop(record["name"], error)

    def drop(self, name: str, error: Exception) -> None:
        """Say, once, that a picture is left out."""
        if not self._told_dropped:
            self._told_dropped = True
            say(f"{name} and further pictures that find the disk full are left out ({cause_of(error)}).")


def sync_of(store: mlflow_store.Store, client: Any, run_id: str, log: RunLog, *, tells_outages: bool = True) -> LogSync:
    """The sync of a run's log with its store."""
    return LogSync(
        log,
        lambda record: deliver(client, run_id, record),
        answers=lambda: mlflow_store.answers(store, _PROBE_S),
        store_name=scrub(store.uri),
        tells_outages=tells_outages,
    )


@dataclass(frozen=True)
class Synced:
    """What became of a log of which something waited.

    Args:
        run_id: The run.
        state: `sent` if MLflow has everything; `waits` if it lacks something; `running` if a process of this machine
            writes and sends it; `unknown` if the store does not have the run, or it was deleted.
        log: The file.
        num_sent: How many events were sent.
        reason: Why something waits.
    """

    run_id: str
    state: Literal["sent", "waits", "running", "unknown"]
    log: Path
    num_sent: int = 0
    reason: str = ""


def sync_left(
    store: mlflow_store.Store, client: Any, experiment_id: str | None = None, *, only_of_dead: bool = False
) -> Iterator[Synced]:
    """Send what other processes could not send, maybe the ends of their runs.

    Args:
        store: Whose local folder is looked through.
        client: Its `MlflowClient`; None if there is no such store.
        experiment_id: The experiment whose runs are meant; None for all.
        only_of_dead: Whether to leave alone the runs of processes of which it is not known that they have ended.
    """
    for folder in RunLog.waiting_folders(store.root):
        run_id, log = folder.name, RunLog(folder)
        run = None if client is None else mlflow_store.active_run(client, run_id)
        if run is None:
            yield Synced(run_id, "unknown", log.file)
            continue
        if experiment_id not in (None, run.info.experiment_id):
            continue
        is_gone = processes.process_is_gone(run.data.tags)
        # Of several that look at once one sends; the others need not wait for it.
        is_alive = not is_gone and (only_of_dead or processes.is_here(run.data.tags))
        if is_alive or not log.take():
            yield Synced(run_id, "running", log.file)
            continue
        try:
            num_waiting = log.num_waiting()
            mirror = sync_of(store, client, run_id, log, tells_outages=False)
            mirror.sync(now=True)
            state: Literal["sent", "waits"] = "sent" if log.finish() else "waits"
            yield Synced(run_id, state, log.file, num_waiting - log.num_waiting(), mirror.reason)
        finally:
            log.release()


def deliver(client: Any, run_id: str, record: Record) -> None:
    """Write one record into an MLflow run.

    Args:
        client: An `MlflowClient`.
        run_id: The run.
        record: By its `kind`: metrics (`values`: rows as in `metrics_record`), params and tags (`values`: name to
            text), file (`path` local, `folder` among the artifacts), reopen (`values`: tags by name, `remove`: names of
            tags), status (`status`, `end_time` in ms).
    Raises:
        RefusedError: If MLflow will never take it, or its file is gone.
        Exception: What else MLflow, its HTTP library or its database raise.
    """
    from mlflow.exceptions import MlflowException

    try:
        _write(client, run_id, record)
    except FileNotFoundError as error:
        raise RefusedError(first_line(error)) from error
    except MlflowException as error:
        # Without JSON it was a gateway that spoke, whose 404 only says that MLflow is away.
        if error.error_code in _REFUSALS and "failed with error code" not in str(error):
            raise RefusedError(first_line(error)) from error
        raise
    except OSError as error:  # so are the HTTP errors of uploads
        status = getattr(getattr(error, "response", None), "status_code", 0)
        if status in _HTTP_REFUSALS:
            raise RefusedError(first_line(error)) from error
        raise


def _write(client: Any, run_id: str, record: Record) -> None:
    from mlflow.entities import Metric, Param, RunTag

    match record["kind"]:
        case "metrics":
            client.log_batch(run_id, metrics=[Metric(k, float(v), when, step) for k, v, when, step in record["values"]])
        case "params":
            client.log_batch(run_id, params=[Param(k, v) for k, v in record["values"].items()])
        case "tags":
            client.log_batch(run_id, tags=[RunTag(k, v) for k, v in record["values"].items()])
        case "file":
            client.log_artifact(run_id, record["path"], record["folder"] or None)
        case "reopen":
            client.update_run(run_id, status="RUNNING")
            for key in client.get_run(run_id).data.tags.keys() & set(record["remove"]):
                client.delete_tag(run_id, key)
            client.log_batch(run_id, tags=[RunTag(k, v) for k, v in record["values"].items()])
        case "status":
            client.set_terminated(run_id, record["status"], record["end_time"])
        case kind:
            raise AssertionError(kind)
