"""Storage: what is safe is opened, what is not is refused with a reason."""

from types import SimpleNamespace

import pytest

from qlit.studies.trials import storage
from qlit.studies.trials.storage import ENVIRONMENT, location_of, open_storage


def test_a_journal_under_mlruns_is_the_default(tmp_path, monkeypatch):
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    monkeypatch.chdir(tmp_path)
    place = location_of(None, "table_06")
    assert place.path == tmp_path / "mlruns" / "studies" / "table_06.journal"
    assert place.is_journal
    assert place.is_one_machines
    assert place.dashboard_argument == str(place.path)


def test_the_environment_names_a_storage_whose_password_is_in_no_file(monkeypatch):
    monkeypatch.setenv(ENVIRONMENT, "postgresql://me:secret@db/qlit")
    place = location_of(None, "s")
    assert place.url == "postgresql+psycopg://me:secret@db/qlit"
    assert not place.is_one_machines
    assert "secret" not in place.dashboard_argument
    assert location_of("sqlite:///x.db", "s").path is not None  # the study file's own comes first


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("redis://x", "must start with journal:, sqlite:/// or postgresql://, but got 'redis://x'"),
        ("mysql://u:secret@x/d", "but got 'mysql://\\*\\*\\*@x/d'"),
        ("sqlite:///:memory:", "a database in memory"),
        ("sqlite:///", "a database in memory"),
        ("journal:", "must start with"),
    ],
)
def test_other_storages_are_refused(given, sentence):
    with pytest.raises(ValueError, match=sentence):
        location_of(given, "s")


@pytest.mark.parametrize("given", ["journal:/data/x.journal", "sqlite:////data/x.db"])
def test_a_file_system_of_several_machines_is_refused(monkeypatch, given):
    parts = [SimpleNamespace(mountpoint="/", fstype="ext4"), SimpleNamespace(mountpoint="/data", fstype="nfs4")]
    monkeypatch.setattr(storage.psutil, "disk_partitions", lambda all: parts)  # noqa: A006, ARG005
    with pytest.raises(ValueError, match="is on nfs4, where file locks are not reliable"):
        location_of(given, "s")
    assert location_of(given.replace("/data", "/home"), "s").path is not None


def test_a_file_of_something_else_is_refused(tmp_path):
    for name, prefix, sentence in (
        ("x.journal", "journal:", "is not a journal of Optuna"),
        ("x.db", "sqlite:///", "Optuna cannot keep trials in .*x.db: "),
    ):
        (tmp_path / name).write_text("something else\n" * 100)
        with pytest.raises(ValueError, match=sentence):
            open_storage(location_of(f"{prefix}{tmp_path / name}", "s"))


def test_a_server_that_does_not_answer_is_told():
    pytest.importorskip("psycopg")
    with pytest.raises(ConnectionError, match=r"PostgreSQL at 127.0.0.1:1 refused the connection") as error:
        open_storage(location_of("postgresql://me:secret@127.0.0.1:1/qlit", "s"))
    assert "secret" not in str(error.value)
