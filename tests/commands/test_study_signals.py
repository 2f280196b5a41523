"""A signal in every stage of `qlit study run` and `worker`: the exit status shows it, and nothing is left running."""

import os
import signal

import pytest
from commands.runs import all_runs, write_tiny_study

from qlit.jobs.callbacks.interruption import Interruption
from qlit.jobs.study import run as study_run
from qlit.jobs.study.supervisor import Supervisor
from qlit.reports import study_record
from qlit.studies.trials.trials import Trials

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*treespec, LeafSpec.*:FutureWarning"),  # Lightning 2.6 with torch 2.13
    pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow"),
]

STAGES = {
    "queueing": ("worker", Trials, "_queue"),
    "own run": ("worker", Trials, "note_holder"),
    "training": ("worker", Interruption, "on_train_epoch_start"),
    "report": ("worker", study_record, "record_study"),
    "embedding": ("run", study_run, "embed"),
    "workers": ("run", Supervisor, "run"),
}


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    folder = tmp_path_factory.mktemp("given")
    return ["--config", str(write_tiny_study(folder, [0.01], max_epochs=2))]


@pytest.mark.parametrize("stage", STAGES)
def test_a_signal_in_any_stage_leaves_nothing_running(given, tmp_path, said, monkeypatch, stage):
    verb, owner, name = STAGES[stage]
    number = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)[list(STAGES).index(stage) % 3]
    original, sent = getattr(owner, name), []

    def interrupted(*arguments, **options):
        if not sent:
            sent.append(number)
            os.kill(os.getpid(), number)
        return None if owner is Supervisor else original(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, interrupted)
        status, out, err = said(tmp_path, verb, *given, *(["--workers", "1"] if verb == "run" else []))
    assert (status, out, sent) == (128 + number, "", [number]), err
    assert f"stopped by {number.name}" in err.splitlines()[-1]
    assert said(tmp_path, "reap", *given)[1] == "tiny: 0 lost trials, 0 lost runs\n"
    if (tmp_path / "mlruns" / "mlflow.db").exists():
        assert {each.info.status for each in all_runs(tmp_path, "tiny")} <= {"FINISHED", "KILLED"}
    if stage == "training":
        assert said(tmp_path, "worker", *given)[0] == 0  # goes on
