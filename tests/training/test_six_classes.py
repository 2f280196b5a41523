"""A set of six classes, built by hand, through quantum, neural and scikit-learn heads."""

from functools import partial

import pytest
import torch
from tiny_body import EMBEDDING_DIM
from training.small import trainer

from qlit.heads import (
    HybridHead,
    LinearHead,
    LogisticRegressionHead,
    MLPHead,
    NeuralEncoder,
    ReuploadingPQC,
    SimulatedQuantumEncoder,
    SVCHead,
)
from qlit.training.datamodule import SentenceDataModule
from qlit.training.module import SentenceClassifier

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*treespec, LeafSpec.*:FutureWarning",  # Lightning 2.6 with torch 2.13
)
WORDS = ("good", "bad", "dull", "fine", "not", "very")
ENDS = ("film", "the film", "it was", "a film", "the", "was it", "film it", "it", "was", "a", "it film", "the the")
K = len(WORDS)


@pytest.fixture
def six(body, tmp_path):
    """12 sentences of each of six labels: 45 train, 15 validate, 12 test."""
    rows = [f"{word} {end}\t{word}" for word in WORDS for end in ENDS]
    (tmp_path / "six.tsv").write_text("\n".join(["text\tlabel", *rows]) + "\n")
    settings = {"num_per_label": 10, "train_fraction": 0.75, "seed": 1, "batch_size": 5}
    return SentenceDataModule(str(tmp_path / "six.tsv"), body=str(body), **settings)


def quantum(encoder):
    pqc = ReuploadingPQC(4, num_reuploads=1, measured_wires=range(4), init_std=0.5)
    return HybridHead(encoder, pqc, num_classes=K)


HEADS = {
    "quantum": lambda: quantum(partial(SimulatedQuantumEncoder, num_qubits=4, connectivity=3, pad_with=0.7)),
    "neural encoder": lambda: quantum(partial(NeuralEncoder, num_features=EMBEDDING_DIM, hidden_dim=12)),
    "neural head": lambda: MLPHead(num_features=EMBEDDING_DIM, hidden_dim=12, batch_norm=True, num_classes=K),
    "linear head": lambda: LinearHead(num_features=EMBEDDING_DIM, num_classes=K),
    "logistic regression": lambda: LogisticRegressionHead(num_features=EMBEDDING_DIM, num_classes=K),
    "svc": lambda: SVCHead(num_classes=K),
}


@pytest.mark.parametrize("name", HEADS)
def test_six_classes_are_learnt_and_scored(six, name):
    torch.manual_seed(0)
    module = SentenceClassifier(HEADS[name](), lr=5e-2)
    running = trainer(max_epochs=20 if list(module.head.parameters()) else 1)
    running.fit(module, six)
    (scores,) = running.test(module, six, verbose=False)
    assert {f"test/{score}" for score in ("loss", "accuracy", "f1", "auroc", "calibration_error")} <= scores.keys()
    assert scores["test/accuracy"] > 0.5  # chance is 1 / 6
    assert scores["test/auroc"] > 0.8
    assert module.scores_of("test").confusion_counts().shape == (K, K)
