"""`qlit study` with several trials at the same time in a worker: the numbers of trials one by one, and their ends."""

import csv
import io
import os
import signal

import pytest
from commands.runs import finish, slowed, start
from commands.test_study import OVERRIDES, children, wait_for, write

from qlit.cli import main
from qlit.jobs.callbacks.interruption import Interruption
from qlit.studies.trials.storage import ENVIRONMENT

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*treespec, LeafSpec.*:FutureWarning"),  # Lightning 2.6 with torch 2.13
    pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow"),
]

CHANGES = {
    "factors": {"model.lr": [0.005, 1e30, 0.05], "model.head.pqc.num_qubits": [2]},
    "replicates": {"seeds": [0, 1], "splits": [0]},
    "overrides": {**OVERRIDES, "trainer.max_epochs": 4, "model.lr_decay": 0.9},
}


def rows(said, folder):
    """The trainings of a study, by cell and replicate, without what names their runs."""
    status, out, _ = said(folder, "export", "--config", "tiny.yaml")
    assert status == 0
    found = [
        {name: value for name, value in row.items() if name != "run_id"} for row in csv.DictReader(io.StringIO(out))
    ]
    return sorted(found, key=lambda row: (row["model.lr"], row["seed"]))


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """Folders of a study of two trials that diverge and four that do not: one by one, and three at once."""
    folders = []
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(ENVIRONMENT, raising=False)
        for words in ([], ["--trials_at_once", "3"]):
            folder = tmp_path_factory.mktemp("study")
            patch.chdir(folder)
            main(["study", "worker", *write(folder, **CHANGES), *words])
            folders.append(folder)
    return folders


def test_trials_at_once_have_the_numbers_of_trials_one_by_one(both, said):
    alone, together = (rows(said, folder) for folder in both)
    assert len(alone) >= 4
    assert together == alone
    for folder in both:
        ends = sorted(each.info.status for each in children(folder))
        assert ends == ["FAILED"] * 2 + ["FINISHED"] * 4


def test_they_ran_at_the_same_time(both):
    for folder, most in zip(both, (1, 3), strict=True):
        runs = children(folder)
        at_start = [
            sum(each.info.start_time <= other.info.start_time <= each.info.end_time for each in runs) for other in runs
        ]
        assert max(at_start) == most


def test_a_signal_stops_all_of_them_and_they_continue(both, tmp_path, said, monkeypatch):
    original, seen, sent = Interruption.on_train_epoch_start, set(), []

    def interrupted(self, trainer, pl_module):
        seen.add(id(trainer))
        if trainer.current_epoch == 2 and len(seen) == 3 and not sent:
            sent.append(signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGTERM)
        original(self, trainer, pl_module)

    study = write(tmp_path, **CHANGES)
    with monkeypatch.context() as patch:
        patch.setattr(Interruption, "on_train_epoch_start", interrupted)
        status, _, err = said(tmp_path, "worker", *study, "--trials_at_once", "3")
    assert (status, len(sent)) == (128 + signal.SIGTERM, 1), err
    statuses = [each.info.status for each in children(tmp_path)]
    assert statuses.count("KILLED") >= 2
    assert "RUNNING" not in statuses
    assert said(tmp_path, "reap", *study)[1] == "tiny: 0 lost trials, 0 lost runs\n"
    said(tmp_path, "worker", *study, "--trials_at_once", "2")
    assert rows(said, tmp_path) == rows(said, both[0])


def test_all_trials_of_a_killed_worker_are_recovered(tmp_path, said, monkeypatch):
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    slow = {**OVERRIDES, "trainer.max_epochs": 200, "trainer.callbacks": [{"class_path": slowed(tmp_path)}]}
    study = write(tmp_path, factors={"model.lr": [0.005, 0.05]}, replicates={}, overrides=slow)
    command = start(tmp_path, "study", "worker", *study, "--trials_at_once", "2")
    wait_for(lambda: len(list(tmp_path.glob("mlruns/runs/*/last.ckpt"))) == 2, command)
    command.send_signal(signal.SIGKILL)
    finish(command)
    assert said(tmp_path, "reap", *study)[1] == "tiny: 2 lost trials, 3 lost runs\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--trials_at_once", "0"], "`--trials_at_once >= 1` must hold, but got 0"),
        (
            ["--trials_at_once", "2", "--trainer.strategy", "ddp", "--trainer.devices", "2"],
            "tiny trains every trial in 2 processes, of which a worker runs one trial at a time: leave out",
        ),
    ],
    ids=["none", "ddp"],
)
@pytest.mark.parametrize("verb", ["run", "worker"])
def test_what_cannot_be_is_refused(verb, words, message, tmp_path, said):
    status, out, err = said(tmp_path, verb, *write(tmp_path, **CHANGES), "--trainer.accelerator", "cpu", *words)
    assert (status, out) == (2, "")
    assert message in err
