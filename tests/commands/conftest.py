"""Fixtures of the tests of several commands."""

import pytest

from qlit.cli import main
from qlit.studies.trials.storage import ENVIRONMENT


@pytest.fixture(scope="module", autouse=True)
def _tables_of_new_stores_are_copied(copied_stores): ...


@pytest.fixture
def said(monkeypatch, capsys):
    """Run `qlit study` in a folder; return its status, standard output and standard error."""

    def run_and_read(folder, *arguments):
        monkeypatch.chdir(folder)
        monkeypatch.delenv(ENVIRONMENT, raising=False)
        status = main(["study", *arguments])
        return status, *capsys.readouterr()

    return run_and_read
