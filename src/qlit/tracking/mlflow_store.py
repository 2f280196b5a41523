"""Location of one MLflow store: its URI and its local folder."""

import os
import shlex
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qlit.data import expanded
from qlit.runtime.file_lock import file_lock
from qlit.runtime.secrets import check_uri, remember, scrub

DATABASE_PORTS = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}
"""Schemes of database servers, with their default ports."""


@dataclass(frozen=True)
class Store:
    """One MLflow store.

    Args:
        uri: Tracking URI for MLflow. It may hold credentials: show it only through `scrub`.
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

    @property
    def database_file(self) -> Path:
        """File of an SQLite database."""
        return Path(self.uri.partition("///")[2].partition("?")[0])

    def exists(self) -> bool:
        """Whether the SQLite file exists; true for a server, which only a connection can tell."""
        return not self.is_sqlite or self.database_file.exists()

    def creation_lock(self) -> AbstractContextManager[Any]:
        """A lock for opening an SQLite database that may be empty.

        MLflow 3.17 creates its tables without a lock: of several processes that start together all but one crash.
        Entering the lock raises a TimeoutError as `file_lock` does.
        """
        if not self.is_sqlite:
            return nullcontext()
        self.root.mkdir(parents=True, exist_ok=True)
        return file_lock(Path(f"{self.database_file}.lock"))

    def ui_command(self, experiment_id: str | None = None, run_id: str | None = None) -> str:
        """The command that opens MLflow's UI on this store, or for a server the URL to open."""
        shown = scrub(self.uri)
        if not self.is_http:
            return f"mlflow ui --backend-store-uri {shlex.quote(shown)} --port 5000"
        page = f"/#/experiments/{experiment_id}" + (f"/runs/{run_id}" if run_id else "") if experiment_id else ""
        return shown.rstrip("/") + page

    def page(self, experiment_id: str, run_id: str) -> str:
        """The page of a run in MLflow's UI, once `ui_command` runs; as a training run, not as an evaluation."""
        server = scrub(self.uri).rstrip("/") if self.is_http else "http://127.0.0.1:5000"
        return f"{server}/#/experiments/{experiment_id}/runs/{run_id}?workflowType=machine_learning"


def locate(tracking_uri: str | None) -> Store:
    """The store of a tracking URI.

    Args:
        tracking_uri: An MLflow tracking URI; None means MLFLOW_TRACKING_URI, or without it
            `sqlite:///<cwd>/mlruns/mlflow.db`. A relative SQLite path starts at the current folder, `~` is the home
            folder.
    Raises:
        ValueError: If the URI is neither http(s) nor a database, is an SQLite database in memory, or its path has a
            character with another meaning in a URI.
    """
    uri = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI", "").strip()
    root = Path.cwd() / "mlruns"
    if not uri:
        return _sqlite_store("sqlite", root / "mlflow.db")
    scheme = uri.partition(":")[0].lower().split("+")[0]  # a parser would raise for URIs that `check_uri` explains
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
    if scheme in ("http", "https", *DATABASE_PORTS):
        check_uri(uri, "tracking_uri" if tracking_uri else "MLFLOW_TRACKING_URI")
        remember(uri)
        return Store(uri, root)
    raise ValueError(
        f"`tracking_uri` must begin with sqlite:///, http://, https://, postgresql://, mysql:// or mssql://, but got "
        f"{scrub(uri)!r}. For a local folder use `sqlite:///FOLDER/mlflow.db` (MLflow's file store is closed)."
    )


def _sqlite_store(scheme: str, path: Path, query: str = "") -> Store:
    if any(character in str(path) for character in "#%?"):  # MLflow would search elsewhere, for minutes
        raise ValueError(
            f"The path of an SQLite database must not hold '#', '%' or '?', but got {str(path)!r}. Use another folder."
        )
    return Store(f"{scheme}:///{path}{query}", path.parent)
