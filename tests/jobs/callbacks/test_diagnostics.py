"""The callback `Diagnostics`: it logs and draws, and changes no number of a training."""

import lightning.pytorch as pl
import numpy as np
import pytest
import torch
import yaml
from commands.runs import client, history, only_run, run_new, tiny_head, weights
from tiny_body import make_tiny_body, write_tiny_data
from tolerances import DDP_ATOL
from training.small import head, trainer

from qlit.cli import main
from qlit.jobs.callbacks import Diagnostics
from qlit.jobs.config.checkpoint_classes import is_listed
from qlit.training.module import SentenceClassifier

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*treespec, LeafSpec.*:FutureWarning",  # Lightning 2.6 with torch 2.13
)
WITH = ["--trainer.callbacks+=qlit.jobs.callbacks.Diagnostics"]
MLP = {"class_path": "qlit.heads.MLPHead", "init_args": {"num_features": 8, "hidden_dim": 4}}
SVC = {"class_path": "qlit.heads.SVCHead"}
GROUPS = ("encoder", "pqc", "linear")
PICTURES = {"gradients.png", "latent_vectors.png", "entanglement.png"}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_tiny_body(tmp_path / "body")
    write_tiny_data(tmp_path / "data.tsv", 60)
    return tmp_path


def config(folder, model_head=None, name="c.yaml", **trainer_options):
    """A config of 18 training, 6 validation and 10 test sentences, with shots."""
    made = {
        "seed_everything": 3,
        "trainer": {"max_epochs": 3, "accelerator": "cpu", "enable_progress_bar": False, **trainer_options},
        "data": {"source": "data.tsv", "body": "./body", "num_per_label": 12, "max_test": 10, "train_fraction": 0.75},
        "model": {"lr": 0.05, "lr_decay": 0.9, "head": model_head or tiny_head()},
        "tracking": {"experiment": "tiny"},
    }
    made["data"]["batch_size"] = 5
    (folder / name).write_text(yaml.safe_dump(made))
    return ["--config", name]


def artifacts(folder, run_id):
    return {item.path for item in client(folder).list_artifacts(run_id)}


def gradients_of(folder, run_id):
    return {
        f"{group}/{quantity}": history(folder, run_id, f"gradient/{group}/{quantity}")
        for group in GROUPS
        for quantity in ("norm", "variance")
    }


class Twin(pl.Callback):
    """All gradients of all steps, by epoch and group."""

    def __init__(self):
        self.found = {}

    def on_before_optimizer_step(self, trainer, pl_module, optimizer):  # noqa: ARG002
        for group in GROUPS:
            parts = [each.grad.flatten().double() for each in getattr(pl_module.head, group).parameters()]
            self.found.setdefault((trainer.current_epoch, group), []).append(torch.cat(parts).numpy())


def test_gradients_are_those_of_every_step_and_group(data):
    twin, module = Twin(), SentenceClassifier(head(), lr=0.05)
    trainer(max_epochs=2, callbacks=[Diagnostics(), twin]).fit(module, data())
    for (epoch, group), steps in twin.found.items():
        assert len(steps) == 4
        norm, variance = (dict(module.history[f"gradient/{group}/{each}"])[epoch] for each in ("norm", "variance"))
        assert norm == pytest.approx(np.mean([np.linalg.norm(each) for each in steps]))
        assert variance == pytest.approx(np.concatenate(steps).var(), rel=1e-9)
    assert len(twin.found) == 6


def test_an_epoch_that_continues_from_a_checkpoint_has_the_sums_before_it():
    torch.manual_seed(0)
    module = SentenceClassifier(head())
    made = trainer()
    whole, first, second = Diagnostics(), Diagnostics(), Diagnostics()

    def step(*callbacks):
        for parameter in module.parameters():
            parameter.grad = torch.randn_like(parameter)
        for callback in callbacks:
            callback.on_before_optimizer_step(made, module, None)

    step(whole, first)
    checkpoint = {}
    first.on_save_checkpoint(made, module, checkpoint)
    made.state.fn = "fit"
    second.on_load_checkpoint(made, module, checkpoint)
    step(whole, second)
    for name, sums in whole._sums.items():
        torch.testing.assert_close(second._sums[name].results(), sums.results())
    made.state.fn = "test"
    second.on_load_checkpoint(made, module, checkpoint)
    assert second._sums["pqc"].steps == 2


def test_a_training_has_the_same_weights_bit_for_bit_and_more_in_its_run(folder, capsys):
    found = []
    for options in ([], WITH):
        assert main(["fit", *config(folder), *options]) == 0
        out, err = capsys.readouterr()
        assert "Diagnostics" not in out + err
        (run,) = [
            each for each in client(folder).search_runs(["1"]) if each.info.run_id not in {one for one, _ in found}
        ]
        found.append((run.info.run_id, run))
    (plain, before), (examined, after) = found
    for name in ("last.ckpt", "best.ckpt"):
        one, two = weights(folder, plain, name), weights(folder, examined, name)
        assert one.keys() == two.keys()
        assert all(torch.equal(value, two[key]) for key, value in one.items())
    assert {key: after.data.metrics[key] for key in before.data.metrics} == before.data.metrics
    assert artifacts(folder, examined) - artifacts(folder, plain) == PICTURES
    for of_group in gradients_of(folder, examined).values():
        assert of_group.keys() == {0, 1, 2}
        assert all(value > 0 for value in of_group.values())
    assert 0 < after.data.metrics["entanglement/pqc"] < 1
    assert 0 < after.data.metrics["entanglement/encoder"] < 1

    # The checkpoint can be used without --allow, and a test draws again.
    best = str(folder / "mlruns" / "runs" / examined / "best.ckpt")
    assert "allow" not in out
    assert main(["predict", best, "a good film"]) == 0
    assert main(["test", "--ckpt_path", best, "--tracking.experiment", "again"]) == 0
    again = only_run(folder, "again").info.run_id
    assert artifacts(folder, again) >= {"latent_vectors.png", "entanglement.png"}
    capsys.readouterr()
    assert main(["test", "--ckpt_path", best, *config(folder, name="without.yaml")]) == 0
    assert capsys.readouterr().err == ""


def test_a_resumed_training_has_the_gradients_of_an_uninterrupted_one(folder):
    assert main(["fit", *config(folder, max_epochs=4), *WITH, "--tracking.experiment", "whole"]) == 0
    assert main(["fit", *config(folder, max_epochs=2), *WITH, "--tracking.experiment", "parts"]) == 0
    run_id = only_run(folder, "parts").info.run_id
    last = str(folder / "mlruns" / "runs" / run_id / "last.ckpt")
    assert main(["fit", "--ckpt_path", last, "--trainer.max_epochs", "4"]) == 0
    whole = gradients_of(folder, only_run(folder, "whole").info.run_id)
    assert gradients_of(folder, run_id) == whole
    assert len(torch.load(last, weights_only=True)["qlit"]["history"]["gradient/pqc/norm"]) == 4


def test_without_a_test_the_last_weights_are_drawn(folder):
    assert main(["fit", *config(folder), *WITH, "--test_after_fit", "false"]) == 0
    assert artifacts(folder, only_run(folder, "tiny").info.run_id) >= PICTURES


def test_a_validation_draws(folder):
    assert main(["fit", *config(folder), "--tracking.experiment", "plain"]) == 0
    best = folder / "mlruns" / "runs" / only_run(folder, "plain").info.run_id / "best.ckpt"
    assert main(["validate", *config(folder), *WITH, "--ckpt_path", str(best), "--tracking.experiment", "scored"]) == 0
    run = only_run(folder, "scored")
    assert artifacts(folder, run.info.run_id) >= {"latent_vectors.png", "entanglement.png"}
    assert 0 < run.data.metrics["entanglement/pqc"] < 1


def test_a_training_that_diverges_is_recorded_as_without_it(folder, capsys):
    assert main(["fit", *config(folder), *WITH, "--model.lr", "1e38"]) == 1
    assert "Diagnostics" not in "".join(capsys.readouterr())
    run = only_run(folder, "tiny")
    assert run.info.status == "FAILED"
    assert "diverged" in run.data.tags


def test_a_search_for_a_learning_rate_leaves_no_trace(folder):
    finder = ["--trainer.callbacks+=LearningRateFinder", "--trainer.callbacks.num_training_steps=20"]
    assert main(["fit", *config(folder), *WITH, *finder]) == 0
    found = gradients_of(folder, only_run(folder, "tiny").info.run_id)
    assert all(of_group.keys() == {0, 1, 2} for of_group in found.values())


def test_a_dry_run_and_a_run_without_a_tracker_do_nothing(folder, capsys):
    assert main(["fit", *config(folder, fast_dev_run=True), *WITH]) == 0
    assert main(["fit", *config(folder, logger=False), *WITH]) == 0
    assert "Diagnostics" not in "".join(capsys.readouterr())
    assert not [*folder.rglob("*.png")]


@pytest.mark.parametrize(
    ("of_head", "sentence", "groups"),
    [
        (MLP, "leaves out latent vectors and entanglement, which MLPHead does not have", True),
        (SVC, "leaves out gradients, latent vectors and entanglement, which SVCHead does not have", False),
    ],
    ids=["mlp", "svc"],
)
def test_a_classical_head_skips_what_it_lacks_and_says_so_once(folder, capsys, of_head, sentence, groups):
    options = [] if groups else ["--trainer.max_epochs", "1"]
    assert main(["fit", *config(folder, of_head), *options, *WITH]) == 0
    out, err = capsys.readouterr()
    assert " ".join((out + err).split()).count(sentence) == 1
    run = only_run(folder, "tiny")
    assert sentence in run.data.tags["notice.diagnostics"]
    assert artifacts(folder, run.info.run_id) & PICTURES == ({"gradients.png"} if groups else set())
    assert any(name.startswith("gradient/") for name in run.data.metrics) == groups


def test_an_error_while_drawing_does_not_fail_the_training(folder, capsys, monkeypatch):
    def refuse(*_):
        raise ValueError("the states do not fit into memory.")

    monkeypatch.setattr("qlit.jobs.callbacks.diagnostics.trained_states", refuse)
    assert main(["fit", *config(folder), *WITH]) == 0
    assert "could not examine the circuits: the states do not fit into memory." in capsys.readouterr().out
    assert only_run(folder, "tiny").info.status == "FINISHED"


def test_a_trainable_body_is_examined_with_its_present_embeddings(folder):
    assert main(["fit", *config(folder), *WITH, "--data.trainable_body", "true"]) == 0
    run = only_run(folder, "tiny")
    assert artifacts(folder, run.info.run_id) >= PICTURES
    assert run.data.metrics["gradient/body/norm"] > 0


def test_two_processes_log_the_gradients_of_one_and_rank_zero_draws(folder):
    two = ["--trainer.strategy", "ddp", "--trainer.devices", "2"]
    for name, options in (("one", []), ("two", two)):
        status, _, err = run_new(folder, "fit", *config(folder), *WITH, *options, "--tracking.experiment", name)
        assert status == 0, err
    runs = [only_run(folder, name) for name in ("one", "two")]
    one, two = (gradients_of(folder, run.info.run_id) for run in runs)
    for name, of_epoch in one.items():
        assert two[name] == pytest.approx(of_epoch, rel=1e-3, abs=DDP_ATOL)
    assert artifacts(folder, runs[1].info.run_id) == artifacts(folder, runs[0].info.run_id) >= PICTURES


def test_bad_input_is_refused_in_one_sentence(folder, capsys):
    assert main(["fit", *config(folder), *WITH, "--trainer.callbacks.max_sentences=1"]) != 0
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "`max_sentences >= 2` must hold, but got max_sentences=1" in err


def test_checkpoints_may_name_it():
    assert is_listed("qlit.jobs.callbacks.Diagnostics")
    assert not is_listed("qlit.jobs.callbacks.recorder.RunRecorder")
