"""PostgreSQL that is stopped, or crashes, and comes back while four workers work: each cell once, none lost."""

import time
from collections import Counter

import pytest
from optuna.trial import TrialState
from servers import PostgresServer
from studies.small import start_worker, trials_of

from qlit.studies.trials.storage_retry import retry_storage


@pytest.fixture(scope="module")
def server():
    if reason := PostgresServer.missing():
        pytest.skip(reason)
    server = PostgresServer()
    yield server
    server.remove()


def is_untold(trial):
    return "qlit.pid" not in trial.user_attrs


def test_a_server_that_comes_back_is_waited_for(server, tmp_path):
    workers = [start_worker(tmp_path, server.url, "patient") for _ in range(4)]
    try:
        for worker in workers:
            assert worker.stdout.readline() == "ready\n"
        for worker in workers:
            worker.stdin.write("go\n")
            worker.stdin.flush()
        trials = retry_storage(lambda: trials_of(tmp_path, server.url))
        for mode in ("fast", "immediate"):
            done = retry_storage(trials.counts)["complete"]
            deadline = time.monotonic() + 60
            while retry_storage(trials.counts)["complete"] < done + 3:
                assert time.monotonic() < deadline
                time.sleep(0.05)
            server.stop(mode)
            time.sleep(0.5)
            server.start()
        said = [worker.communicate(timeout=120)[0] for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
            worker.communicate()
    assert [worker.returncode for worker in workers] == [0] * 4
    # A server that crashes after it noted that a trial is taken, and before it could say so to the worker, leaves it to
    # nobody: it is missed after a while, and tried again.
    found = [trial for trial in retry_storage(trials.all) if not (trial.state == TrialState.FAIL and is_untold(trial))]
    assert {trial.state for trial in found} == {TrialState.COMPLETE}
    cells = Counter((trial.user_attrs["cell"], tuple(trial.user_attrs["replicate"])) for trial in found)
    assert len(cells) == 16
    assert set(cells.values()) == {1}
    assert sum(map(int, said)) == 16
    trials.close()
