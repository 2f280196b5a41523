"""Send the events that other processes could not send before they ended."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from qlit.tracking import processes
from qlit.tracking.experiments import active_run
from qlit.tracking.mlflow_store import Store
from qlit.tracking.run_log import RunLog
from qlit.tracking.sync import sync_of


@dataclass(frozen=True)
class Synced:
    """Result for one log with events that wait.

    Args:
        run_id: The run.
        state: `sent` if MLflow has every event; `waits` if it lacks some; `running` if a process of this machine
            writes and sends the log; `unknown` if the store does not have the run, or it was deleted.
        log: File of the log.
        num_sent: Number of events that were sent.
        reason: Why events wait.
    """

    run_id: str
    state: Literal["sent", "waits", "running", "unknown"]
    log: Path
    num_sent: int = 0
    reason: str = ""


def sync_left(
    store: Store, client: Any, experiment_id: str | None = None, *, only_of_dead: bool = False
) -> Iterator[Synced]:
    """Send what other processes could not send, such as the ends of their runs.

    Args:
        store: Store whose local folder is searched.
        client: Its `MlflowClient`; None if there is no such store.
        experiment_id: Experiment whose runs are sent; None for all.
        only_of_dead: Whether to skip runs whose process may still be alive.
    """
    for folder in RunLog.waiting_folders(store.root):
        run_id, log = folder.name, RunLog(folder)
        run = None if client is None else active_run(client, run_id)
        if run is None:
            yield Synced(run_id, "unknown", log.file)
            continue
        if experiment_id not in (None, run.info.experiment_id):
            continue
        is_gone = processes.process_is_gone(run.data.tags)
        is_alive = not is_gone and (only_of_dead or processes.is_here(run.data.tags))
        # Of several processes that come here together one sends, and the others need not wait for it.
        if is_alive or not log.take():
            yield Synced(run_id, "running", log.file)
            continue
        try:
            num_waiting = log.num_waiting()
            sync = sync_of(store, client, run_id, log, reports_outages=False)
            sync.sync(now=True)
            state: Literal["sent", "waits"] = "sent" if log.finish() else "waits"
            yield Synced(run_id, state, log.file, num_waiting - log.num_waiting(), sync.reason)
        finally:
            log.release()
