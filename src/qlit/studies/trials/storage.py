"""Where the trials of studies are kept: a journal file, SQLite or PostgreSQL, opened safely by many workers at once."""

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
# What Optuna raises for a line that is no record.
_NO_RECORD = (ValueError, LookupError, TypeError, AttributeError, AssertionError, OverflowError)
_PROBE_S = 3.0
# File systems of several machines: locks of files and of SQLite do not hold there (SQLite's FAQ, question 5).
_SHARED = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "lustre", "gpfs", "beegfs", "ceph", "glusterfs", "afs", "fuse.sshfs"}


def quieten_optuna() -> None:
    """Let Optuna print warnings and errors alone."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)


@dataclass(frozen=True)
class Location:
    """A place for trials.

    Args:
        url: `journal:PATH`, `sqlite:///PATH` or a PostgreSQL URL; may hold credentials, so it is shown by `scrub`.
        path: The file; None for a server.
    """

    url: str
    path: Path | None

    @property
    def is_journal(self) -> bool:
        return self.url.startswith("journal:")

    @property
    def is_one_machines(self) -> bool:
        """Whether only workers on one machine may use it."""
        return self.path is not None

    @property
    def dashboard_argument(self) -> str:
        """What optuna-dashboard is called with."""
        return str(self.path) if self.is_journal else scrub(self.url)


def location_of(storage: str | None, study_name: str) -> Location:
    """The place that a study file's `storage` names.

    Args:
        storage: `journal:PATH`, `sqlite:///PATH`, `postgresql://..`; None means the environment's QLIT_STUDY_STORAGE,
            which may hold a password that a file should not, or without it a journal file under mlruns/studies/.
        study_name: Names that file.
    Raises:
        ValueError: If trials would not be safe there, or it is of no known kind.
    """
    storage = storage or os.environ.get(ENVIRONMENT, "").strip() or f"journal:mlruns/studies/{study_name}.journal"
    kind, _, rest = storage.partition(":")
    if kind == "journal" and rest:
        return _file(storage, kind, Path(rest))
    if kind == "sqlite" and rest.startswith("///"):
        if rest in ("///", "///:memory:"):
            raise ValueError("Trials must outlive a worker, but `storage` is a database in memory; name a file.")
        return _file(storage, kind, Path(rest.removeprefix("///")))
    if kind.split("+")[0] == "postgresql":
        check_uri(storage, "storage")
        remember(storage)
        # SQLAlchemy's own choice of a driver differs between its versions.
        return Location(f"postgresql+psycopg:{rest}", None)
    raise ValueError(
        f"`storage` must begin with journal:, sqlite:/// or postgresql://, but got {scrub(storage)!r}. Optuna's tables "
        "are tried out on these."
    )


def _file(storage: str, kind: str, path: Path) -> Location:
    path = home_expanded(path).absolute()
    file_system = _file_system(path)
    if file_system in _SHARED:
        raise ValueError(
            f"The storage {storage} lies on {file_system}, where workers' locks do not hold and trials get lost. Use a "
            "local folder, or PostgreSQL for several machines."
        )
    return Location(f"journal:{path}" if kind == "journal" else f"sqlite:///{path}", path)


def _file_system(path: Path) -> str:
    """Type of the file system that a path lies on, or will; empty where that is not known."""
    found = [part for part in psutil.disk_partitions(all=True) if path.is_relative_to(part.mountpoint)]
    return max(found, key=lambda part: len(part.mountpoint)).fstype.lower() if found else ""


def open_storage(location: Location) -> "BaseStorage":
    """Open the storage, made where there is none; safe for workers that start at the same moment.

    Raises:
        ConnectionError: If a server does not answer.
        ValueError: If the file is none of Optuna's, or the server's driver is missing.
    """
    if location.path is not None:
        location.path.parent.mkdir(parents=True, exist_ok=True)
    with setup_lock(location):
        return _opened(location)


def close_storage(storage: "BaseStorage") -> None:
    """Close the connections of a storage; it opens new ones when it is used again."""
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
            raise ValueError(f"{location.path} is no journal of Optuna; name another file for the trials.") from error
    options: dict[str, Any] = {"pool_pre_ping": True}  # a restarted server's old connections are noticed and replaced
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
    """Let readers and a writer work at once, with one flush a change instead of three; the file remembers it."""
    with closing(sqlite3.connect(path, timeout=_BUSY_S)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")


def _reason(error: BaseException) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


@contextmanager
def setup_lock(location: Location) -> Iterator[None]:
    """One process at a time, over all that use this place: on the file's machine, or on the server.

    Optuna creates tables without one: of several workers that start together on an empty database all but one crash.

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
        raise ValueError(
            "PostgreSQL needs the driver psycopg: run `pip install -e '.[postgresql]'` in the clone of qlit."
        ) from error
    plain = location.url.replace("postgresql+psycopg", "postgresql", 1)
    try:
        connection = psycopg.connect(plain, autocommit=True, connect_timeout=int(_PROBE_S))
    except psycopg.OperationalError as error:
        raise _away(location, error) from error
    try:
        key = int.from_bytes(hashlib.sha256(b"qlit study").digest()[:8], "big", signed=True)
        try:
            connection.execute("SELECT pg_advisory_lock(%s)", (key,))  # released when the connection closes
        except psycopg.OperationalError as error:  # the server ends while others have the lock
            raise _away(location, error) from error
        yield
    finally:
        connection.close()  # also one that the server has closed


def _away(location: Location, error: BaseException) -> ConnectionError:
    where = urlsplit(location.url)
    return ConnectionError(
        f"PostgreSQL at {where.hostname or 'its socket'}:{where.port or 5432} does not take the connection: "
        f"{scrub(_reason(error))}"
    )


@contextmanager
def claim_lock(location: Location) -> Iterator[None]:
    """A lock around the claim of a trial where the storage itself does not make that one step.

    A journal's first claim in the file wins, and PostgreSQL locks the row. SQLite has no such lock: Optuna's look at
    the state and its change of it are two steps there.
    """
    if location.path is None or location.is_journal:
        yield
        return
    with file_lock(Path(f"{location.path}.claim.lock")):
        yield


def this_host() -> str:
    return socket.gethostname()
