"""Published parameter counts (arXiv:2504.08732, Tables II and III)."""

from functools import partial

import pytest

from qlit.heads import HybridHead, ParallelEncoders, ReuploadingPQC, SimulatedQuantumEncoder


def count(module):
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)


@pytest.mark.parametrize(("num_qubits", "published"), [(10, 353), (12, 423), (14, 493), (18, 633)])
def test_single_encoder_heads(num_qubits, published):
    head = HybridHead(partial(SimulatedQuantumEncoder, num_qubits=num_qubits), ReuploadingPQC(num_qubits))
    assert count(head) == published
    assert (count(head.encoder), count(head.pqc), count(head.linear)) == (28 * num_qubits + 1, 7 * num_qubits, 2)


@pytest.mark.parametrize(("num_qubits", "published"), [(10, 858), (14, 886), (18, 914)])
def test_multi_encoder_heads(num_qubits, published):
    encoder = partial(ParallelEncoders, num_encoders=2, encoder=partial(SimulatedQuantumEncoder, num_qubits=14))
    assert count(HybridHead(encoder, ReuploadingPQC(num_qubits))) == published
