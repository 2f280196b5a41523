"""`qlit reap` ends runs whose process was killed, and nothing else."""

import pytest
from mlflow import MlflowClient

from qlit.cli import main
from qlit.tracking.tracker import MLflowTracker

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow")


@pytest.fixture
def client(folder):
    return MlflowClient(f"sqlite:///{folder}/mlruns/mlflow.db")


@pytest.fixture
def trackers(client):
    """An open run, with another one of a process that is gone and one of another machine."""
    made = [MLflowTracker(experiment=name) for name in ("a", "b", "c")]
    for tracker in made:
        tracker.start()
    client.set_tag(made[1].run_id, "qlit.pid", "999999999")
    client.set_tag(made[2].run_id, "qlit.host", "node7")
    client.set_tag(made[2].run_id, "qlit.pid", "42")
    for tracker in made[1:]:
        tracker._run.log.release()
    yield made
    for tracker in made:
        tracker.close()


def status(client, tracker):
    return client.get_run(tracker.run_id).info.status


def test_runs_of_dead_processes_end_and_the_others_are_listed(client, trackers, capsys):
    alive, dead, elsewhere = trackers
    pid = client.get_run(alive.run_id).data.tags["qlit.pid"]
    assert main(["reap"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert sorted(out.splitlines()) == sorted(
        [
            f"run {alive.run_id}: is trained by process {pid} of this machine",
            f"run {dead.run_id}: KILLED",
            f"run {elsewhere.run_id}: RUNNING, by process 42 of node7, which cannot be checked here",
        ]
    )
    assert [status(client, each) for each in trackers] == ["RUNNING", "KILLED", "RUNNING"]
    assert "ended without a word" in client.get_run(dead.run_id).data.tags["error"]


def test_a_named_run_of_another_machine_ends_and_one_that_is_trained_here_does_not(client, trackers, capsys):
    alive, dead, elsewhere = trackers
    assert main(["reap", elsewhere.run_id]) == 0
    assert capsys.readouterr().out == f"run {elsewhere.run_id}: KILLED\n"
    assert status(client, elsewhere) == "KILLED"
    assert main(["reap", elsewhere.run_id]) == 0
    assert "has ended before; nothing is changed" in capsys.readouterr().out
    assert main(["reap", alive.run_id]) == 1
    assert "of this machine: stop it, which ends the run" in capsys.readouterr().err
    assert [status(client, each) for each in (alive, dead)] == ["RUNNING", "RUNNING"]


def test_one_experiment_and_names_that_do_not_exist(client, trackers, capsys):
    assert main(["reap", "--experiment", "c"]) == 0
    assert capsys.readouterr().out.startswith(f"run {trackers[2].run_id}: RUNNING")
    assert status(client, trackers[1]) == "RUNNING"
    assert main(["reap", "--experiment", "none"]) == 1
    assert "There is no experiment 'none' in MLflow at sqlite:///" in capsys.readouterr().err
    assert main(["reap", "nosuch"]) == 1
    assert "There is no run 'nosuch'" in capsys.readouterr().err


def test_a_run_of_other_tools_and_an_empty_store(client, capsys, tmp_path, monkeypatch):
    run = client.create_run("0")
    assert main(["reap"]) == 0
    assert capsys.readouterr().out == f"run {run.info.run_id}: RUNNING, and was not made by qlit\n"
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    assert main(["reap"]) == 0
    assert capsys.readouterr().out.startswith("No run in MLflow at sqlite:///")
    assert not list((tmp_path / "empty").iterdir())
