"""Correct the artifact locations of a store that was moved or copied: MLflow's database has absolute paths.

MLflow would search for artifacts in the old place, find none, and create that folder again to write to it.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from qlit.runtime.retry import say

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine


def follow_move(engine: "Engine", root: Path, database: str | None) -> None:
    """Point the experiments and runs of a database to the artifacts below `root`, if the folder was moved there.

    An experiment was moved if artifacts of its runs lie below `root`, in the folder of the same name. It was also moved
    if its runs have no artifacts, and the folder of its location is missing or belongs to another database, of which
    this one is a copy. Locations outside the store that a user chose, and artifacts that stayed in the old place, are
    not changed. If a run was moved, a sentence on standard error says so.

    Args:
        engine: Engine of MLflow's database. The caller holds `creation_lock`, so that no other process does the same.
        root: Local folder of the store.
        database: Name of its SQLite file; None for a server.
    """
    from sqlalchemy import text

    with engine.connect() as connection:
        found = connection.execute(text("SELECT experiment_id, artifact_location FROM experiments")).all()
    elsewhere = [(each, old) for each, location in found if (old := _elsewhere(location, root)) is not None]
    if not elsewhere:
        return
    moved: dict[Path, int] = {}
    with engine.begin() as connection:
        for experiment, old in elsewhere:
            number = _moved(connection, experiment, old, root, database)
            moved[old] = moved.get(old, 0) + number
    for old, number in moved.items():
        if number:
            runs = "1 run" if number == 1 else f"{number} runs"
            say(f"The MLflow store was moved: it now has the artifacts of {runs} in {root / old.name}, not in {old}.")
    _forget_repositories()


def _moved(connection: "Connection", experiment: Any, old: Path, root: Path, database: str | None) -> int:
    """Correct one experiment if it was moved; number of its runs with artifacts below `root`."""
    from sqlalchemy import text

    here = root / old.name
    found = connection.execute(
        text("SELECT run_uuid, artifact_uri FROM runs WHERE experiment_id = :experiment"), {"experiment": experiment}
    ).all()
    in_here = [run for run, _ in found if (here / run).is_dir()]
    if not in_here:
        was_copied = database is not None and (old.parent / database).exists()
        if any((old / run).is_dir() for run, _ in found) or (old.parent.exists() and not was_copied):
            return 0
    connection.execute(
        text("UPDATE experiments SET artifact_location = :location WHERE experiment_id = :experiment"),
        {"location": here.as_uri(), "experiment": experiment},
    )
    for run, uri in found:
        path = _local_path(uri or "")
        if path is None or path.parts[-2:] != (run, "artifacts"):
            continue
        now = root / path.parts[-3] / run
        if now.is_dir() or not path.parent.exists():
            connection.execute(
                text("UPDATE runs SET artifact_uri = :uri WHERE run_uuid = :run"),
                {"uri": (now / "artifacts").as_uri(), "run": run},
            )
    return len(in_here)


def _elsewhere(location: str | None, root: Path) -> Path | None:
    """Local folder of a location, if it is not directly in `root`; otherwise None."""
    path = _local_path(location or "")
    if path is None or path.parent == root or path.parent.resolve() == root.resolve():
        return None
    return path


def _local_path(location: str) -> Path | None:
    parts = urlsplit(location)
    if parts.scheme == "file" and parts.netloc in ("", "localhost"):
        return Path(unquote(parts.path))
    return Path(location) if location.startswith("/") else None


def _forget_repositories() -> None:
    """Clear MLflow's cache of artifact locations in this process."""
    from mlflow.tracking._tracking_service import utils

    utils._artifact_repos_cache.clear()
