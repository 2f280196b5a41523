"""Many parameters at once give what the dense twin gives one by one."""

import numpy as np
import pytest
import torch
from tolerances import DENSE_ATOL, ENGINE_ATOL

from qlit.circuits import Circuit, cnot, crz, encoder_circuit, h, reuploading_circuit, rx, ry, rz, x
from qlit.engines import ReferenceEngine, ensembles
from qlit.engines.ensembles import bloch_vectors, fidelities, z_gradients
from qlit.engines.reference import _X, _Y, _Z, on_register, unitary

CIRCUITS = {
    "encoder": encoder_circuit(3, connectivity=2, num_layers=1),
    "pqc": reuploading_circuit(3, 2, 1, 0, 1),  # shares parameters and angles
    "complex": Circuit(
        2,
        (
            *(h(0), rx(1, value=0.3), crz(0, 1, parameter=0), rz(1, angle=0), x(1)),
            *(ry(0, parameter=1), cnot(0, 1), rx(0, parameter=0)),
        ),
    ),
}
every_circuit = pytest.mark.parametrize("name", CIRCUITS)
NUM_SAMPLES = 7
ATOL = ENGINE_ATOL[torch.float64]


def drawn(circuit, seed=0):
    generator = torch.Generator().manual_seed(seed)
    parameters, angles = (
        2 * torch.pi * torch.rand(NUM_SAMPLES, number, generator=generator, dtype=torch.float64)
        for number in (circuit.num_parameters, circuit.num_angles)
    )
    return parameters, angles if circuit.num_angles else None


def states_of(circuit, parameters, angles, initial=None):
    """Final states by the dense twin."""
    found = []
    for sample in range(NUM_SAMPLES):
        given = np.zeros(0) if angles is None else angles[sample].numpy()
        of_sample = parameters if parameters.dim() == 1 else parameters[sample]
        matrix = unitary(circuit, of_sample.numpy(), given)
        found.append(matrix[:, 0] if initial is None else matrix @ initial[sample].numpy())
    return np.stack(found)


def bloch_of(states):
    num_qubits = states.shape[1].bit_length() - 1
    found = np.zeros((len(states), num_qubits, 3))
    for wire in range(num_qubits):
        for axis, pauli in enumerate((_X, _Y, _Z)):
            matrix = on_register(num_qubits, {wire: pauli})
            found[:, wire, axis] = np.einsum("sn,nm,sm->s", states.conj(), matrix, states).real
    return found


@pytest.fixture(autouse=True)
def _chunks_are_small(monkeypatch):
    monkeypatch.setattr(ensembles, "_AMPLITUDES", 24)  # 3 samples of 3 qubits


@every_circuit
def test_bloch_vectors_are_those_of_the_dense_twin(name):
    circuit = CIRCUITS[name]
    parameters, angles = drawn(circuit)
    expected = bloch_of(states_of(circuit, parameters, angles))
    np.testing.assert_allclose(bloch_vectors(circuit, parameters, angles_SA=angles), expected, rtol=0, atol=ATOL)
    assert (np.abs(expected[:, :, 1]).max() > 0.1) == (name == "complex")


@every_circuit
def test_bloch_vectors_of_one_vector_of_parameters_and_of_initial_states(name):
    circuit = CIRCUITS[name]
    parameters, angles = drawn(circuit)
    generator = torch.Generator().manual_seed(1)
    initial = torch.randn(NUM_SAMPLES, 2**circuit.num_qubits, generator=generator, dtype=torch.float64)
    initial /= initial.norm(dim=1, keepdim=True)
    expected = bloch_of(states_of(circuit, parameters[0], angles, initial))
    found = bloch_vectors(circuit, parameters[0], angles_SA=angles, state_SN=initial)
    np.testing.assert_allclose(found, expected, rtol=0, atol=ATOL)


@every_circuit
def test_fidelities_are_those_of_the_dense_twin(name):
    circuit = CIRCUITS[name]
    (ones, angles), (others, other_angles) = drawn(circuit), drawn(circuit, seed=1)
    pairs = states_of(circuit, ones, angles), states_of(circuit, others, other_angles)
    expected = np.abs((pairs[0].conj() * pairs[1]).sum(axis=1)) ** 2
    found = fidelities(circuit, ones, others, angles_SA=angles, other_angles_SA=other_angles)
    np.testing.assert_allclose(found, expected, rtol=0, atol=ATOL)
    same = fidelities(circuit, ones, ones, angles_SA=angles, other_angles_SA=angles)
    np.testing.assert_allclose(same, np.ones(NUM_SAMPLES), rtol=0, atol=ATOL)


@every_circuit
def test_gradients_are_those_of_the_dense_twin(name):
    circuit, twin = CIRCUITS[name], ReferenceEngine()
    parameters, angles = drawn(circuit)
    found = z_gradients(circuit, parameters, 1, angles_SA=angles)
    for sample, gradient in enumerate(found):
        given = parameters[sample].clone().requires_grad_()
        one = None if angles is None else angles[sample : sample + 1]
        twin.expectation(circuit, given, angles=one, wires=(1,)).sum().backward()
        torch.testing.assert_close(gradient, given.grad, rtol=0, atol=ATOL)


def test_a_circuit_without_angles_has_one_state_and_no_gradients():
    circuit, none = Circuit(2, (h(0), cnot(0, 1))), torch.zeros(5, 0, dtype=torch.float64)
    np.testing.assert_allclose(bloch_vectors(circuit, none), np.zeros((5, 2, 3)), rtol=0, atol=DENSE_ATOL)
    assert fidelities(circuit, none, none).tolist() == [1] * 5
    assert z_gradients(circuit, none, 0).shape == (5, 0)


def test_too_many_qubits_are_refused():
    circuit = Circuit(30, tuple(ry(wire, parameter=wire) for wire in range(30)))
    for compute in (bloch_vectors, lambda *given: fidelities(*given, given[1]), lambda *given: z_gradients(*given, 0)):
        with pytest.raises(ValueError, match="at most 24 qubits, but this one has 30"):
            compute(circuit, torch.zeros(2, 30))
