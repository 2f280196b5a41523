"""Find earlier runs by their config, and read them with their test predictions."""

import shlex
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from qlit.runtime.secrets import scrub
from qlit.tracking import connection, processes
from qlit.tracking.config_hash import HASH
from qlit.tracking.diverged import DIVERGED, NOTICE, is_finite
from qlit.tracking.experiments import active_run
from qlit.tracking.left_over import Synced, sync_left
from qlit.tracking.mlflow_store import locate
from qlit.tracking.open_run import reap
from qlit.tracking.predictions import FILE_NAME, Predictions
from qlit.tracking.run_log import RunLog


@dataclass(frozen=True, eq=False)
class KeptRun:
    """A run with its test predictions.

    Args:
        run_id: Its id in MLflow.
        name: Its name there.
        params: Its parameters by name.
        tags: Its tags by name.
        predictions: Predictions for its test sentences.
    """

    run_id: str
    name: str
    params: dict[str, str]
    tags: dict[str, str]
    predictions: Predictions


@dataclass(frozen=True)
class DivergedRun:
    """A run whose training diverged.

    Args:
        run_id: Its id in MLflow.
        reason: One sentence about the divergence.
    """

    run_id: str
    reason: str


@dataclass(frozen=True)
class RunningRun:
    """A run that MLflow shows as RUNNING.

    Args:
        run_id: Its id in MLflow.
        host: Machine of its process; empty if unknown.
        pid: Number of its process there; empty if unknown.
        is_here: Whether this is that machine.
    """

    run_id: str
    host: str
    pid: str
    is_here: bool


class KeptRuns:
    """Runs of one MLflow store, for reading.

    Args:
        tracking_uri: As of `MLflowTracker`.
    Raises:
        ValueError: If the URI is of no known kind. The methods raise a ConnectionError if a server does not answer.
    """

    def __init__(self, tracking_uri: str | None = None) -> None:
        self._store = locate(tracking_uri)
        self._connected: Any = None

    @property
    def _client(self) -> Any:
        """The `MlflowClient`; None if there is no database: reading does not create one."""
        if self._connected is None and self._store.exists():
            with self._store.creation_lock():
                self._connected = connection.connect(self._store)
        return self._connected

    @property
    def uri(self) -> str:
        """URI of the store, which may hold credentials."""
        return self._store.uri

    @property
    def folder(self) -> Path:
        """Folder of the run folders."""
        return self._store.root / "runs"

    def sync(self) -> Iterator[Synced]:
        """Send what the store lacks of the runs in `folder`; one result for every run with events that wait."""
        if RunLog.waiting_folders(self._store.root):
            yield from sync_left(self._store, self._client)

    def read(self, run_id: str) -> KeptRun:
        """A run with its test predictions.

        Raises:
            ValueError: If there is no such run, if it diverged, or if it has no predictions.
        """
        run = self._run(run_id)
        if run.data.tags.get(DIVERGED) == "true" or not _has_finite_scores(run):
            raise ValueError(f"Run {run_id} cannot be compared: {_reason(run)}")
        if FILE_NAME not in {item.path for item in self._client.list_artifacts(run_id)}:
            best = shlex.quote(str(self._store.root / "runs" / run_id / "best.ckpt"))
            raise ValueError(
                f"Run {run_id} keeps no test predictions ({FILE_NAME}): it was not tested, or by an older qlit. Test "
                f"it with `qlit test --ckpt_path {best}`, which makes a run that keeps them."
            )
        with tempfile.TemporaryDirectory() as folder:
            predictions = Predictions.load(self._client.download_artifacts(run_id, FILE_NAME, folder))
        tags = dict(run.data.tags)
        return KeptRun(run_id, tags.get("mlflow.runName", run_id), dict(run.data.params), tags, predictions)

    @contextmanager
    def checkpoint(self, run_id: str) -> Iterator[Path]:
        """Context with the checkpoint of a run: the best one, or the last one of a run without validation.

        A file in the run's local folder is used without asking MLflow; otherwise the run's artifact is downloaded into
        a temporary folder.

        Raises:
            ValueError: If there is no such run, or it has no checkpoint.
        """
        for name in ("best", "last"):
            if (local := self.folder / run_id / f"{name}.ckpt").is_file():
                yield local
                return
        self._run(run_id)
        found = [item.path for item in self._client.list_artifacts(run_id, "checkpoint") if item.path.endswith(".ckpt")]
        if not found:
            raise ValueError(
                f"Run {run_id} has no checkpoint in MLflow at {scrub(self._store.uri)}, and there is none in "
                f"{self.folder / run_id}: it has not finished, or it wrote none."
            )
        with tempfile.TemporaryDirectory() as folder:
            yield Path(self._client.download_artifacts(run_id, found[0], folder))

    def _run(self, run_id: str) -> Any:
        if self._client is not None and (run := active_run(self._client, run_id)) is not None:
            return run
        raise ValueError(
            f"There is no run {run_id!r} in MLflow at {scrub(self._store.uri)}; check the id, and the store "
            "(`--tracking.tracking_uri`, MLFLOW_TRACKING_URI, or the folder with mlruns/)."
        )

    def history(self, run_id: str) -> dict[str, list[tuple[int, float]]]:
        """Points (step, value) of every metric of a run, by name; of a step that was logged twice, the last value.

        Raises:
            ValueError: If there is no such run.
        """
        names = self._run(run_id).data.metrics
        points = {name: self._client.get_metric_history(run_id, name) for name in names}
        return {name: sorted({point.step: point.value for point in found}.items()) for name, found in points.items()}

    def reap(self, experiment: str) -> list[str]:
        """Set the runs of an experiment to KILLED whose process on this machine has ended; their ids."""
        found = self._client.get_experiment_by_name(experiment) if self._client is not None else None
        return [] if found is None else reap(self._store, self._client, found.experiment_id)

    def experiments(self) -> list[str]:
        """Names of all experiments that were not deleted."""
        return [] if self._client is None else [found.name for found in self._client.search_experiments()]

    def running(self, experiment: str) -> list[RunningRun]:
        """RUNNING runs of an experiment; call `reap` first."""
        found = self._client.get_experiment_by_name(experiment) if self._client is not None else None
        if found is None:
            return []
        runs = self._client.search_runs([found.experiment_id], filter_string="attributes.status = 'RUNNING'")
        return [_running(run) for run in runs]

    def end(self, run_id: str) -> bool:
        """Set a run to KILLED, unless it has ended; whether it was RUNNING.

        Raises:
            ValueError: If there is no such run, or its process on this machine is alive.
        """
        run = self._run(run_id)
        if run.info.status != "RUNNING":
            return False
        if (state := _running(run)).is_here and not processes.process_is_gone(run.data.tags):
            raise ValueError(
                f"Run {run_id} is trained by process {state.pid} of this machine: stop it, which ends the run."
            )
        self.close(run_id, "KILLED", "ended by `qlit reap`: its process cannot be seen")
        return True

    def close(self, run_id: str, status: Literal["FAILED", "KILLED"], error: str) -> None:
        """Set the status of a run whose processes have ended, unless they set another, and the reason as tag `error`.

        Raises:
            ValueError: If there is no such run.
        """
        found = self._run(run_id).info.status
        if found in ("RUNNING", status):
            self._client.set_tag(run_id, "error", error)
        if found == "RUNNING":
            self._client.set_terminated(run_id, status)

    def has_experiment(self, name: str) -> bool:
        """Whether there is an experiment of this name, which may have runs."""
        return self._client is not None and self._client.get_experiment_by_name(name) is not None

    def finished(self, experiment: str, config_hash: str) -> str | None:
        """Id of the youngest finished and tested fit with this config in an experiment; None if there is none."""
        return next(self.all_finished(experiment, config_hash), None)

    def all_finished(self, experiment: str, config_hash: str) -> Iterator[str]:
        """Ids of the finished and tested fits with this config in an experiment, the youngest first."""
        for run in self._fits(experiment, config_hash, "FINISHED"):
            if _has_finite_scores(run) and FILE_NAME in {
                item.path for item in self._client.list_artifacts(run.info.run_id)
            }:
                yield str(run.info.run_id)

    def diverged(self, experiment: str, config_hash: str) -> DivergedRun | None:
        """The youngest fit with this config that diverged, as it would again; None if there is none."""
        failed = [run for run in self._fits(experiment, config_hash, "FAILED") if run.data.tags.get(DIVERGED) == "true"]
        older = [run for run in self._fits(experiment, config_hash, "FINISHED") if not _has_finite_scores(run)]
        return next((DivergedRun(str(run.info.run_id), _reason(run)) for run in (*failed, *older)), None)

    def stopped(self, experiment: str, config_hash: str) -> Path | None:
        """Last checkpoint of the youngest stopped fit with this config that can be resumed; None if there is none."""
        for run in self._fits(experiment, config_hash, "KILLED"):
            checkpoint = self._store.root / "runs" / str(run.info.run_id) / "last.ckpt"
            if checkpoint.is_file():
                return checkpoint
        return None

    def search(self, filter_string: str, experiment: str | None = None) -> Iterator[Any]:
        """MLflow's runs of one experiment, or of all that were not deleted, the youngest first.

        Args:
            filter_string: Condition in MLflow's language.
            experiment: Name of the experiment; None for all.
        """
        found = [] if self._client is None else self._client.search_experiments()
        ids = [each.experiment_id for each in found if experiment in (None, each.name)]
        order, token = ["attributes.start_time DESC"], None
        while ids:
            page = self._client.search_runs(ids, filter_string, order_by=order, page_token=token)
            yield from page
            if not (token := page.token):
                return

    def text(self, run_id: str, name: str) -> str | None:
        """Content of a text file of a run; None if it has no such file.

        Raises:
            ValueError: If there is no such run.
        """
        self._run(run_id)
        if name not in {item.path for item in self._client.list_artifacts(run_id)}:
            return None
        with tempfile.TemporaryDirectory() as folder:
            return Path(self._client.download_artifacts(run_id, name, folder)).read_text(encoding="utf-8")

    def _fits(self, experiment: str, config_hash: str, status: str) -> list[Any]:
        """Fits that had this config from their first epoch on, the youngest first."""
        client = self._client
        found = client.get_experiment_by_name(experiment) if client is not None else None
        if found is None:
            return []
        reap(self._store, client, found.experiment_id)
        runs = client.search_runs(
            [found.experiment_id],
            filter_string=f"attributes.status = '{status}' AND tags.`{HASH}` = '{config_hash}'",
            order_by=["attributes.start_time DESC"],
        )
        # A run that was resumed with another config, or from another training, keeps its first hash.
        return [run for run in runs if not {f"resumed.{HASH}", "resumed.checkpoint"} & run.data.tags.keys()]


def _running(run: Any) -> RunningRun:
    tags = run.data.tags
    is_here = processes.is_here(tags)
    return RunningRun(str(run.info.run_id), tags.get("qlit.host", ""), tags.get("qlit.pid", ""), is_here)


def _has_finite_scores(run: Any) -> bool:
    """Whether a run has no test loss or a finite one; earlier versions finished runs that had diverged."""
    return is_finite(run.data.metrics.get("test/loss", 0.0))


def _reason(run: Any) -> str:
    found = run.data.tags.get(NOTICE) or run.data.tags.get("error")
    return str(found or "its training diverged, so its scores are not finite numbers.")
