"""A training as a value: parsed once, hashed, found, run; and every outcome that it can have."""

import dataclasses
import signal
from pathlib import Path

import pytest
import torch
import yaml
from commands.runs import only_run, tiny_head
from tiny_body import make_tiny_body, write_tiny_data

from qlit.jobs import job as module
from qlit.jobs.callbacks.interruption import Interruption
from qlit.jobs.callbacks.pruning import Pruning
from qlit.jobs.job import Job
from qlit.jobs.outcome import Outcome
from qlit.jobs.terminal import quieten
from qlit.runtime.errors import UsageError
from qlit.runtime.interrupts import StoppedBySignal
from qlit.tracking.config_hash import HASH

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*treespec, LeafSpec.*:FutureWarning"),  # Lightning 2.6 with torch 2.13
    pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow"),
]
OF_STUDIES = {"parameters", "gates", "num_validation", "num_test"}
TAGS = {"series.model": "tiny"}


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """A config file of a training of two epochs, which takes a second."""
    folder = tmp_path_factory.mktemp("given")
    config = {
        "seed_everything": 1,
        "trainer": {"max_epochs": 2, "accelerator": "cpu"},
        "tracking": {"experiment": "tiny"},
        "data": {
            "source": str(write_tiny_data(folder / "data.tsv", 80)),
            "body": str(make_tiny_body(folder / "body")),
            "num_per_label": 12,
            "stratified": True,
            "max_test": 8,
        },
        "model": {"head": tiny_head()},
    }
    (folder / "tiny.yaml").write_text(yaml.safe_dump(config))
    return str(folder / "tiny.yaml")


@pytest.fixture
def options(given, tmp_path, monkeypatch):
    """Options of the training; the current folder is empty."""
    monkeypatch.chdir(tmp_path)
    quieten()
    return ["--config", given]


def stops_at(epoch):
    """An interruption by SIGTERM when an epoch begins."""

    class Stops(Interruption):
        def on_train_epoch_start(self, trainer, pl_module):  # noqa: ARG002
            if trainer.current_epoch == epoch:
                raise StoppedBySignal(signal.SIGTERM)

    return Stops()


def test_a_job_is_parsed_and_nothing_else_is_done(options, tmp_path):
    before = torch.get_rng_state()
    made = Job([*options, "--data.body", "/no/such/body", "--model.lr=0.5", "--tracking.run_id", "r"])
    assert (made.config["model"]["lr"], made.config["seed_everything"]) == (0.5, 1)
    assert made.config["trainer"]["max_steps"] == -1, "keys at their defaults are there too"
    assert (made.config["tracking"]["run_id"], made.config["ckpt_path"]) == (None, None)
    assert list(tmp_path.iterdir()) == []
    assert torch.equal(torch.get_rng_state(), before)


def test_an_invalid_or_impossible_job_is_refused_by_its_constructor(options):
    with pytest.raises(UsageError, match=r"unknown option --model.lrr; did you mean '--model.lr'\?"):
        Job([*options, "--model.lrr", "1"])
    with pytest.raises(ValueError, match=r"`trainer.max_epochs >= -1` must hold"):
        Job([*options, "--trainer.max_epochs=-2"])


def test_other_settings_make_another_job_without_parsing(options, monkeypatch):
    made = Job(options)
    monkeypatch.setattr(module, "parse", None)
    contents, config = made.contents, made.config
    other = made.with_settings({"data.seed": 7, "seed_everything": 8, "ckpt_path": "last.ckpt"})
    assert (other.config["data"]["seed"], other.config["seed_everything"]) == (7, 8)
    assert other.hash != made.hash
    assert other.contents is contents, "their runs belong together"
    assert made.config == config


def test_overrides_are_the_values_that_options_type(options, given):
    head = "model.head.pqc"
    typed = [f"--{head}.num_qubits=3", "--model.lr=1e-3", '--tracking.tags={"a": "b"}', f"--{head}.shots", "null"]
    overrides = {f"{head}.num_qubits": 3, "model.lr": 0.001, "tracking.tags": {"a": "b"}, f"{head}.shots": None}
    made = Job(configs=[given], overrides=overrides)
    assert (made.config, made.hash) == (Job([*options, *typed]).config, Job([*options, *typed]).hash)
    assert Job(["--model.lr=0.5"], configs=[given], overrides=overrides).config["model"]["lr"] == 0.5, "options win"


def test_another_process_makes_the_same_job(options):
    made = Job([*options, "--model.lr=0.5"]).with_settings({"data.seed": 7})
    again = Job.from_json(made.to_json())
    assert (again.config, again.contents, again.hash) == (made.config, made.contents, made.hash)


def test_a_finished_training_is_found_by_its_hash_and_by_no_other(options, tmp_path, capsys):
    made = Job(options)
    assert made.find() is None
    assert list(tmp_path.iterdir()) == [], "a store is not made by looking"
    outcome = made.run(tags=TAGS)
    run = only_run(tmp_path, "tiny")
    assert run.data.tags[HASH] == made.hash
    assert run.data.tags.items() >= TAGS.items()
    assert (outcome.status, outcome.run_id, run.info.status) == ("finished", run.info.run_id, "FINISHED")
    assert outcome.scores.keys() > {"val/accuracy", "test/accuracy", *OF_STUDIES}
    assert outcome.scores["test/accuracy"] == run.data.metrics["test/accuracy"]
    assert (outcome.scores["num_validation"], outcome.scores["num_test"]) == (len(run_rows(run, "validation")), 8)
    assert capsys.readouterr().out == "", "only a run of its own ends with a summary"
    with pytest.raises(dataclasses.FrozenInstanceError):
        outcome.status = "failed"

    again = Job(options)
    assert again.find() == Outcome("finished", run.info.run_id)
    found = again.find({"test/accuracy"})
    assert found.scores == {name: value for name, value in outcome.scores.items() if name not in OF_STUDIES}
    assert again.find(OF_STUDIES) is None, "a run without them is trained again"
    assert again.with_settings({"seed_everything": 2}).find() is None
    assert Job([*options, "--model.lr=0.5"]).find() is None
    assert Job([*options, "--tracking.experiment=other"]).find() is None


def run_rows(run, part):
    return range(int(run.data.tags[f"data.num_{part}"]))


def test_a_stopped_training_is_found_and_continues(options, tmp_path):
    made = Job(options)
    outcome = made.run(interruption=stops_at(1))
    run = only_run(tmp_path, "tiny")
    assert (outcome.status, outcome.stopped_by) == ("stopped", signal.SIGTERM)
    assert (outcome.run_id, run.info.status) == (run.info.run_id, "KILLED")
    assert Path(outcome.checkpoint).samefile(tmp_path / "mlruns" / "runs" / run.info.run_id / "last.ckpt")

    found = Job(options).find()
    assert (found.status, found.run_id) == ("stopped", run.info.run_id)
    assert Path(found.checkpoint).samefile(outcome.checkpoint)
    resumed = made.with_settings({"ckpt_path": found.checkpoint})
    assert resumed.hash == made.hash
    ended = resumed.run()
    assert (ended.status, ended.run_id) == ("finished", run.info.run_id)
    assert Job(options).find() == Outcome("finished", run.info.run_id)

    over = resumed.run()
    assert (over.status, over.run_id, over.scores) == ("finished", run.info.run_id, {})
    assert over.reason.startswith(f"nothing to do: {found.checkpoint} has been trained for all of its 2 epochs")


def test_a_training_that_is_stopped_before_its_first_checkpoint_has_none(options):
    outcome = Job(options).run(interruption=stops_at(0))
    assert (outcome.status, outcome.checkpoint) == ("stopped", "")
    assert Job(options).find() is None


def test_a_diverged_training_fails_and_is_found_as_that(options, tmp_path):
    made = Job([*options, "--model.lr=1e30"])
    outcome = made.run(tags=TAGS)
    run = only_run(tmp_path, "tiny")
    assert (outcome.status, outcome.run_id, run.info.status) == ("failed", run.info.run_id, "FAILED")
    assert outcome.scores == {}
    assert "diverged" in outcome.reason
    assert made.find() == Outcome("failed", run.info.run_id, reason=outcome.reason)


def test_a_pruned_training_is_not_found(options, tmp_path):
    asked = []

    def give_up(epoch, scores):
        asked.append((epoch, scores["val/accuracy"]))
        return True

    made = Job(options)
    outcome = made.run(tags=TAGS, pruning=Pruning(give_up))
    run = only_run(tmp_path, "tiny")
    assert (outcome.status, outcome.run_id, run.info.status) == ("pruned", run.info.run_id, "FINISHED")
    assert asked == [(0, outcome.scores["val/accuracy"])]
    assert outcome.scores.keys() > {"val/loss", *OF_STUDIES}
    assert not [name for name in outcome.scores if name.startswith("test/")]
    assert run.data.tags["study.state"] == "pruned"
    assert made.find() is None


def test_a_training_of_a_study_is_found_with_all_its_scores(options):
    made = Job(options)
    outcome = made.run(tags=TAGS, pruning=Pruning(None))
    assert outcome.status == "finished"
    assert made.find(outcome.scores) == outcome


def test_data_that_change_after_the_look_up_are_not_trained_on(options, tmp_path):
    data = write_tiny_data(tmp_path / "own.tsv", 80)
    made = Job([*options, f"--data.source={data}"])
    assert made.find() is None
    assert made.hash
    write_tiny_data(data, 90)
    with pytest.raises(ValueError, match="The data changed after this command had looked for earlier runs"):
        made.run(tags=TAGS)
