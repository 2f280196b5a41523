"""`qlit study` with two processes per trial: the values of one process, also after kills and stops."""

import csv
import io
import os
import signal

import optuna
import psutil
import pytest
from commands.runs import all_runs, at_full_speed, finish, history, slowed, start
from commands.test_study import OVERRIDES, children, running_processes, wait_for, write
from tolerances import DDP_ATOL

from qlit.cli import main
from qlit.studies.trials.storage import ENVIRONMENT

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*treespec, LeafSpec.*:FutureWarning"),  # Lightning 2.6 with torch 2.13
    pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow"),
]

TWO = {"trainer.strategy": "ddp", "trainer.devices": 2, "trainer.accelerator": "cpu"}
LONG = {**OVERRIDES, "trainer.max_epochs": 40}
ONE_CELL = {"Q": {"keys": "model.head.pqc.num_qubits", "values": [2]}}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The folder of two finished studies of one cell: `alone` in one process, `tiny` in two."""
    folder = tmp_path_factory.mktemp("undisturbed")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv(ENVIRONMENT, raising=False)
        for name, overrides in (("alone", LONG), ("tiny", {**LONG, **TWO})):
            file = write(folder, f"{name}.yaml", factors=ONE_CELL, replicates={}, overrides=overrides)
            assert main(["study", "worker", *file]) == 0
    return folder


def row(said, folder, name):
    """The one training of a study, as its scores by name."""
    status, out, _ = said(folder, "export", "--config", f"{name}.yaml")
    assert status == 0
    (found,) = csv.DictReader(io.StringIO(out))
    return {key: value for key, value in found.items() if key != "run_id"}


def test_two_processes_give_the_values_of_one(undisturbed, said):
    alone, together = (row(said, undisturbed, name) for name in ("alone", "tiny"))
    assert alone.keys() == together.keys() >= {"cell", "val/accuracy", "test/accuracy", "gates", "num_test"}
    assert alone.pop("cell") == together.pop("cell")
    for name, value in alone.items():
        assert float(together[name]) == pytest.approx(float(value), abs=DDP_ATOL), name
    (trained,) = children(undisturbed)
    assert {each.info.status for each in all_runs(undisturbed, "tiny")} == {"FINISHED"}
    assert trained.data.tags["study.trial"] == "0"
    assert trained.data.tags["qlit.pid"] != str(os.getpid())


def processes_in(folder):
    found = []
    for process in psutil.process_iter():
        try:
            if process.cwd() == str(folder) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return [process for process in found if process.pid != os.getpid()]


def test_a_killed_rank_and_a_stopped_command_lose_nothing(undisturbed, tmp_path, said, monkeypatch):
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    callbacks = {"trainer.callbacks": [{"class_path": slowed(tmp_path)}]}
    study = write(tmp_path, factors=ONE_CELL, replicates={}, overrides={**LONG, **TWO, **callbacks})
    command = start(tmp_path, "study", "run", *study, "--workers", "1")
    wait_for((tmp_path / "mlruns" / "mlflow.db").exists, command)
    wait_for(lambda: list(tmp_path.glob("mlruns/runs/*/last.ckpt")), command)
    ((first, run_id),) = [(int(each.data.tags["qlit.pid"]), each.info.run_id) for each in children(tmp_path)]
    (other,) = psutil.Process(first).children()
    other.kill()
    # The trial is tried again, in new processes and the same run.
    wait_for(lambda: running_processes(tmp_path) - {first}, command)
    assert not psutil.pid_exists(first)
    command.send_signal(signal.SIGTERM)
    status, out, err = finish(command)
    assert (status, out) == (143, ""), err
    assert processes_in(tmp_path) == []
    at_full_speed(tmp_path)
    assert {each.info.status for each in all_runs(tmp_path, "tiny")} == {"KILLED"}
    log = (tmp_path / "mlruns" / "studies" / "tiny" / "worker-0.log").read_text()
    assert "trial 0 was lost: rank 1 of its processes was killed by SIGKILL" in log

    status, _, err = said(tmp_path, "worker", *study)
    assert status == 0, err
    (trained,) = children(tmp_path)
    assert trained.info.run_id == run_id
    assert {each.info.status for each in all_runs(tmp_path, "tiny")} == {"FINISHED"}
    assert row(said, tmp_path, "tiny") == row(said, undisturbed, "tiny")
    _, out, _ = said(tmp_path, "status", *study)
    assert "1 of 1 trials done" in out
    assert "rank 1 of its processes was killed by SIGKILL" in out
    assert "stopped by SIGTERM" in out


class AfterTheSecondEpoch(optuna.pruners.BasePruner):
    """Prunes the trial, and ends the study with it."""

    def prune(self, study, trial):
        study.set_user_attr("stop", True)
        return trial.last_step == 1


def test_a_pruner_ends_both_processes(tmp_path, said, monkeypatch):
    monkeypatch.setattr("qlit.studies.trials.opening.pruner_of", lambda _: AfterTheSecondEpoch())
    study = write(
        tmp_path,
        design={"kind": "random", "num_trials": 2},
        overrides={**LONG, **TWO},
        factors={"model.lr": {"low": 1e-3, "high": 1e-2, "log": True}},
        pruner={"kind": "median", "warmup_epochs": 1},
    )
    status, _, err = said(tmp_path, "worker", *study)
    assert status == 0, err
    assert "trial 0: pruned" in err
    (run,) = children(tmp_path)
    assert run.info.status == "FINISHED"
    assert run.data.tags["study.state"] == "pruned"
    assert "test/accuracy" not in run.data.metrics
    assert set(history(tmp_path, run.info.run_id, "train/loss")) == {0, 1}
    assert processes_in(tmp_path) == []
