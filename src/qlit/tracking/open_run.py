"""Open an MLflow run, new or resumed."""

import math
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qlit.runtime.secrets import scrub
from qlit.tracking import connection, processes
from qlit.tracking.diverged import DIVERGED, EPOCH, NOTICE
from qlit.tracking.experiments import experiment_of_run, find_run, open_experiment
from qlit.tracking.left_over import sync_left
from qlit.tracking.mlflow_store import Store, locate
from qlit.tracking.names import clean_tags, make_run_name, user
from qlit.tracking.records import Record
from qlit.tracking.run_log import RunLog
from qlit.tracking.sync import LogSync, sync_of

_SENDING_S = 3.0  # usually enough for another process that sends the rest of a run's log
_KEY = "qlit.key"  # tag that finds a run again if the answer to its creation was lost


@dataclass
class OpenRun:
    """An open run, with the state that it had when it was opened.

    Args:
        store: Store of the run.
        client: The `MlflowClient` of that store.
        experiment_id: Id of its experiment.
        run_id: Id of the run.
        log: Its log, taken by this process.
        continues: Id of the run that this new one continues because the store lacks it or the user wants a new one.
        params: Its parameters, which MLflow never changes.
        begun_with: Its tags when it was opened; None for a new run.
        reopening: Event that sets an ended run to RUNNING. It is logged before the first other event, so that a resume
            that fails earlier leaves the run as it was.
        points: Values of a resumed run, by metric and step.
    """

    store: Store
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
        self.sync: LogSync = sync_of(self.store, self.client, self.run_id, self.log)

    def append(self, record: Record) -> None:
        """Write an event to the log; the first one reopens a resumed run."""
        if self.reopening is not None:
            self.log.append(self.reopening)
            self.reopening = None
        self.log.append(record)

    def is_new(self, name: str, value: float, step: int) -> bool:
        """Whether a resumed run lacks this point of a metric, which MLflow would store twice."""
        if self.begun_with is None and self.continues is None:
            return True
        known = self.points.setdefault((name, step), [])
        if value in known or (math.isnan(value) and any(map(math.isnan, known))):
            return False
        known.append(value)
        return True

    def add_params(self, params: dict[str, str]) -> dict[str, str]:
        """Register parameters; those that the run did not have."""
        new = {key: value for key, value in params.items() if key not in self.params}
        self.params.update(new)
        return new

    def changed_params(self, params: dict[str, str]) -> dict[str, str]:
        """Tags `resumed.<name>` for parameters of a resumed run that have another value now."""
        # A parameter may have changed in an earlier resume, and now have its first value again.
        before = self.begun_with or {}
        return {
            f"resumed.{key}": value
            for key, value in params.items()
            if before.get(f"resumed.{key}", self.params.get(key, value)) != value
        }

    def lasting_tags(self, tags: dict[str, str]) -> dict[str, str]:
        """Tags that a new run keeps from its beginning; for a resumed run `resumed.<name>` for those that differ."""
        if self.begun_with is None:
            return tags
        return {f"resumed.{key}": value for key, value in tags.items() if self.begun_with.get(key) != value}


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
    """Open the store, its experiment and the run; set runs to KILLED whose process on this host has ended.

    Args: as of `MLflowTracker`; and
        key: Text that no other run has.
        is_retry: Whether this process tried the same before, without an answer. MLflow may have created the run then,
            which is found by its key.
        continues: Run of the checkpoint that is resumed. It is reopened if it is `run_id` and the store has it;
            otherwise a new run names it in its tag `continues.run_id`.
    Raises: as `MLflowTracker.start`.
    """
    store = locate(tracking_uri)
    tags = {**tags, **processes.process_tags()}
    try:
        with store.creation_lock():
            client = connection.connect(store)
            if run_id is not None and run_id == continues and find_run(client, run_id) is None:
                run_id = None
            if run_id:
                experiment_id = experiment_of_run(client, run_id, experiment)
            else:
                experiment_id = open_experiment(client, store, experiment)
        reap(store, client, experiment_id)
        if run_id:
            return _resumed(OpenRun(store, client, experiment_id, run_id, _taken(store, run_id)), tags)
        created = client.search_runs([experiment_id], f"tags.`{_KEY}` = '{key}'") if is_retry else []
        if created:
            run = created[0]
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


def _taken(store: Store, run_id: str) -> RunLog:
    log = RunLog(store.root / "runs" / run_id)
    if not log.take(_SENDING_S):
        raise ValueError(
            f"Another process is training in run {run_id}: wait for its end, or begin a new run with "
            "`--tracking.run_id null`."
        )
    log.set_reserve()
    return log


def _resumed(run: OpenRun, tags: dict[str, str]) -> OpenRun:
    run.sync.sync(now=True)  # events that an earlier process could not send, with its status
    data = run.client.get_run(run.run_id).data
    run.params, run.begun_with = dict(data.params), dict(data.tags)
    for name in data.metrics:
        _add(run, ((name, point.value, point.step) for point in run.client.get_metric_history(run.run_id, name)))
    _add(run, ((name, value, step) for name, value, _, step in run.log.points()))  # MLflow may still lack some
    ended = ["error", DIVERGED, EPOCH, NOTICE]  # tags about its earlier end
    run.reopening = {"kind": "reopen", "values": clean_tags(tags), "remove": ended}
    return run


def _add(run: OpenRun, points: Iterable[tuple[str, float, int]]) -> None:
    for name, value, step in points:
        run.points.setdefault((name, step), []).append(value)


def reap(store: Store, client: Any, experiment_id: str) -> list[str]:
    """End the runs of an experiment whose process on this host has ended; ids of the runs that are set to KILLED.

    Events that such a process could not send, such as the end of its run, are sent first.
    """
    for _ in sync_left(store, client, experiment_id, only_of_dead=True):
        pass
    reaped = processes.reap(client, experiment_id)
    for run_id in reaped:
        RunLog(store.root / "runs" / run_id).clean_up()
    return reaped
