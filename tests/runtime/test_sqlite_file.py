"""SQLite files: damaged ones are refused in one sentence, others are left to whoever opens them."""

import random
import sqlite3
from contextlib import closing

import pytest

from qlit.runtime.sqlite_file import check_database


@pytest.fixture
def database(tmp_path):
    path = tmp_path / "some.db"
    with closing(sqlite3.connect(path)) as connection:
        for number in range(40):
            connection.execute(f"CREATE TABLE t{number} (a INTEGER PRIMARY KEY, b TEXT NOT NULL)")
        connection.commit()
    return path


def test_whole_and_empty_databases_are_accepted(database, tmp_path):
    check_database(database, "The database")
    (tmp_path / "empty.db").touch()
    check_database(tmp_path / "empty.db", "The database")


def test_a_locked_database_is_left_to_who_opens_it(database):
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        check_database(database, "The database")


@pytest.mark.parametrize("size", [100, 1024, 4096, 5000])
def test_a_truncated_database_is_refused(database, size):
    database.write_bytes(database.read_bytes()[:size])
    with pytest.raises(ValueError, match=f"The database {database} is damaged .* Restore it from a backup"):
        check_database(database, "The database")


def test_a_text_is_refused(database):
    database.write_text("hello " * 1000)
    with pytest.raises(ValueError, match="is not a database"):
        check_database(database, "The database")


def test_damage_gives_one_sentence_or_nothing(database):
    whole, draw = database.read_bytes(), random.Random(0)
    said = []
    for _ in range(200):
        content = bytearray(whole)
        for _ in range(20):
            content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        database.write_bytes(content)
        try:
            check_database(database, "The database")
        except ValueError as error:
            said.append(str(error))
    assert len(said) > 20
    assert max(map(len, said)) < 300 + len(str(database))
