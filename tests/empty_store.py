"""MLflow's tables in new SQLite databases: copied, because MLflow's migrations take longer than a small training."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path


class CopiedFrom:
    """The database that `copied_tables` copies now."""

    database: Path | None = None


@contextmanager
def copied_tables(database: Path | None) -> Iterator[None]:
    """While entered, let MLflow copy the tables of a new SQLite database.

    Args:
        database: One that has them and nothing else; None to let MLflow create them.
    """
    from mlflow.store.db import utils

    create, before = utils._initialize_tables, CopiedFrom.database

    def copy(engine):
        if database is None or engine.dialect.name != "sqlite":
            create(engine)
            return
        try:
            with closing(sqlite3.connect(database)) as source, closing(engine.raw_connection()) as connection:
                source.backup(connection.driver_connection)
        except sqlite3.Error:  # a folder or disk that refuses it: the error must be MLflow's
            create(engine)

    utils._initialize_tables, CopiedFrom.database = copy, database
    try:
        yield
    finally:
        utils._initialize_tables, CopiedFrom.database = create, before
