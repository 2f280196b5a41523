"""Locate and open the storage of trials: a journal file, SQLite or PostgreSQL, shared by many workers."""

import hashlib
import os
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import psutil

from qlit.runtime.file_lock import file_lock
from qlit.runtime.secrets import check_uri, remember, scrub
from qlit.runtime.yaml_values import home_expanded

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

ENVIRONMENT = "QLIT_STUDY_STORAGE"
_BUSY_S = 60.0
# Errors that Optuna raises for a line that is not a record.
_NO_RECORD = (ValueError, LookupError, TypeError, AttributeError, AssertionError, OverflowError)
_PROBE_S = 3.0
# Network file systems, on which locks of files and of SQLite are not reliable (SQLite's FAQ, question 5).
_SHARED = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "lustre", "gpfs", "beegfs", "ceph", "glusterfs", "afs", "fuse.sshfs"}


def quieten_optuna() -> None:
    """Let Optuna print warnings and errors alone."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)


@dataclass(frozen=True)
class Location:
    """Location of a storage of trials.

    Args:
        url: `journal:PATH`, `sqlite:///PATH` or a PostgreSQL URL. It may contain credentials: use `scrub` to show it.
        path: The file; None for a server.
    """

    url: str
    path: Path | None

    @property
    def is_journal(self) -> bool:
        return self.url.startswith("journal:")

    @property
    def is_one_machines(self) -> bool:
        """Whether all workers must be on one machine."""
        return self.path is not None

    @property
    def dashboard_argument(self) -> str:
        """Storage argument for optuna-dashboard."""
        return str(self.path) if self.is_journal else scrub(self.url)


def location_of(storage: str | None, study_name: str) -> Location:
    """Location named by a study file's `storage`.

    Args:
        storage: `journal:PATH`, `sqlite:///PATH`, `postgresql://..`; None for the environment variable
            QLIT_STUDY_STORAGE (which may contain a password), or else a journal file under mlruns/studies/.
        study_name: Name of that journal file.
    Raises:
        ValueError: If trials would not be safe there, or the kind of storage is unknown.
    """
    storage = storage or os.environ.get(ENVIRONMENT, "").strip() or f"journal:mlruns/studies/{study_name}.journal"
    kind, _, rest = storage.partition(":")
    if kind == "journal" and rest:
        return _file(storage, kind, Path(rest))
    if kind == "sqlite" and rest.startswith("///"):
        if rest in ("///", "///:memory:"):
            raise ValueError("Trials must outlive a worker, but `storage` is a database in memory; use a file.")
        return _file(storage, kind, Path(rest.removeprefix("///")))
    if kind.split("+")[0] == "postgresql":
        check_uri(storage, "storage")
        remember(storage)
        # SQLAlchemy's own choice of a driver differs between its versions.
        return Location(f"postgresql+psycopg:{rest}", None)
    raise ValueError(
        f"`storage` must start with journal:, sqlite:/// or postgresql://, but got {scrub(storage)!r}. Only these are "
        "tested."
    )


def _file(storage: str, kind: str, path: Path) -> Location:
    path = home_expanded(path).absolute()
    file_system = _file_system(path)
    if file_system in _SHARED:
        raise ValueError(
            f"The storage {storage} is on {file_system}, where file locks are not reliable and trials can get lost. "
            "Use a local folder, or PostgreSQL for several machines."
        )
    return Location(f"journal:{path}" if kind == "journal" else f"sqlite:///{path}", path)


def _file_system(path: Path) -> str:
    """Type of the file system of a path, which need not exist yet; empty if unknown."""
    found = [part for part in psutil.disk_partitions(all=True) if path.is_relative_to(part.mountpoint)]
    return max(found, key=lambda part: len(part.mountpoint)).fstype.lower() if found else ""


def open_storage(location: Location) -> "BaseStorage":
    """Open a storage, or create it; safe if several workers start at the same time.

    Raises:
        ConnectionError: If a server does not answer.
        ValueError: If the file is not a storage of Optuna, or the server's driver is missing.
    """
    if location.path is not None:
        location.path.parent.mkdir(parents=True, exist_ok=True)
    with setup_lock(location):
        return _opened(location)


def close_storage(storage: "BaseStorage") -> None:
    """Close the connections of a storage. It opens new ones at the next use."""
    from optuna.storages import RDBStorage

    storage.remove_session()
    if isinstance(storage, RDBStorage):
        storage.engine.dispose()


def _opened(location: Location) -> "BaseStorage":
    from optuna.exceptions import StorageInternalError
    from optuna.storages import JournalStorage, RDBStorage
    from sqlalchemy.exc import OperationalError, SQLAlchemyError

    from qlit.studies.trials.diverged import mend
    from qlit.studies.trials.journal import DamagedJournalError, WholeLinesBackend

    if location.path is not None and location.is_journal:
        try:
            return JournalStorage(WholeLinesBackend(location.path))
        except DamagedJournalError:
            raise
        except _NO_RECORD as error:
            raise ValueError(f"{location.path} is not a journal of Optuna; use another file for the trials.") from error
    options: dict[str, Any] = {"pool_pre_ping": True}  # replaces connections of a restarted server
    try:
        if location.path is not None:
            options["connect_args"] = {"timeout": _BUSY_S}
            _write_ahead(location.path)
            mend(location.path)
        return RDBStorage(location.url, engine_kwargs=options)
    except (SQLAlchemyError, sqlite3.DatabaseError, StorageInternalError, RuntimeError) as error:
        if location.path is None and isinstance(error, OperationalError | StorageInternalError):
            raise _away(location, error) from error
        place = location.path or scrub(location.url)
        raise ValueError(f"Optuna cannot keep trials in {place}: {scrub(_reason(error))}") from error


def _write_ahead(path: Path) -> None:
    """Set SQLite's write-ahead mode: readers do not block a writer, and a change needs one flush, not three."""
    with closing(sqlite3.connect(path, timeout=_BUSY_S)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")


def _reason(error: BaseException) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


@contextmanager
def setup_lock(location: Location) -> Iterator[None]:
    """Lock for all processes that use a storage, on the file's machine or on the server.

    Optuna creates tables without a lock: if several workers start together on an empty database, all but one crash.

    Raises:
        ConnectionError: If the server does not answer.
        ValueError: If its driver is missing.
    """
    if location.path is not None:
        location.path.parent.mkdir(parents=True, exist_ok=True)
        with file_lock(Path(f"{location.path}.setup.lock")):
            yield
        return
    try:
        import psycopg
    except ImportError as error:
        raise ValueError("PostgreSQL needs the driver psycopg: run `pip install 'psycopg[binary]>=3.2.1'`.") from error
    plain = location.url.replace("postgresql+psycopg", "postgresql", 1)
    try:
        connection = psycopg.connect(plain, autocommit=True, connect_timeout=int(_PROBE_S))
    except psycopg.OperationalError as error:
        raise _away(location, error) from error
    try:
        key = int.from_bytes(hashlib.sha256(b"qlit study").digest()[:8], "big", signed=True)
        try:
            connection.execute("SELECT pg_advisory_lock(%s)", (key,))  # closing the connection releases it
        except psycopg.OperationalError as error:  # the server stopped while others held the lock
            raise _away(location, error) from error
        yield
    finally:
        connection.close()  # also if the server has closed it


def _away(location: Location, error: BaseException) -> ConnectionError:
    where = urlsplit(location.url)
    return ConnectionError(
        f"PostgreSQL at {where.hostname or 'its socket'}:{where.port or 5432} refused the connection: "
        f"{scrub(_reason(error))}"
    )


@contextmanager
def claim_lock(location: Location) -> Iterator[None]:
    """Lock for the claim of a trial, if the storage does not make it atomic.

    The first claim in a journal wins, and PostgreSQL locks the row. For SQLite, Optuna reads and changes the state in
    two separate steps.
    """
    if location.path is None or location.is_journal:
        yield
        return
    with file_lock(Path(f"{location.path}.claim.lock")):
        yield


def this_host() -> str:
    return socket.gethostname()
