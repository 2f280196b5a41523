"""Numbers that belong to one version of the numerics, in reference_numbers.json.

Where a comparison with them fails and the new numbers are right, raise `NUMERICS` in src/qlit/engines/numerics.py, put
the version and the new numbers into the file, and add its digest to `DIGESTS`. Otherwise runs that were made before are
taken for runs of today. A change that no number here notices gets a number that does.
"""

import hashlib
import json
import math
from functools import partial
from pathlib import Path

import lightning.pytorch as pl
import pytest
import torch
from engines.test_conformance import ENGINES
from training.small import head, trainer

from qlit.circuits import DepolarizingNoise, reuploading_circuit
from qlit.data import draw_split, load_texts
from qlit.engines import AutoEngine, DensityMatrixEngine, ReferenceEngine
from qlit.engines.numerics import NUMERICS
from qlit.heads import (
    Centering,
    GateNoise,
    LogisticRegressionHead,
    NeuralEncoder,
    ProjectedEncoder,
    ReuploadingPQC,
    SimulatedQuantumEncoder,
)
from qlit.training.checkpoints.best_and_last import BestAndLast
from qlit.training.evaluation import selection_of
from qlit.training.module import SentenceClassifier

pytestmark = pytest.mark.filterwarnings("ignore:.*treespec, LeafSpec.*:FutureWarning")  # Lightning 2.6, torch 2.13

RECORDED = json.loads(Path(__file__).with_name("reference_numbers.json").read_text(encoding="utf-8"))
REFERENCE = RECORDED["numbers"]

# Digest of the reference numbers of every version. A line stays as it is, unless numbers were only added.
DIGESTS = {1: "b45cdf1caa06da15"}

EXACT = {"abs": 1e-7}  # float64 on any machine; the file has nine digits
RANKED = [(0.5, 0.1), (0.75, 0.9), (0.75, 0.4)]  # accuracy and loss, from worst to best
TRAINED = {"abs": 1e-3}  # float32 and many steps: by far more than rounding


def waves(*shape, start=0.0, dtype=torch.float64):
    """Numbers between -1 and 1 that no random generator makes."""
    return torch.sin(start + 0.7 * torch.arange(math.prod(shape), dtype=dtype)).reshape(shape)


def numbers(*tensors):
    return torch.cat([tensor.detach().flatten().double() for tensor in tensors]).tolist()


def set_weights(module):
    for k, weights in enumerate(module.parameters()):
        weights.data = waves(*weights.shape, start=k)
    return module


def outputs_and_gradients(module, *inputs):
    outputs = module(*inputs)
    weights = list(module.parameters())
    return numbers(outputs, *torch.autograd.grad((outputs * waves(*outputs.shape)).sum(), weights))


def digest(numbers_by_name):
    return hashlib.sha256(json.dumps(numbers_by_name, sort_keys=True).encode()).hexdigest()[:16]


def test_the_numbers_are_those_of_this_version():
    assert RECORDED["numerics"] == NUMERICS, "reference_numbers.json is of another version than NUMERICS: renew it"


def test_numbers_and_version_change_together():
    assert max(DIGESTS) == NUMERICS, "NUMERICS was raised: add the digest of its reference numbers"
    assert digest(REFERENCE) == DIGESTS[NUMERICS], "the reference numbers of this version changed: raise NUMERICS"
    assert len(set(DIGESTS.values())) == len(DIGESTS), "two versions have the same reference numbers"


@pytest.mark.parametrize("name", REFERENCE["split"])
def test_the_same_sentences_and_labels_are_drawn(name):
    options = {"all": {}, "max_test": {"max_test": 50}, "stratified": {"stratified": True}}[name]
    texts = load_texts("sample")
    split = draw_split(texts, num_per_label=40, train_fraction=0.8, seed=3, **options)
    assert [texts.fingerprint, split.fingerprint] == REFERENCE["split"][name]


@pytest.mark.parametrize("engine", [ReferenceEngine(), AutoEngine(), *ENGINES], ids=lambda engine: engine.name)
def test_every_engine_has_the_same_values_and_gradients(engine):
    circuit = reuploading_circuit(3, 2, 1, 1, 2)
    parameters, angles = waves(circuit.num_parameters).requires_grad_(), waves(2, 3, start=1.0).requires_grad_()
    values = engine.expectation(circuit, parameters, angles=angles)
    gradients = torch.autograd.grad((values * waves(2, 3, start=2.0)).sum(), [parameters, angles])
    assert numbers(values, *gradients) == pytest.approx(REFERENCE["circuit"], **EXACT)


def test_gate_noise_has_the_same_values():
    circuit = reuploading_circuit(2, 1, 1, 1, 1)
    noise = DepolarizingNoise(p1=0.01, p2=0.02)
    values = DensityMatrixEngine().expectation(
        circuit, waves(circuit.num_parameters), angles=waves(2, 2, start=1.0), noise=noise
    )
    assert numbers(values) == pytest.approx(REFERENCE["noise"], **EXACT)


@pytest.mark.parametrize("name", REFERENCE["encoder"])
def test_encoders_have_the_same_outputs_and_gradients(name):
    encoder = {
        "simulated": lambda: SimulatedQuantumEncoder(2, num_qubits=3, connectivity=2, num_layers=1),
        "neural": lambda: NeuralEncoder(2, num_features=6, hidden_dim=3),
        "projected": lambda: ProjectedEncoder(
            2, num_features=6, num_projected=4, encoder=partial(SimulatedQuantumEncoder, num_qubits=2, connectivity=1)
        ),
    }[name]()
    embeddings = waves(3, 6, start=1.0)
    if name == "simulated":
        centering = Centering().double()
        centering.fit(embeddings[:2])
        embeddings = centering(embeddings)
    found = outputs_and_gradients(set_weights(encoder.double()), embeddings)
    assert found == pytest.approx(REFERENCE["encoder"][name], **EXACT)


@pytest.mark.parametrize("name", REFERENCE["pqc"])
def test_the_pqc_has_the_same_outputs_and_gradients_with_equal_seeds(name):
    options = {
        "exact": {"shots": None},
        "shots": {"shots": 100},
        "full register": {"shots": 100, "register": "full"},
        "gate errors": {"shots": None, "noise": GateNoise(p1=0.2, p2=0.2, training="trajectories")},
    }[name]
    pqc = set_weights(ReuploadingPQC(3, num_reuploads=2, connectivity=2, measured_wires=(0, 2), **options).double())
    pqc.seed_shots(seed=7, first_row=1, num_rows=4)
    assert outputs_and_gradients(pqc, waves(2, 3, start=1.0)) == pytest.approx(REFERENCE["pqc"][name], **EXACT)


def test_the_same_scores_are_reached(data):
    pl.seed_everything(3, verbose=False)
    module, running = SentenceClassifier(head(), lr=0.05, lr_decay=0.9), trainer(max_epochs=3)
    running.fit(module, data(seed=1))
    (tested,) = running.test(module, data(seed=1), verbose=False)
    found = {
        "first epoch": [module.history[name][0][1] for name in ("train/loss", "val/loss", "val/accuracy")],
        "last epoch": [module.history[name][-1][1] for name in ("train/loss", "val/loss", "val/accuracy")],
        "test": [tested[f"test/{name}"] for name in ("loss", "accuracy", "f1", "auroc", "calibration_error")],
    }
    assert found.keys() == REFERENCE["training"].keys()
    for name, values in found.items():
        assert values == pytest.approx(REFERENCE["training"][name], **TRAINED), name


def test_the_same_epoch_is_the_best(data, tmp_path):
    pl.seed_everything(3, verbose=False)
    module, keeping = SentenceClassifier(head(), lr=0.2, lr_decay=0.9), BestAndLast()
    keeping.dirpath = str(tmp_path)
    trainer(max_epochs=2, enable_checkpointing=True, callbacks=[keeping]).fit(module, data(seed=3))
    found = [keeping.best.epoch, *(keeping.best.scores[f"val/{name}"] for name in ("accuracy", "loss", "selection"))]
    assert found == pytest.approx(REFERENCE["best epoch"], **TRAINED)
    ranked = [selection_of(torch.tensor(accuracy), torch.tensor(loss), 7) for accuracy, loss in RANKED]
    assert numbers(*ranked) == pytest.approx(REFERENCE["selection"], **EXACT)


def test_a_head_that_is_fitted_once_gets_the_same_logits():
    embeddings, labels = waves(12, 3, start=1.0, dtype=torch.float32), torch.arange(12) % 3
    fitted = LogisticRegressionHead(num_features=3, num_classes=3)
    fitted.fit(embeddings, labels)
    assert numbers(fitted(embeddings[:2])) == pytest.approx(REFERENCE["fitted once"], **TRAINED)
