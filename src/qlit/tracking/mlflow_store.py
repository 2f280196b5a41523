"""Where the runs are kept: one MLflow store, found, reached and opened."""

import logging
import os
import shlex
import socket
import warnings
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from qlit.data import expanded
from qlit.runtime.critical_section import defer_signals
from qlit.runtime.file_lock import file_lock
from qlit.runtime.large_imports import large_imports
from qlit.runtime.secrets import check_uri, remember, scrub
from qlit.runtime.sqlite_file import check_database
from qlit.tracking.moved_stores import follow_move

_DATABASE_PORTS = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}
_START_PROBE_S = 3.0


@dataclass(frozen=True)
class Store:
    """One MLflow store.

    Args:
        uri: What MLflow is given; may hold credentials, so it is shown only through `scrub`.
        root: Local folder for run folders, and for artifacts where no server keeps them.
    """

    uri: str
    root: Path

    @property
    def is_http(self) -> bool:
        return self.uri.startswith(("http://", "https://"))

    @property
    def is_sqlite(self) -> bool:
        return self.uri.startswith("sqlite")

    def ui_command(self, experiment_id: str | None = None, run_id: str | None = None) -> str:
        """The command that opens MLflow's UI on this store, or for a server the URL to open."""
        shown = scrub(self.uri)
        if not self.is_http:
            return f"mlflow ui --backend-store-uri {shlex.quote(shown)} --port 5000"
        page = f"/#/experiments/{experiment_id}" + (f"/runs/{run_id}" if run_id else "") if experiment_id else ""
        return shown.rstrip("/") + page

    def page(self, experiment_id: str, run_id: str) -> str:
        """The page of a run in MLflow's UI, once `ui_command` runs; opened as a training run, not as an evaluation."""
        server = scrub(self.uri).rstrip("/") if self.is_http else "http://127.0.0.1:5000"
        return f"{server}/#/experiments/{experiment_id}/runs/{run_id}?workflowType=machine_learning"


def locate(tracking_uri: str | None) -> Store:
    """The store that `tracking_uri` names.

    Args:
        tracking_uri: An MLflow tracking URI; None means MLFLOW_TRACKING_URI, or without it
            `sqlite:///<cwd>/mlruns/mlflow.db`. A relative SQLite path is taken from the current folder, `~` from the
            home folder.
    Raises:
        ValueError: If the URI is neither http(s) nor a database, is an SQLite database in memory, or its path holds a
            character that means something else in a URI.
    """
    uri = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI", "").strip()
    root = Path.cwd() / "mlruns"
    if not uri:
        return _sqlite_store("sqlite", root / "mlflow.db")
    scheme = uri.partition(":")[0].lower().split("+")[0]  # no parser: it raises for what `check_uri` refuses below
    if scheme == "sqlite":
        location, _, query = uri.partition("///")[2].partition("?")
        if location in ("", ":memory:"):
            raise ValueError(
                f"The runs must outlive the process, but got tracking_uri={uri!r}, a database in memory. "
                "Name a file: `sqlite:///mlruns/mlflow.db`."
            )
        return _sqlite_store(
            uri.partition(":")[0], Path.cwd() / expanded(location, "tracking_uri"), f"?{query}" if query else ""
        )
    if scheme in ("http", "https", *_DATABASE_PORTS):
        check_uri(uri, "tracking_uri" if tracking_uri else "MLFLOW_TRACKING_URI")
        remember(uri)
        return Store(uri, root)
    raise ValueError(
        f"`tracking_uri` must begin with sqlite:///, http://, https://, postgresql://, mysql:// or mssql://, but got "
        f"{scrub(uri)!r}. For a local folder use `sqlite:///FOLDER/mlflow.db` (MLflow's file store is closed)."
    )


def _sqlite_store(scheme: str, path: Path, query: str = "") -> Store:
    if any(character in str(path) for character in "#%?"):  # MLflow would look elsewhere, for minutes
        raise ValueError(
            f"The path of an SQLite database must not hold '#', '%' or '?', but got {str(path)!r}. Use another folder."
        )
    return Store(f"{scheme}:///{path}{query}", path.parent)


def require_home() -> None:
    """Return if the user has a home folder, without which MLflow cannot even be imported.

    Raises:
        ValueError: If there is none, as in a container that gives a process a user number alone.
    """
    try:
        Path.home()
    except RuntimeError as error:
        raise ValueError(
            "MLflow needs a home folder, but HOME is not set and this user has no entry in the list of users: set HOME "
            "to a folder that can be written."
        ) from error


def connect(store: Store) -> Any:
    """An `MlflowClient` on `store`, quiet and with short patience, of which no signal breaks off a call.

    If the store's folder was moved, its database is corrected first (`follow_move`); hold `creation_lock` meanwhile.

    Raises:
        ConnectionError: If a server is named and does not answer within a few seconds.
        ValueError: As `require_home` and `check_database`.
    """
    require_home()
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # no phoning home from a cluster; read on import
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    if store.is_http:  # MLflow's own 7 retries with 120 s each would hold the training for minutes
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    with warnings.catch_warnings():
        # MLflow 3.17 uses what SQLAlchemy 2.1 deprecates; where warnings are errors, its tables would stay broken.
        warnings.simplefilter("ignore", DeprecationWarning)
        return _connect(store)


def _make_database(store: Store) -> None:
    """Make an SQLite database with MLflow's tables, all of them or none, without a disk flush after each statement.

    They are some hundreds, and seconds on a slow disk. A process that is killed on the way, or finds the disk full,
    would leave a database that MLflow can neither open nor complete: it is made beside its place and renamed into it.
    """
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
    from sqlalchemy import Engine, event

    path = _database_file(store)
    new = path.with_name(f".{path.name}.new")
    uri = f"sqlite:///{new}"
    for left in (new, new.with_name(f"{new.name}-journal")):
        left.unlink(missing_ok=True)

    def unsynced(connection: Any, _: Any) -> None:
        connection.execute("PRAGMA synchronous=OFF")

    event.listen(Engine, "connect", unsynced)
    try:
        try:
            SqlAlchemyStore(uri, store.root.as_uri())  # where MLflow's own experiment, Default, keeps artifacts
        finally:  # also the connections of one that failed
            SqlAlchemyStore._engine_map.pop(uri).dispose()
        with new.open("rb+") as stream:
            os.fsync(stream.fileno())
        new.replace(path)
    finally:
        event.remove(Engine, "connect", unsynced)
        new.unlink(missing_ok=True)


def _connect(store: Store) -> Any:
    with large_imports():
        from mlflow import MlflowClient

        if store.is_sqlite:
            import mlflow.store.tracking.sqlalchemy_store  # noqa: F401 - the client would, in its own time

    if "MLFLOW_LOGGING_LEVEL" not in os.environ:
        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.ERROR)
        # What it tells of a failed statement, with a traceback, is also raised, and told or dealt with by us.
        logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    if not exists(store):
        _make_database(store)
    elif store.is_sqlite:
        check_database(_database_file(store), "MLflow's database")
    if not answers(store, timeout_s=_START_PROBE_S):
        way_out = "Start it with `mlflow server`" if store.is_http else "Start the database"
        raise ConnectionError(
            f"MLflow at {scrub(store.uri)} does not answer. {way_out}, or leave `tracking_uri` and "
            "MLFLOW_TRACKING_URI out to use the local database."
        )
    client = MlflowClient(tracking_uri=store.uri)
    if not store.is_http:
        database = _database_file(store).name if store.is_sqlite else None
        follow_move(client._tracking_client.store.engine, store.root, database)
    return _UndividedClient(client)


class _UndividedClient:
    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        return defer_signals()(found) if callable(found) else found


def answers(store: Store, timeout_s: float) -> bool:
    """Whether the server behind `store` answers within about `timeout_s` seconds; a local file always does."""
    if store.is_http:
        from mlflow.utils.credentials import get_default_host_creds
        from mlflow.utils.rest_utils import http_request

        try:  # MLflow's own request: it knows the certificates, proxies and credentials that logging will use
            reply = http_request(
                get_default_host_creds(store.uri), "/health", "GET", max_retries=0, timeout=timeout_s,
                raise_on_status=False,
            )  # fmt: skip
        except Exception:
            return False
        return bool(reply.status_code < 500)
    if store.is_sqlite:
        return True
    parts = urlsplit(store.uri)
    if not parts.hostname:  # a Unix socket: left to the driver
        return True
    try:
        port = parts.port or _DATABASE_PORTS[parts.scheme.split("+")[0]]
        socket.create_connection((parts.hostname, port), timeout_s).close()
    except OSError:
        return False
    return True


def creation_lock(store: Store) -> AbstractContextManager[Any]:
    """A lock under which an empty SQLite database may be opened.

    MLflow 3.17 creates its tables without one: of several processes that start together all but one crash. Entering it
    raises TimeoutError as `file_lock` does.
    """
    if not store.is_sqlite:
        return nullcontext()
    store.root.mkdir(parents=True, exist_ok=True)
    return file_lock(Path(f"{_database_file(store)}.lock"))


def exists(store: Store) -> bool:
    """Whether there is anything to open: a server or database is told by connecting, an SQLite file by looking."""
    return not store.is_sqlite or _database_file(store).exists()


def _database_file(store: Store) -> Path:
    return Path(store.uri.partition("///")[2].partition("?")[0])


def open_experiment(client: Any, store: Store, name: str) -> str:
    """The id of the experiment called `name`, which is created if there is none.

    Raises:
        ValueError: If the experiment was deleted.
    """
    from mlflow.exceptions import MlflowException

    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        artifacts = None if store.is_http else (store.root / "artifacts").as_uri()
        try:
            return str(client.create_experiment(name, artifact_location=artifacts))
        except MlflowException:  # another process was quicker
            experiment = client.get_experiment_by_name(name)
            if experiment is None:
                raise
    if experiment.lifecycle_stage != "active":
        raise ValueError(
            f"The MLflow experiment {name!r} was deleted. Restore it with `mlflow experiments restore "
            f"--experiment-id {experiment.experiment_id}`, or choose another `experiment`."
        )
    return str(experiment.experiment_id)


def find_run(client: Any, run_id: str) -> Any:
    """A run as MLflow has it, be it deleted; None if there is none."""
    from mlflow.exceptions import MlflowException

    try:
        return client.get_run(run_id)
    except MlflowException as error:
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):  # the latter of odd ids
            raise
        return None


def active_run(client: Any, run_id: str) -> Any:
    """A run as MLflow has it; None if there is none, or it was deleted."""
    run = find_run(client, run_id)
    return run if run is not None and run.info.lifecycle_stage == "active" else None


def experiment_of_run(client: Any, run_id: str, name: str) -> str:
    """The id of the experiment called `name`, in which the run to resume must lie.

    Raises:
        ValueError: If the run does not exist, was deleted, or lies in another experiment.
    """
    run = find_run(client, run_id)
    if run is None:
        raise ValueError(f"There is no MLflow run {run_id!r} to resume; check `run_id` and the store.")
    if run.info.lifecycle_stage != "active":
        raise ValueError(
            f"The MLflow run {run_id!r} was deleted. Restore it with `mlflow runs restore --run-id {run_id}`, or "
            "begin a new run with `--tracking.run_id null`."
        )
    found = client.get_experiment(run.info.experiment_id).name
    if found != name:
        raise ValueError(
            f"The run to resume must lie in `experiment`, but run {run_id!r} lies in {found!r} and got "
            f"experiment={name!r}. Set `experiment` to {found!r}, or begin a new run with `--tracking.run_id null`."
        )
    return str(run.info.experiment_id)
