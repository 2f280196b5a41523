"""Fixtures of the whole suite."""

import os

import pytest

# Before anything imports torch: many short parallel loops on few cores, beside other processes (see qlit/cli.py).
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


@pytest.fixture(scope="session", autouse=True)
def _embeddings_of_this_session(tmp_path_factory):
    """Embeddings are kept for the session, beside nobody's own; child processes inherit it."""
    before = os.environ.get("QLIT_CACHE")
    os.environ["QLIT_CACHE"] = str(tmp_path_factory.mktemp("embeddings"))
    yield
    if before is None:
        del os.environ["QLIT_CACHE"]
    else:
        os.environ["QLIT_CACHE"] = before
