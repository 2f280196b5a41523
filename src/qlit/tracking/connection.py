"""Connect to an MLflow store: create its database, check that it answers, and make a client."""

import logging
import os
import re
import socket
import warnings
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from qlit.runtime.critical_section import defer_signals
from qlit.runtime.large_imports import large_imports
from qlit.runtime.secrets import scrub
from qlit.runtime.sqlite_file import check_database
from qlit.tracking.mlflow_store import DATABASE_PORTS, Store
from qlit.tracking.moved_stores import follow_move

_START_PROBE_S = 3.0


def require_home() -> None:
    """Check that the user has a home folder, without which MLflow cannot be imported.

    Raises:
        ValueError: If there is none, as in a container that gives a process only a user number.
    """
    try:
        Path.home()
    except RuntimeError as error:
        raise ValueError(
            "MLflow needs a home folder, but HOME is not set and this user has no entry in the list of users: set HOME "
            "to a folder that can be written."
        ) from error


def quieten_mlflow() -> None:
    """Keep MLflow's telemetry, progress bars and log lines off, unless the environment asks for them."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # read on import
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    if "MLFLOW_LOGGING_LEVEL" not in os.environ:
        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.ERROR)
        # It logs failed statements with a traceback; they are also raised, and handled here.
        logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)


def connect(store: Store) -> Any:
    """An `MlflowClient` that prints little, gives up on a dead server early, and finishes calls despite signals.

    If the store's folder was moved, its database is corrected first (`follow_move`); hold `creation_lock` meanwhile.

    Raises:
        ConnectionError: If a server does not answer within a few seconds.
        ValueError: If a server refuses the credentials, or as `require_home` and `check_database`.
    """
    require_home()
    quieten_mlflow()
    if store.is_http:  # MLflow's own 7 retries of 120 s would block the training for minutes
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    with warnings.catch_warnings():
        # MLflow 3.17 calls what SQLAlchemy 2.1 deprecates; where warnings are errors, its tables would stay incomplete.
        warnings.simplefilter("ignore", DeprecationWarning)
        return _connect(store)


def _connect(store: Store) -> Any:
    with large_imports():
        from mlflow import MlflowClient

        if store.is_sqlite:
            import mlflow.store.tracking.sqlalchemy_store  # noqa: F401 - the client would import it later

    quieten_mlflow()  # again, because the import sets levels
    if not store.exists():
        _create_database(store)
    elif store.is_sqlite:
        check_database(store.database_file, "MLflow's database")
    if not answers(store, timeout_s=_START_PROBE_S):
        way_out = "Start it with `mlflow server`" if store.is_http else "Start the database"
        raise ConnectionError(
            f"MLflow at {scrub(store.uri)} does not answer. {way_out}, or leave `tracking_uri` and "
            "MLFLOW_TRACKING_URI out to use the local database."
        )
    client = MlflowClient(tracking_uri=store.uri)
    if store.is_http:
        _check_credentials(client, store)
    else:
        database = store.database_file.name if store.is_sqlite else None
        follow_move(client._tracking_client.store.engine, store.root, database)
    return _ClientThatFinishesCalls(client)


def _check_credentials(client: Any, store: Store) -> None:
    """Raise a ValueError if the server wants other credentials; its health check needs none."""
    from mlflow.exceptions import MlflowException

    try:
        client.search_experiments(max_results=1)
    except MlflowException as error:  # other errors are raised by the calls that matter
        if re.search(r"error code 40[13]\b", str(error)):
            raise ValueError(
                f"MLflow at {scrub(store.uri)} refuses the user name or the password: set MLFLOW_TRACKING_USERNAME and "
                "MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN."
            ) from error


class _ClientThatFinishesCalls:
    """Defers signal exceptions until a call of the client has ended: half a commit would keep the database locked."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        return defer_signals()(found) if callable(found) else found


def _create_database(store: Store) -> None:
    """Create an SQLite database with all tables of MLflow, or none.

    It is created beside its place and renamed into it: MLflow can neither open nor complete the database that a killed
    process or a full disk leaves. The hundreds of statements are flushed to disk once, not one by one, which would take
    seconds on a slow disk.
    """
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
    from sqlalchemy import Engine, event

    path = store.database_file
    new = path.with_name(f".{path.name}.new")
    uri = f"sqlite:///{new}"
    for left in (new, new.with_name(f"{new.name}-journal")):
        left.unlink(missing_ok=True)

    def unsynced(connection: Any, _: Any) -> None:
        connection.execute("PRAGMA synchronous=OFF")

    event.listen(Engine, "connect", unsynced)
    try:
        try:
            SqlAlchemyStore(uri, store.root.as_uri())  # for the artifacts of MLflow's own experiment, Default
        finally:  # also closes connections after a failure
            SqlAlchemyStore._engine_map.pop(uri).dispose()
        with new.open("rb+") as stream:
            os.fsync(stream.fileno())
        new.replace(path)
    finally:
        event.remove(Engine, "connect", unsynced)
        new.unlink(missing_ok=True)


def answers(store: Store, timeout_s: float) -> bool:
    """Whether the server of a store answers within about `timeout_s` seconds; a local file always does."""
    if store.is_http:
        from mlflow.utils.credentials import get_default_host_creds
        from mlflow.utils.rest_utils import http_request

        try:  # MLflow's own request, with the certificates, proxies and credentials that logging will use
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
    if not parts.hostname:  # a Unix socket, which the driver checks
        return True
    try:
        port = parts.port or DATABASE_PORTS[parts.scheme.split("+")[0]]
        socket.create_connection((parts.hostname, port), timeout_s).close()
    except OSError:
        return False
    return True
