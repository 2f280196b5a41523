"""Log one run to MLflow, and survive outages."""

import argparse
import atexit
import io
import math
import os
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, Literal, ParamSpec, get_args

from qlit.runtime.critical_section import defer_signals
from qlit.runtime.retry import OutageError, is_full_disk, retry_while_disk_is_full, say
from qlit.runtime.secrets import scrub
from qlit.tracking import connection
from qlit.tracking.experiments import find_run
from qlit.tracking.links import scored_run_tags
from qlit.tracking.mlflow_store import Store, locate
from qlit.tracking.names import artifact_parts, clean_key, clean_tags, cut, flatten
from qlit.tracking.open_run import OpenRun, open_run
from qlit.tracking.records import METRICS_PER_BATCH, Record, metrics_record

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from mlflow import MlflowClient

Status = Literal["FINISHED", "FAILED", "KILLED"]

_SYNC_S = 2.0
_PARAM_CHARS = 500

_P = ParamSpec("_P")


def _if_active(
    method: Callable[Concatenate["MLflowTracker", _P], None],
) -> Callable[Concatenate["MLflowTracker", _P], None]:
    """Do nothing in a process whose tracker is not active."""

    @wraps(method)
    def checked(self: "MLflowTracker", /, *args: _P.args, **kwargs: _P.kwargs) -> None:
        if self.is_active():
            method(self, *args, **kwargs)

    return checked


class MLflowTracker:
    """Logs one run to MLflow: metrics, parameters, tags and files.

    Before `start` or the first logged value there is no file and no connection. After it, every event is written to
    `<run_dir>/log.jsonl` and sent from there, so no failure of MLflow ends or delays the training: events that cannot
    be sent are sent when MLflow is back, by `qlit sync`, or when a later tracker with this `run_id` starts. The run
    stays open over fit and test until `close`. Where `is_active` says no, every method does nothing, and `run_id` and
    `run_dir` are None.

    Args:
        experiment: Name of the MLflow experiment, which is created if it does not exist.
        run_name: Name of the run; None makes one from the config file's name and the time.
        tracking_uri: An MLflow tracking URI (sqlite:///, http(s)://, postgresql://...). None means the environment's
            MLFLOW_TRACKING_URI, or without it `sqlite:///<cwd>/mlruns/mlflow.db`. Give credentials by
            MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD instead: the saved config contains this URI.
        tags: Tags of the run.
        run_id: Reopens this run instead of a new one, when the first value is logged: until then it keeps its status,
            end and tags. Its parameters are not logged again; a changed value becomes the tag `resumed.<name>`. For a
            resumed fit, `null` on the command line begins a new run.
        parent_run_id: Run under which MLflow's UI shows this one.
    """

    def __init__(
        self,
        *,
        experiment: str = "qlit",
        run_name: str | None = None,
        tracking_uri: str | None = None,
        tags: dict[str, str] | None = None,
        run_id: str | None = None,
        parent_run_id: str | None = None,
    ) -> None:
        self.experiment = experiment
        """Name of the experiment."""
        self._tracking_uri, self._run_id, self._has_name = tracking_uri, run_id, run_name is not None
        tags = {**(tags or {}), **({"mlflow.parentRunId": parent_run_id} if parent_run_id else {})}
        self._open = partial(
            open_run, experiment=experiment, run_name=run_name, tracking_uri=tracking_uri, tags=tags, run_id=run_id
        )
        self._run: OpenRun | None = None  # until `start`
        self.opener: Callable[[Callable[[], None]], None] = lambda begin: begin()
        """Calls the function that opens the run, which may safely run twice; assign one that retries it."""
        self.is_active: Callable[[], bool] = lambda: True
        """Whether this process logs: of the processes of one training only the first does."""
        self._key: str | None = None
        self._num_unsent, self._last_sync, self._closed, self._pid = 0, 0.0, False, 0

    @_if_active
    def start(self) -> None:
        """Open the store, the experiment and the run, unless they are open.

        Raises:
            ConnectionError: If a server does not answer (known within about 5 s).
            ValueError: If the tracking URI is of no known kind, the experiment or the run to resume was deleted, or
                that run does not exist or belongs to another experiment.
            RuntimeError: If MLflow refuses for another reason, such as missing rights or an old database schema.
        """
        if self._run is None:
            self.opener(self._begin)

    @defer_signals()  # otherwise a signal could leave a run that no process closes
    def _begin(self) -> None:
        is_retry, self._key = self._key is not None, self._key or secrets.token_hex(16)
        self._run = self._open(key=self._key, is_retry=is_retry)
        self._pid = os.getpid()  # of the process that holds the run
        atexit.register(self._at_exit)

    def suggest_name(self, name: str) -> None:
        """Before `start`: name a new run, unless `run_name` was given."""
        if not self._has_name:
            self._open = partial(self._open, run_name=name)

    def continue_run(self, run_id: str, *, as_new: bool = False) -> None:
        """Before `start`: continue the run of a checkpoint, or a new run if the store does not have it.

        Args:
            run_id: Run of the checkpoint. A new run names it in its tag `continues.run_id`.
            as_new: Whether to begin a new run in any case.
        """
        assert self._run is None, "the run is open already"
        self._run_id = None if as_new else run_id
        self._open = partial(self._open, run_id=self._run_id, continues=run_id)

    @property
    def continues(self) -> str | None:
        """Id of the run that a new one continues; None for any other run and before `start`."""
        return self._run.continues if self._run else None

    @property
    def is_resumed(self) -> bool:
        """Whether an earlier run is continued; known after `start`."""
        return self._run is not None and self._run.run_id == self._run_id

    def earlier_status(self) -> str | None:
        """Present status of the run to continue; None if there is none, or the store does not have it.

        Raises: as `start`.
        """
        store = self._store
        if self._run_id is None or not store.exists():
            return None
        with store.creation_lock():
            run = find_run(connection.connect(store), self._run_id)
        return None if run is None else str(run.info.status)

    @_if_active
    def check(self) -> None:
        """Raise the errors of `start` for a store that cannot be named or reached, without creating anything."""
        if self._run is None:
            connection.require_home()
            if self._store.is_http:
                connection.connect(self._store)

    def scored_run_tags(self, run_id: str, *, note: str = "") -> dict[str, str]:
        """Tags of a run that scores a checkpoint of the run `run_id`; `note` is added to its description.

        Empty in processes other than the first.
        """
        self.start()
        if (run := self._run) is None:
            return {}
        return scored_run_tags(run.client, run.experiment_id, run_id, note=note)

    @property
    def _store(self) -> Store:
        return locate(self._tracking_uri)

    @property
    def run_id(self) -> str | None:
        """Id of the run; None before `start`."""
        return self._run.run_id if self._run else None

    @property
    def run_dir(self) -> Path | None:
        """Local folder for the run's checkpoints; None before `start`."""
        return self._run.log.folder if self._run else None

    @property
    def ui_command(self) -> str:
        """The command that opens MLflow's UI on this store; for a server the URL of the run."""
        if self._run is None:
            return self._store.ui_command()
        return self._run.store.ui_command(self._run.experiment_id, self._run.run_id)

    @property
    def ui_page(self) -> str | None:
        """The page of the run in that UI; None before `start`."""
        return self._run.store.page(self._run.experiment_id, self._run.run_id) if self._run else None

    @property
    def client(self) -> "MlflowClient":
        """MLflow's client, for what this class does not offer; its calls are not protected from outages."""
        client: MlflowClient = self._started().client
        return client

    def _started(self) -> OpenRun:
        self.start()
        assert self._run is not None, "the tracker is active in this process"
        return self._run

    def _put(self, record: Record) -> None:
        self._started().append(record)
        if record["kind"] == "metrics":
            self._num_unsent += len(record["values"])
            self.flush_if_due()
        else:
            self._sync()

    def _sync(self, *, now: bool = False) -> bool:
        """Send what MLflow lacks; whether it has everything."""
        run = self._started()
        self._num_unsent, self._last_sync = 0, time.monotonic()
        return run.sync.sync(now=now) and (not self._closed or run.log.finish())

    @_if_active
    def sync(self) -> None:
        """Send the events that MLflow lacks at once.

        Raises:
            ConnectionError: If it still lacks some.
        """
        if self._run is not None and not self._sync(now=True):
            raise ConnectionError(f"run {self._run.run_id} is not complete in MLflow: {self._run.sync.reason}")

    @_if_active
    def log_again(self, rows: Iterable[tuple[str, float, int, int]]) -> None:
        """Log metrics as rows (name, value, time in ms since 1970, step), except points that a resumed run has."""
        self._add(rows)

    @_if_active
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log scalars, except points that a resumed run has. They are sent after 2 s, or when 1000 wait.

        Args:
            metrics: Scalars by name. NaN and infinity are logged as NaN: MLflow would store infinity as 1.797e308.
            step: Their step; None is 0.
        """
        now_ms = time.time_ns() // 1_000_000
        finite = {key: number if math.isfinite(number := float(value)) else math.nan for key, value in metrics.items()}
        self._add((clean_key(key), value, now_ms, step or 0) for key, value in finite.items())

    def _add(self, rows: Iterable[tuple[str, float, int, int]]) -> None:
        run = self._started()
        if new := [row for row in rows if run.is_new(row[0], row[1], row[3])]:
            self._put(metrics_record(new))

    @_if_active
    def log_hyperparams(self, params: Mapping[str, Any] | argparse.Namespace) -> None:
        """Log parameters.

        Args:
            params: Nested mappings become one name with dots, `model.head.num_qubits`. Values are cut after 500
                characters: log the full config by `log_text`. Names that were logged before are skipped; a changed
                value becomes the tag `resumed.<name>`, because MLflow never changes a parameter.
        """
        flat = {clean_key(key): cut(scrub(str(value)), _PARAM_CHARS) for key, value in flatten(params).items()}
        run = self._started()
        if new := run.add_params(flat):
            self._put({"kind": "params", "values": new})
        self.set_tags(run.changed_params(flat))

    @_if_active
    def log_inputs(self, datasets: Iterable[Mapping[str, str]]) -> None:
        """Log the data sets of the run.

        Args:
            datasets: For each its `name`, `digest` (at most 36 characters; with the name it identifies the data set),
                `source_type`, `source` and `profile` (both JSON), and `context` ("train", "validation", "test").
        """
        if values := [dict(each) for each in datasets]:
            self._put({"kind": "inputs", "values": values})

    @_if_active
    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Set tags; values are cut after 8000 characters."""
        if tags:
            self._put({"kind": "tags", "values": clean_tags(tags)})

    @_if_active
    def set_lasting_tags(self, tags: Mapping[str, str]) -> None:
        """Set tags that a run keeps from its beginning; in a resumed run a different value becomes `resumed.<name>`."""
        self.set_tags(self._started().lasting_tags(clean_tags(tags)))

    def set_tag(self, key: str, value: str) -> None:
        """Set one tag."""
        self.set_tags({key: value})

    @_if_active
    def log_text(self, text: str, artifact_path: str) -> None:
        """Log a text, without credentials, as an artifact ("config.yaml", "reports/test.md")."""
        self.log_bytes(scrub(text).encode(), artifact_path)

    @_if_active
    def log_bytes(self, content: bytes, artifact_path: str) -> None:
        """Log bytes as an artifact; retry while the disk is full.

        Raises:
            OutageError: If the disk stays full.
        """
        retry_while_disk_is_full(lambda: self._put_content(content, artifact_path))

    @_if_active
    def log_figure(self, figure: "Figure", artifact_path: str) -> None:
        """Log a figure as an artifact, in the format of the path's suffix (.png, .svg, .pdf).

        If the disk is full, the figure is left out.
        """
        drawn = io.BytesIO()
        figure.savefig(drawn, format=Path(artifact_path).suffix[1:])
        try:
            self._put_content(drawn.getvalue(), artifact_path, optional=True)
        except OSError as error:
            if not is_full_disk(error):
                raise
            self._started().sync.report_left_out(artifact_path, error)

    @_if_active
    def log_file(self, local_path: str | Path, artifact_dir: str = "") -> None:
        """Log a copy of a file in a folder of the artifacts. Credentials in the file are not removed.

        Raises:
            FileNotFoundError: If `local_path` is not a file.
        """
        path = Path(local_path)
        if not path.is_file():
            raise FileNotFoundError(f"`local_path` must be a file, but got {str(path)!r}. Log a folder file by file.")
        files, (folder, name) = self._started().log.files, artifact_parts(f"{artifact_dir}/{path.name}")
        try:
            copy = retry_while_disk_is_full(lambda: files.add_file(path, name))
        except (OSError, OutageError) as error:
            say(f"{path} could not be copied ({error}).")
        else:
            self._put(files.record_of(copy, folder))

    def _put_content(self, content: bytes, artifact_path: str, **more: bool) -> None:
        files, (folder, name) = self._started().log.files, artifact_parts(artifact_path)
        self._put(files.record_of(files.add_content(content, name), folder, **more))

    @_if_active
    def flush_if_due(self) -> None:
        """Send the metrics that wait if they are many, or the last ones were sent 2 s ago."""
        is_due = self._num_unsent >= METRICS_PER_BATCH or time.monotonic() - self._last_sync >= _SYNC_S
        if self._num_unsent and is_due:
            self._sync()

    @_if_active
    def flush(self) -> None:
        """Send the metrics that wait."""
        if self._num_unsent:
            self._sync()

    @_if_active
    @defer_signals()  # otherwise a signal could leave events unsent, or a finished run open
    def close(self, status: Status = "FINISHED", error: str | None = None) -> None:
        """End the run. The first call decides; without one, the run becomes FAILED when the interpreter ends.

        Later events are still sent. A run that is not open is not ended, nor is a resumed run without a new event.

        Args:
            status: Status of the run.
            error: Reason of a failure, for the tag `error`.
        Raises:
            ValueError: If `status` is not FINISHED, FAILED or KILLED.
        """
        if status not in get_args(Status):
            raise ValueError(f"`status` must be one of {get_args(Status)}, but got {status!r}.")
        if self._run is None or self._closed:
            return
        self._closed = True
        atexit.unregister(self._at_exit)
        try:
            self._end(self._run, status, error)
        finally:
            self._run.log.release()

    def _end(self, run: OpenRun, status: Status, error: str | None) -> None:
        run.log.free_reserve()
        if run.reopening is not None:  # nothing was logged
            run.log.finish()
            return
        if run.log.has_lost and status == "FINISHED":
            status, error = "KILLED", "a part of its log is lost because the disk was full; resume it from last.ckpt"
        if error:
            self.set_tag("error", error)
        run.log.append({"kind": "status", "status": status, "end_time": time.time_ns() // 1_000_000})
        if not self._sync(now=True):
            say(
                f"MLflow still lacks a part of run {run.run_id}. It waits in {run.log.file} and is sent by "
                "`qlit sync` in this folder, or when a later run of this experiment begins here."
            )

    def _at_exit(self) -> None:
        if os.getpid() == self._pid:  # a fork of the process must not close the run
            self.close("FAILED", "the process ended without closing the run")
