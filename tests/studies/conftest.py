"""Storages that tests of trials are run on."""

import os

import pytest

from qlit.studies.trials.storage import close_storage, open_storage

# A PostgreSQL server is tried too where one is named: postgresql://USER:PASSWORD@HOST:PORT/DATABASE.
SERVERS = [url for url in [os.environ.get("QLIT_TEST_POSTGRESQL")] if url]
STORAGES = ["journal", "sqlite", *SERVERS]


@pytest.fixture(params=STORAGES, ids=lambda storage: storage.partition(":")[0])
def storage(request):
    return request.param


@pytest.fixture(autouse=True)
def _connections_are_closed(monkeypatch):
    opened = []

    def open_and_note(place):
        opened.append(open_storage(place))
        return opened[-1]

    monkeypatch.setattr("qlit.studies.trials.trials.open_storage", open_and_note)
    yield
    for each in opened:
        close_storage(each)
