"""A signal in every stage of `qlit study run` and `worker`: the exit status shows it, and nothing is left running."""

import os
import signal

import pytest
import yaml
from commands.runs import QUICKSTART, all_runs
from tiny_body import make_tiny_body, write_tiny_data

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
    overrides = {
        "trainer.max_epochs": 2, "data.num_per_label": 12, "data.max_test": 8, "model.head.encoder.connectivity": 1,
        "model.head.encoder.num_layers": 0, "model.head.encoder.num_qubits": 3, "model.head.pqc.num_qubits": 2,
        "model.head.pqc.num_reuploads": 1, "data.source": str(write_tiny_data(folder / "data.tsv", 80)),
        "data.body": str(make_tiny_body(folder / "body")),
    }  # fmt: skip
    study = {"base": str(QUICKSTART), "overrides": overrides, "factors": {"model.lr": [0.01]}, "name": "tiny"}
    (folder / "tiny.yaml").write_text(yaml.safe_dump(study))
    return ["--config", str(folder / "tiny.yaml")]


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
