"""States of a trained head against its own exact outputs and the dense twin."""

from functools import partial

import numpy as np
import pytest
import torch
from tolerances import ENGINE_ATOL
from torch import nn

from qlit.engines.reference import unitary
from qlit.heads import (
    HybridHead,
    LinearHead,
    NeuralEncoder,
    ParallelEncoders,
    ProjectedEncoder,
    ReuploadingPQC,
    SimulatedQuantumEncoder,
)
from qlit.jobs.diagnostics import trained_states as module_under_test
from qlit.jobs.diagnostics.trained_states import has_circuits, trained_states, undisturbed

SMALL = partial(SimulatedQuantumEncoder, num_qubits=3, connectivity=1, num_layers=0, init_std=1.0)
ATOL = ENGINE_ATOL[torch.float32]
EMBEDDINGS = torch.randn(6, 8, generator=torch.Generator().manual_seed(1))


def made(encoder=SMALL, **pqc):
    torch.manual_seed(0)
    return HybridHead(encoder, ReuploadingPQC(2, num_reuploads=2, init_std=1.0, **pqc))


def entanglement_of(states):
    """By partial traces."""
    num_qubits = states.shape[1].bit_length() - 1
    purities = []
    for wire in range(num_qubits):
        parts = np.moveaxis(states.reshape(-1, *[2] * num_qubits), 1 + wire, 1).reshape(len(states), 2, -1)
        reduced = parts @ parts.conj().swapaxes(1, 2)
        purities.append(np.trace(reduced @ reduced, axis1=1, axis2=2).real)
    return 2 * (1 - np.mean(purities, axis=0))


def test_states_are_those_of_the_circuits_without_shots():
    head = made(shots=10, measured_wires=[0, 1])
    found = trained_states(head, EMBEDDINGS)
    exact = made(shots=None, measured_wires=[0, 1])
    with torch.no_grad():
        angles = exact.encoder(EMBEDDINGS)
        z = exact.pqc(angles)
        states = exact.encoder.states(EMBEDDINGS).double().numpy()
    np.testing.assert_allclose(found.angles, angles, rtol=0, atol=ATOL)
    np.testing.assert_allclose(found.z, z, rtol=0, atol=ATOL)
    encoded = states @ unitary(head.encoder.circuit, head.encoder.theta.detach().double().numpy(), np.zeros(0)).T
    np.testing.assert_allclose(found.entanglement["encoder"], entanglement_of(encoded), rtol=0, atol=ATOL)
    theta = head.pqc.theta.detach().double().numpy()
    last = np.stack([unitary(head.pqc.circuit, theta, of_row)[:, 0] for of_row in angles.double().numpy()])
    np.testing.assert_allclose(found.entanglement["pqc"], entanglement_of(last), rtol=0, atol=ATOL)
    assert found.random_entanglement == {"encoder": pytest.approx(6 / 10), "pqc": pytest.approx(2 / 6)}
    assert found.too_wide == []


@pytest.mark.parametrize(
    ("encoder", "names"),
    [
        (partial(ParallelEncoders, num_encoders=2, encoder=SMALL), ["encoder.encoders.0", "encoder.encoders.1", "pqc"]),
        (partial(ProjectedEncoder, num_features=8, num_projected=4, encoder=SMALL), ["encoder.encoder", "pqc"]),
        (partial(NeuralEncoder, num_features=8), ["pqc"]),
    ],
    ids=["parallel", "projected", "neural"],
)
def test_circuits_are_found_inside_other_encoders(encoder, names):
    found = trained_states(made(encoder), EMBEDDINGS)
    assert list(found.entanglement) == names
    assert found.z.shape == found.angles.shape == (6, 2)


def test_a_wide_circuit_is_named_and_left_out(monkeypatch):
    monkeypatch.setattr(module_under_test, "MAX_QUBITS", 2)
    found = trained_states(made(), EMBEDDINGS)
    assert (found.too_wide, list(found.entanglement)) == (["encoder"], ["pqc"])


class Mine(nn.Module):
    """A PQC of one's own, which is no circuit of qlit."""

    num_qubits, num_outputs = 2, 1

    def forward(self, angles):
        return angles[:, :1].cos()


def test_a_pqc_without_a_circuit_has_no_states():
    torch.manual_seed(0)
    head = HybridHead(SMALL, Mine())
    found = trained_states(head, EMBEDDINGS)
    assert (found.z, list(found.entanglement)) == (None, ["encoder"])
    assert has_circuits(head)
    assert not has_circuits(HybridHead(partial(NeuralEncoder, num_features=8), Mine()))
    assert not has_circuits(LinearHead(num_features=8))


def test_modes_and_random_numbers_stay_as_they_are():
    head = made()
    head.train()
    head.encoder.eval()
    before, numbers = [each.training for each in head.modules()], torch.get_rng_state()
    with undisturbed(head):
        assert not any(each.training for each in head.modules())
        torch.randn(3)
    trained_states(head, EMBEDDINGS)
    assert [each.training for each in head.modules()] == before
    assert torch.equal(torch.get_rng_state(), numbers)
    assert not any(each._forward_pre_hooks for each in head.modules())
