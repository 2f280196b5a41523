"""Operations of an inference, from the counts of a head."""

import pytest
import torch
from torch import nn

from qlit.heads import (
    GateNoise,
    Head,
    HybridHead,
    LinearHead,
    LogisticRegressionHead,
    MLPHead,
    PrincipalComponents,
    ReuploadingPQC,
    SimulatedQuantumEncoder,
    SVCHead,
)
from qlit.jobs.estimates.operations import operations_of


def hybrid(**pqc):
    def encoder(num_outputs):
        return SimulatedQuantumEncoder(num_outputs, num_qubits=4, connectivity=1, num_layers=1)

    return HybridHead(encoder, ReuploadingPQC(3, num_reuploads=1, **pqc))


def gates_of(module):
    return 4 * module.circuit.num_one_qubit_gates + 8 * module.circuit.num_two_qubit_gates


class Unknown(Head):
    def __init__(self):
        super().__init__()
        self.num_classes, self.weight = 2, nn.Parameter(torch.zeros(5))

    def forward(self, embeddings_BD):
        return embeddings_BD[:, :1]

    def check_features(self, num_features): ...


def test_circuits_count_by_their_amplitudes_and_gates_and_layers_by_their_parameters():
    head = hybrid()
    expected = 2**4 * gates_of(head.encoder) + 2**3 * gates_of(head.pqc) + 2 * 2
    assert operations_of(head) == expected
    assert operations_of(LinearHead(num_features=10)) == 2 * 11
    assert operations_of(MLPHead(num_features=10, num_hidden_layers=1, hidden_dim=4)) == 2 * (44 + 10)
    assert operations_of(LogisticRegressionHead(num_features=10)) == 2 * 11


def test_components_count_by_the_features_of_the_embeddings():
    def encoder(num_outputs):
        return SimulatedQuantumEncoder(num_outputs, num_qubits=4, connectivity=1, num_layers=1)

    head = HybridHead(encoder, ReuploadingPQC(3, num_reuploads=1), preprocessing=PrincipalComponents(num_components=7))
    assert operations_of(head) is None
    assert operations_of(head, 20) == operations_of(hybrid()) + 2 * 7 * 20
    regression = LogisticRegressionHead(num_features=10, preprocessing=PrincipalComponents(num_components=4))
    assert operations_of(regression) == 2 * 5 + 2 * 4 * 10


def test_noise_counts_every_run_of_an_evaluation():
    noise = GateNoise(p1=1e-3, p2=1e-3, training="trajectories", evaluation="trajectories")
    noisy, exact = hybrid(noise=noise), hybrid()
    once = 2**3 * gates_of(exact.pqc)
    assert operations_of(noisy) - operations_of(exact) == once * (noisy.pqc.noise.runs(training=False) - 1) > 0


@pytest.mark.parametrize("make", [SVCHead, Unknown])
def test_what_is_not_known_is_not_guessed(make):
    assert operations_of(make()) is None
