"""Check SQLite files for damage before they are used."""

import sqlite3
from contextlib import closing
from pathlib import Path

DAMAGED = ("malformed", "is not a database")
"""Words in SQLite's messages about a file with wrong content."""
_SHOWN_CHARS = 80


def check_database(path: Path, name: str) -> None:
    """Raise a ValueError if a file is not an SQLite database or its schema is damaged; an empty file is accepted.

    Damage elsewhere in the file is not found, because this would require reading all of it.

    Args:
        path: An existing file.
        name: Its name in the message, such as "MLflow's database".
    Raises:
        ValueError: If it is damaged.
    """
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.DatabaseError as error:
        if not any(words in str(error) for words in DAMAGED):
            return  # for example a locked or unreadable file; the code that opens it reports that
        raise ValueError(
            f"{name} {path} is damaged ({str(error)[:_SHOWN_CHARS]}). Restore it from a backup, or move it away to "
            "start with an empty one."
        ) from error
