"""Fixtures of the whole suite."""

import os

import pytest

# Before anything imports torch: many short parallel loops on few cores, beside other processes (see qlit/cli.py).
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
if num_workers := int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "0")):  # pytest-xdist's workers share the cores
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, len(os.sched_getaffinity(0)) // num_workers)))


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


@pytest.fixture(scope="session")
def _memories_of_the_process():
    """What modules remember between two calls of one process, which a test must not hand to the next."""
    from qlit.commands import summary
    from qlit.runtime import part_file, secrets
    from qlit.studies import lost
    from qlit.training import contents

    return [secrets._known, contents._known, part_file._swept, lost._seen, summary._told]


@pytest.fixture(autouse=True)
def _every_test_starts_like_a_new_process(_memories_of_the_process):
    yield
    for memory in _memories_of_the_process:
        memory.clear()
