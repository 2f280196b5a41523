"""Open one MLflow run, new or resumed."""

import math
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qlit.runtime.secrets import scrub
from qlit.tracking import mlflow_store, processes
from qlit.tracking.diverged import DIVERGED, EPOCH, NOTICE
from qlit.tracking.names import clean_tags, make_run_name, user
from qlit.tracking.records import Record
from qlit.tracking.run_log import RunLog
from qlit.tracking.sync import LogSync, sync_left, sync_of

_SENDING_S = 3.0  # in which another process has sent what waited of a run, mostly
_KEY = "qlit.key"  # tag by which a run is found again whose creation was not answered


@dataclass
class OpenRun:
    """A run that is open, and what it had before.

    Args:
        store: Where it is kept.
        client: The `MlflowClient` of that store.
        experiment_id: Its experiment.
        run_id: Its id.
        log: Its log, taken by this process.
        continues: The run that this new one continues, as the store does not have it or a new one was asked for.
        params: The parameters it has, which MLflow never changes.
        begun_with: The tags that it had when it was opened; None for a new run.
        reopening: Makes a run that ended a running one again; logged before anything else, so that a resume that fails
            before it has anything to log leaves the run as it was.
        points: The values that a resumed run has, by metric and step.
    """

    store: mlflow_store.Store
    client: Any
    experiment_id: str
    run_id: str
    log: RunLog
    continues: str | None = None
    params: dict[str, str] = field(default_factory=dict)
    begun_with: dict[str, str] | None = None
    reopening: Record | None = None
    points: dict[tuple[str, int], list[float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.mirror: LogSync = sync_of(self.store, self.client, self.run_id, self.log)

    def is_new(self, name: str, value: float, step: int) -> bool:
        """Whether the run of a resumed training lacks this point of a metric; MLflow would keep it twice."""
        if self.begun_with is None and self.continues is None:
            return True
        known = self.points.setdefault((name, step), [])
        if value in known or (math.isnan(value) and any(map(math.isnan, known))):
            return False
        known.append(value)
        return True


def open_run(
    *,
    experiment: str,
    run_name: str | None,
    tracking_uri: str | None,
    tags: dict[str, str],
    run_id: str | None,
    key: str,
    is_retry: bool,
    continues: str | None = None,
) -> OpenRun:
    """Open the store, its experiment and the run; mark runs as KILLED whose process on this host is gone.

    Args: as of `MLflowTracker`; and
        key: Something that no other run has.
        is_retry: Whether this process tried the same before, without an answer. The run with that key is taken, which
            MLflow may have made then.
        continues: The run that a checkpoint belongs to. It is reopened if it is `run_id` and the store has it;
            otherwise a new run names it in its tag `continues.run_id`.
    Raises: as `MLflowTracker.start`.
    """
    store = mlflow_store.locate(tracking_uri)
    tags = {**tags, **processes.process_tags()}
    try:
        with mlflow_store.creation_lock(store):
            client = mlflow_store.connect(store)
            if run_id is not None and run_id == continues and mlflow_store.find_run(client, run_id) is None:
                run_id = None
            if run_id:
                experiment_id = mlflow_store.experiment_of_run(client, run_id, experiment)
            else:
                experiment_id = mlflow_store.open_experiment(client, store, experiment)
        reap(store, client, experiment_id)
        if run_id:
            return _resumed(OpenRun(store, client, experiment_id, run_id, _taken(store, run_id)), tags)
        made = client.search_runs([experiment_id], f"tags.`{_KEY}` = '{key}'") if is_retry else []
        if made:
            run = made[0]
        else:
            tags |= {"continues.run_id": continues} if continues else {}
            tags |= {_KEY: key, "mlflow.source.type": "LOCAL", "mlflow.user": user()}
            tags["mlflow.source.name"] = Path(sys.argv[0]).name or "python"
            run = client.create_run(experiment_id, tags=clean_tags(tags), run_name=run_name or make_run_name())
        run_id = str(run.info.run_id)
        return OpenRun(store, client, experiment_id, run_id, _taken(store, run_id), continues)
    except (ConnectionError, ValueError):
        raise
    except Exception as error:  # of MLflow, its HTTP library or its database driver
        raise RuntimeError(
            f"MLflow at {scrub(store.uri)} cannot open a run in experiment {experiment!r}: {scrub(str(error))}"
        ) from error


def _taken(store: mlflow_store.Store, run_id: str) -> RunLog:
    log = RunLog(store.root / "runs" / run_id)
    if not log.take(_SENDING_S):
        raise ValueError(
            f"Another process is training in run {run_id}: wait for its end, or begin a new run with "
            "`--tracking.run_id null`."
        )
    log.set_reserve()
    return log


def _resumed(run: OpenRun, tags: dict[str, str]) -> OpenRun:
    run.mirror.sync(now=True)  # what an earlier process could not send, its status included
    data = run.client.get_run(run.run_id).data
    run.params, run.begun_with = dict(data.params), dict(data.tags)
    for name in data.metrics:
        _add(run, ((name, point.value, point.step) for point in run.client.get_metric_history(run.run_id, name)))
    _add(run, ((name, value, step) for name, value, _, step in run.log.points()))  # MLflow may lack some still
    ended = ["error", DIVERGED, EPOCH, NOTICE]  # how it ended before
    run.reopening = {"kind": "reopen", "values": clean_tags(tags), "remove": ended}
    return run


def _add(run: OpenRun, points: Iterable[tuple[str, float, int]]) -> None:
    for name, value, step in points:
        run.points.setdefault((name, step), []).append(value)


def reap(store: mlflow_store.Store, client: Any, experiment_id: str) -> list[str]:
    """Bring the runs of an experiment to an end whose process on this host is gone; the ids of those it makes KILLED.

    What such a process could not send, maybe its run's end, is sent first.
    """
    for _ in sync_left(store, client, experiment_id, only_of_dead=True):
        pass
    reaped = processes.reap(client, experiment_id)
    for run_id in reaped:
        RunLog(store.root / "runs" / run_id).clear()
    return reaped
