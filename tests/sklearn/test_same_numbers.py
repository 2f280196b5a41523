"""`HeadClassifier` has the weights of `qlit fit`, bit for bit."""

import numpy as np
import pytest
import torch
import yaml

import qlit
from qlit.cli import main
from qlit.sklearn import HeadClassifier
from qlit.training.datamodule import SentenceDataModule

ENCODER = {
    "class_path": "qlit.heads.SimulatedQuantumEncoder",
    "init_args": {"num_qubits": 4, "connectivity": 1, "center": True, "pad_with": 0.1},
}
HYBRID = {
    "class_path": "qlit.heads.HybridHead",
    "init_args": {"encoder": ENCODER, "pqc": {"num_qubits": 2, "shots": 100}},
}
LINEAR = {"class_path": "qlit.heads.LinearHead", "init_args": {"num_features": 8}}
LOGISTIC = {"class_path": "qlit.heads.LogisticRegressionHead", "init_args": {"num_features": 8}}


@pytest.fixture(scope="module", autouse=True)
def _tables_of_new_stores_are_copied(copied_stores): ...


@pytest.fixture
def trained(folder, body, capsys):
    """Train by `qlit fit`; return training and validation rows, and the weights of its two checkpoints."""
    rows = [f"{'good' if k % 2 else 'bad'} {'film' if k % 3 else 'a not'} {k}\t{k % 7 % 2}" for k in range(60)]
    (folder / "few.tsv").write_text("\n".join(["text\tlabel", *rows]) + "\n")
    settings = {"source": str(folder / "few.tsv"), "body": str(body), "num_per_label": 20, "seed": 3, "batch_size": 5}

    def train(head, *, max_epochs, **model):
        config = {
            "seed_everything": 11,
            "trainer": {"accelerator": "cpu", "max_epochs": max_epochs},
            "data": settings,
            "model": {"head": head, **model},
        }
        (folder / "fit.yaml").write_text(yaml.safe_dump(config))
        assert main(["fit", "--config", str(folder / "fit.yaml")]) == 0
        capsys.readouterr()
        data = SentenceDataModule(**settings)
        data.setup("fit")
        (run,) = (folder / "mlruns" / "runs").iterdir()
        files = [torch.load(run / f"{name}.ckpt", weights_only=True) for name in ("best", "last")]
        parts = []
        for name in ("train", "validation"):
            embeddings, _ = data.part(name)
            labels = [data.texts.label_names[data.texts.labels[k]] for k in getattr(data.split, name)]
            parts += [embeddings.numpy(), labels]
        return parts, files

    return train


def assert_same(classifier, checkpoint):
    saved = {name.removeprefix("head."): value for name, value in checkpoint["state_dict"].items()}
    ours = classifier.head_.state_dict()
    assert ours.keys() == saved.keys()
    for name, value in saved.items():
        assert torch.equal(ours[name], value), name


@pytest.mark.parametrize(
    ("head", "max_epochs", "model"),
    [(HYBRID, 5, {"lr": 0.05, "lr_decay": 0.9}), (LINEAR, 6, {"weight_decay": 0.01}), (LOGISTIC, 1, {})],
    ids=["hybrid", "linear", "logistic"],
)
def test_weights_and_chosen_epoch_are_those_of_fit(trained, head, max_epochs, model):
    (X, y, X_val, y_val), (best, last) = trained(head, max_epochs=max_epochs, **model)
    settings = {"max_epochs": max_epochs, "batch_size": 5, "random_state": 11, "order_seed": 3, **model}
    chosen = HeadClassifier(head, **settings).fit(X, y, X_val, y_val)
    assert_same(chosen, best)
    assert chosen.best_epoch_ == best["epoch"]
    validation = best["qlit"]["validation"]["scores"]
    assert chosen.validation_scores_ == {k: v for k, v in validation.items() if k != "val/selection"}
    assert chosen.history_ == last["qlit"]["history"]
    assert_same(HeadClassifier(head, **settings).fit(X.astype("float64"), y), last)


def test_an_array_in_a_file_trains_the_same_head_as_the_array(folder, capsys):
    X = np.random.default_rng(0).normal(size=(60, 8)).astype(np.float32)
    y = np.where(X[:, 0] > 0, "yes", "no")
    np.save(folder / "X.npy", X)
    np.save(folder / "y.npy", y)
    files = {"embeddings": str(folder / "X.npy"), "labels": str(folder / "y.npy"), "num_per_label": 20}
    options = [f"--data.{name}={value}" for name, value in files.items()]
    trainer = ["--trainer.max_epochs=3", "--trainer.accelerator=cpu", "--seed_everything=5"]
    assert main(["fit", "--model.head=LinearHead", *options, *trainer]) == 0
    capsys.readouterr()
    (run,) = (folder / "mlruns" / "runs").iterdir()
    data = SentenceDataModule(**files)
    data.setup("fit")
    train, validation = data.split.train, data.split.validation
    ours = HeadClassifier(max_epochs=3, random_state=5, order_seed=0).fit(
        X[train], y[train], X[validation], y[validation]
    )
    assert_same(ours, torch.load(run / "best.ckpt", weights_only=True))
    assert np.array_equal(qlit.load(run.name).predict_proba(X), ours.predict_proba(X))


def test_the_seeds_matter(trained):
    (X, y, X_val, y_val), (best, _) = trained(HYBRID, max_epochs=5, lr=0.05)
    settings = {"max_epochs": 5, "batch_size": 5, "lr": 0.05}
    for seeds in ({"random_state": 12, "order_seed": 3}, {"random_state": 11, "order_seed": 4}):
        other = HeadClassifier(HYBRID, **settings, **seeds).fit(X, y, X_val, y_val)
        assert not torch.equal(other.head_.pqc.theta, best["state_dict"]["head.pqc.theta"])
