"""Open one MLflow run, new or resumed."""

import math
import shutil
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from qlit.runtime.interrupts import seconds_since_stop
from qlit.runtime.retry import pause
from qlit.runtime.secrets import scrub
from qlit.tracking import mlflow_store, processes
from qlit.tracking.delivery import Outbox, deliver
from qlit.tracking.diverged import DIVERGED, EPOCH, NOTICE
from qlit.tracking.names import clean_tags, make_run_name, user
from qlit.tracking.records import Record

_PROBE_S = 2.0  # the most that one look at a dead server holds the training
_PAUSE_S = 2.0
SCRATCH = ".scratch-"
_RESERVE, _RESERVE_BYTES = ".reserve", 131072  # disk space for the last records of a run


@dataclass
class OpenRun:
    """A run that can be written to.

    Args:
        store: Where it is kept.
        client: The `MlflowClient` of that store.
        experiment_id: Its experiment.
        run_id: Its id.
        params: The parameters it has, which MLflow never changes.
        begun_with: The tags that it had when it was opened; None for a new run.
        reopening: What makes it a running one again, of a run that ended; sent before the first record, so that a
            resume that fails before it has anything to write leaves the run as it was.
        continues: The run that this new one continues, as the store does not have it or a new one was asked for.
        points: The values that a resumed run has, by metric and step.
    """

    store: mlflow_store.Store
    client: Any
    experiment_id: str
    run_id: str
    params: dict[str, str] = field(default_factory=dict)
    begun_with: dict[str, str] | None = None
    reopening: Record | None = None
    continues: str | None = None
    points: dict[tuple[str, int], list[float]] = field(default_factory=dict)
    _lock: FileLock | None = None

    def __post_init__(self) -> None:
        self.folder: Path = self.store.root / "runs" / self.run_id
        self._outbox = self._make_outbox("MLflow", "unsent")
        # Files may be kept elsewhere (S3, a size limit): what is wrong with them must not hold up the numbers.
        self._files = self._make_outbox("The artifact store of MLflow", "unsent_files")

    def _make_outbox(self, what: str, name: str) -> Outbox:
        return Outbox(
            self._send,
            folder=self.folder,
            answers=lambda: mlflow_store.answers(self.store, _PROBE_S),
            store_name=f"{what} at {scrub(self.store.uri)}",
            name=name,
        )

    @property
    def has_lost(self) -> bool:
        """Whether a record could neither be sent nor kept."""
        return self._outbox.has_lost or self._files.has_lost

    def take(self) -> None:
        """Let no other process train in this run, and remove what a killed one left in its folder.

        Raises:
            ValueError: If another process does.
        """
        lock = FileLock(self.folder / "lock", timeout=0)
        try:
            lock.acquire()
        except Timeout:
            raise ValueError(
                f"Another process is training in run {self.run_id}: wait for its end, or begin a new run with "
                "`--tracking.run_id null`."
            ) from None
        except (OSError, NotImplementedError):  # a file system without locks
            return
        self._lock = lock
        _clear(self.folder)
        with suppress(OSError):
            (self.folder / _RESERVE).write_bytes(bytes(_RESERVE_BYTES))

    def free_reserve(self) -> None:
        """Free the disk space that was set aside, so that a full disk takes the end of the run."""
        with suppress(OSError):
            (self.folder / _RESERVE).unlink(missing_ok=True)

    def release(self) -> None:
        """Let other processes train in this run."""
        self.free_reserve()
        if self._lock is not None:
            self._lock.release()

    def is_new(self, name: str, value: float, step: int) -> bool:
        """Whether the run of a resumed training lacks this point of a metric; MLflow would keep it twice."""
        if self.begun_with is None and self.continues is None:
            return True
        known = self.points.setdefault((name, step), [])
        if value in known or (math.isnan(value) and any(map(math.isnan, known))):
            return False
        known.append(value)
        return True

    def drop(self, name: str, error: Exception) -> None:
        """Say, once, that a picture is left out."""
        self._files.drop(name, error)

    def put(self, record: Record, *, optional: bool = False) -> None:
        """Send `record`, or keep it until MLflow is back; on a full disk an optional one is dropped."""
        if self.reopening is not None:
            reopening, self.reopening = self.reopening, None
            self._outbox.put(reopening)
        (self._files if record["kind"] == "file" else self._outbox).put(record, optional=optional)

    def settle(self, patience_s: float = 0.0) -> list[Path]:
        """Send what waits, trying for so many seconds. Returns the files in which something waits still."""
        deadline = time.monotonic() + patience_s
        while True:
            waiting = [outbox.file for outbox in (self._outbox, self._files) if not outbox.retry(now=True)]
            if not waiting or time.monotonic() >= deadline or seconds_since_stop() is not None:
                return waiting
            pause(min(_PAUSE_S, patience_s))

    def _send(self, record: Record) -> None:
        # A server that hangs would hold MLflow's own request for 20 s; this question costs 5 ms while it is well.
        if not mlflow_store.answers(self.store, _PROBE_S):
            raise ConnectionError("it does not answer")
        deliver(self.client, self.run_id, record)


def open_run(
    *,
    experiment: str,
    run_name: str | None,
    tracking_uri: str | None,
    tags: dict[str, str],
    run_id: str | None,
    continues: str | None = None,
    tried_ms: int | None = None,
) -> OpenRun:
    """Open the store, its experiment and the run; mark runs as KILLED whose process on this host is gone.

    Args: as of `MLflowTracker`; and
        continues: The run that a checkpoint belongs to. It is reopened if it is `run_id` and the store has it;
            otherwise a new run names it in its tag `continues.run_id`.
        tried_ms: When this process tried the same in vain, in ms since 1970. The run that MLflow may have made then,
            without being able to say so, is taken.
    Raises: as `MLflowTracker.start`.
    """
    store = mlflow_store.locate(tracking_uri)
    tags = {**tags, **processes.process_tags()}
    try:
        with mlflow_store.creation_lock(store):
            client = mlflow_store.connect(store)
            if run_id is not None and run_id == continues and not mlflow_store.has_run(client, run_id):
                run_id = None
            if run_id:
                experiment_id = mlflow_store.experiment_of_run(client, run_id, experiment)
            else:
                experiment_id = mlflow_store.open_experiment(client, store, experiment)
        reap(store, client, experiment_id)
        if run_id:
            return _resumed(_taken(OpenRun(store, client, experiment_id, run_id)), tags)
        if tried_ms is not None and (made := _made_since(client, experiment_id, run_name, tried_ms)):
            return _taken(OpenRun(store, client, experiment_id, made, continues=continues))
        if continues:
            tags["continues.run_id"] = continues
        tags |= {"mlflow.source.type": "LOCAL", "mlflow.user": user()}
        tags["mlflow.source.name"] = Path(sys.argv[0]).name or "python"
        run = client.create_run(experiment_id, tags=clean_tags(tags), run_name=run_name or make_run_name())
        return _taken(OpenRun(store, client, experiment_id, str(run.info.run_id), continues=continues))
    except (ConnectionError, ValueError):
        raise
    except Exception as error:  # of MLflow, its HTTP library or its database driver
        raise RuntimeError(
            f"MLflow at {scrub(store.uri)} cannot open a run in experiment {experiment!r}: {scrub(str(error))}"
        ) from error


def _taken(run: OpenRun) -> OpenRun:
    run.take()
    return run


def _resumed(run: OpenRun, tags: dict[str, str]) -> OpenRun:
    run.settle()  # what an earlier process could not send, its status included
    data = run.client.get_run(run.run_id).data
    run.params, run.begun_with = dict(data.params), dict(data.tags)
    for name in data.metrics:
        for point in run.client.get_metric_history(run.run_id, name):
            run.points.setdefault((name, point.step), []).append(point.value)
    ended = ["error", DIVERGED, EPOCH, NOTICE]  # how it ended before
    run.reopening = {"kind": "reopen", "values": clean_tags(tags), "remove": ended}
    return run


def _made_since(client: Any, experiment_id: str, run_name: str | None, since_ms: int) -> str | None:
    mine = processes.process_tags()
    named = f" AND attributes.run_name = '{run_name}'" if run_name and "'" not in run_name else ""
    runs = client.search_runs(
        [experiment_id],
        filter_string=f"attributes.status = 'RUNNING' AND attributes.start_time >= {since_ms} "
        f"AND tags.`qlit.pid` = '{mine['qlit.pid']}'{named}",
    )
    own = (run for run in runs if mine.items() <= run.data.tags.items())
    return next((str(run.info.run_id) for run in own), None)


def reap(store: mlflow_store.Store, client: Any, experiment_id: str) -> list[str]:
    """Bring the runs of an experiment to an end whose process on this host is gone; the ids of those it makes KILLED.

    What such a process could not send, maybe its run's end, waits in the run's folder, and is sent first.
    """
    for folder in {path.parent for path in store.root.glob("runs/*/unsent*.jsonl")}:
        _send_what_waits(store, client, experiment_id, folder.name)
    reaped = processes.reap(client, experiment_id)
    for run_id in reaped:
        _clear(store.root / "runs" / run_id)
    return reaped


def _clear(folder: Path) -> None:
    """Remove the temporary files of a process that was killed from the folder of its run."""
    for left in folder.glob(f"{SCRATCH}*"):
        shutil.rmtree(left, ignore_errors=True)
    with suppress(OSError):
        (folder / _RESERVE).unlink(missing_ok=True)


def _send_what_waits(store: mlflow_store.Store, client: Any, experiment_id: str, run_id: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        # Of several that look at once one sends; the others need not wait for it.
        with FileLock(store.root / "unsent.lock", timeout=0):
            run = client.get_run(run_id)
            if run.info.experiment_id == experiment_id and processes.process_is_gone(run.data.tags):
                _clear(store.root / "runs" / run_id)
                OpenRun(store, client, experiment_id, run_id).settle()
    except (Timeout, MlflowException):  # a run of another store, or deleted
        return
