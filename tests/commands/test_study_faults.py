"""`qlit study` with a killed command and with outages of the MLflow server: the results stay the same."""

import csv
import os
import shutil
import signal
import threading
import warnings

import psutil
import pytest
from commands.runs import all_runs, finish, start
from commands.test_study import OVERRIDES, children, running_processes, wait_for, write
from mlflow import MlflowClient
from servers import MlflowServer

from qlit.cli import main
from qlit.reports import study_record
from qlit.studies.trials.storage import ENVIRONMENT
from qlit.tracking.kept_runs import KeptRuns
from qlit.tracking.tracker import MLflowTracker

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*treespec, LeafSpec.*:FutureWarning"),  # Lightning 2.6 with torch 2.13
    pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow"),
]

FACTORS = {"Q": {"keys": "model.head.pqc.num_qubits", "values": [2, 4]}, "model.lr": [0.005]}
LONG = {"overrides": {**OVERRIDES, "trainer.max_epochs": 60}, "replicates": {}, "factors": FACTORS}


@pytest.fixture
def study(monkeypatch, capsys):
    """Run `qlit study` in a folder; return its status and what it wrote to standard output."""
    monkeypatch.delenv(ENVIRONMENT, raising=False)

    def run(folder, *arguments):
        monkeypatch.chdir(folder)
        status = main(["study", *arguments])
        return status, capsys.readouterr().out

    return run


def table(study, folder, *arguments):
    """The exported row of every training without the id of its run, in a fixed order."""
    status, out = study(folder, "export", *arguments)
    assert status == 0
    rows = [{key: value for key, value in row.items() if key != "run_id"} for row in csv.DictReader(out.splitlines())]
    assert rows
    return sorted(rows, key=lambda row: (row["cell"], row["seed"], row["split"]))


def test_a_killed_command_leaves_no_worker_and_nothing_undone(tmp_path, study):
    killed, undisturbed = tmp_path / "killed", tmp_path / "undisturbed"
    for folder in (killed, undisturbed):
        folder.mkdir()
        arguments = write(folder, **LONG)
    command = start(killed, "study", "run", *arguments, "--workers", "2")
    wait_for(lambda: (killed / "mlruns" / "mlflow.db").exists() and running_processes(killed), command)
    workers = psutil.Process(command.pid).children()
    command.kill()
    assert finish(command)[0] == -signal.SIGKILL
    gone, left = psutil.wait_procs(workers, timeout=60)
    assert (len(gone), left) == (2, [])
    assert {each.info.status for each in children(killed)} <= {"KILLED", "FINISHED"}
    # The study's own run is left, unless a worker that was just beginning has found it.
    status, out = study(killed, "reap", *arguments)
    assert (status, out[:21]) == (0, "tiny: 0 lost trials, ")
    assert "RUNNING" not in {each.info.status for each in all_runs(killed, "tiny")}
    for folder in (killed, undisturbed):
        assert study(folder, "worker", *arguments)[0] == 0
    runs = all_runs(killed, "tiny")
    # The study's own, and one a cell; one that was stopped before its first checkpoint stays KILLED.
    assert sum(each.info.status == "FINISHED" for each in runs) == 3
    assert {each.info.status for each in runs} <= {"FINISHED", "KILLED"}
    assert table(study, killed, *arguments) == table(study, undisturbed, *arguments)


class Outages:
    """Short outages of a server that start before calls of some functions."""

    def __init__(self, server, monkeypatch):
        self.server, self.monkeypatch, self.moments = server, monkeypatch, []

    def before(self, owner, name, *, at=1, kill=False):
        """Start an outage before call number `at` of `owner.name`: the server is killed, or does not answer for 4 s."""
        original, count = getattr(owner, name), 0

        def call(*arguments, **options):
            nonlocal count
            count += 1
            if count == at:
                self.moments.append(name)
                self._begin(kill)
            return original(*arguments, **options)

        self.monkeypatch.setattr(owner, name, call)

    def _begin(self, kill):
        if kill:
            self.server.kill()
            threading.Thread(target=self.server.start).start()  # which takes seconds
            return
        group = self.server.process.pid
        os.killpg(group, signal.SIGSTOP)
        threading.Timer(4.0, lambda: os.killpg(group, signal.SIGCONT)).start()


@pytest.fixture
def server(tmp_path):
    server = MlflowServer(tmp_path)
    server.start()
    yield server
    server.kill()


def test_an_mlflow_server_with_outages_at_the_worst_moments_gets_everything(tmp_path, study, server, monkeypatch):
    arguments = write(tmp_path, replicates={"seeds": [0], "splits": [0, 1]}, factors=FACTORS)
    tracking = ["--tracking.tracking_uri", server.uri]
    assert study(tmp_path, "worker", *arguments)[0] == 0
    undisturbed = table(study, tmp_path, *arguments)
    shutil.rmtree(tmp_path / "mlruns" / "studies")
    outages = Outages(server, monkeypatch)
    outages.before(KeptRuns, "all_finished")  # of the first trial
    outages.before(MlflowClient, "create_run", at=2, kill=True)  # of the same; the first is the study's own
    outages.before(MLflowTracker, "close", at=3)
    outages.before(study_record, "record_study")  # at the end of the study's own run
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        assert study(tmp_path, "worker", *arguments, *tracking)[0] == 0
    assert outages.moments == ["all_finished", "create_run", "close", "record_study"]
    assert table(study, tmp_path, *arguments) == undisturbed
    client = MlflowClient(server.uri)
    runs = client.search_runs([client.get_experiment_by_name("tiny").experiment_id])
    assert [each.info.status for each in runs] == ["FINISHED"] * 5
    for each in runs:
        kept = {item.path for item in client.list_artifacts(each.info.run_id)}
        if "mlflow.parentRunId" in each.data.tags:
            assert {"test_predictions.safetensors", "config.yaml", "checkpoint"} <= kept
            assert {"val/loss", "test/accuracy", "study/parameters"} <= set(each.data.metrics)
        else:
            assert {"study.yaml", "best.txt", "report.html"} <= kept
            assert each.data.metrics["trials/complete"] == 4
    assert [*(tmp_path / "mlruns").rglob("log.cursor")] == []
    assert [*(tmp_path / "mlruns").rglob("rejected.jsonl")] == []
