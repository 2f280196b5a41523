"""Exact depolarising noise against the sum over all Paulis, written out with dense complex matrices."""

import numpy as np
import pytest
import torch
from engines.cases import GENERAL_CIRCUITS, random_circuit, random_general_circuit, random_inputs
from engines.errors import depolarised

from qlit.circuits import Circuit, DepolarizingNoise, ansatz, cnot, encoder_circuit, reuploading_circuit, ry, x, z
from qlit.engines import DensityMatrixEngine, PennyLaneEngine, memory
from qlit.engines.reference import gate_matrix

ENGINE = DensityMatrixEngine()
NOISE = DepolarizingNoise(0.03, 0.11)


def twin(circuit, noise, parameters, angles, state):
    """Probabilities of all outcomes of one sample, shape (N,): rho -> (1 - p) rho + p / n * sum of n Paulis."""
    rho = np.outer(state, state).astype(np.complex128)
    for gate in circuit:
        theta = 0.0
        if gate.is_rotation and gate.value is not None:
            theta = gate.value
        elif gate.is_rotation:
            theta = parameters[gate.parameter] if gate.angle is None else angles[gate.angle]
        matrix = gate_matrix(gate, circuit.num_qubits, theta)
        rho = depolarised(matrix @ rho @ matrix.conj().T, gate, noise, circuit.num_qubits)
    return np.diag(rho).real.copy()


def numpy_inputs(inputs, batch_size, num_qubits):
    state = (
        np.eye(1, 2**num_qubits).repeat(batch_size, axis=0) if inputs.state is None else inputs.state.detach().numpy()
    )
    angles = np.zeros((batch_size, 0)) if inputs.angles is None else inputs.angles.detach().numpy()
    return inputs.parameters.detach().numpy(), angles, state


@pytest.mark.parametrize("with_state", [True, False], ids=["state", "zero state"])
@pytest.mark.parametrize(
    "circuit",
    [
        Circuit(1, (ry(0, parameter=0),)),
        Circuit(2, (ry(0, parameter=0), cnot(0, 1))),
        Circuit(3, (ry(2, angle=0), cnot(2, 0), x(1), z(2), cnot(1, 0), ry(0, parameter=0))),
        ansatz(4, 2, 1),
        reuploading_circuit(4, 2, 1, 1, 1),
        *(random_circuit(seed) for seed in (0, 3, 5)),
        *(GENERAL_CIRCUITS[name] for name in ("controlled rotations", "fixed and other angles", "real")),
        *(random_general_circuit(seed) for seed in (1, 2, 4)),
    ],
    ids=lambda circuit: f"{circuit.num_qubits} qubits, {len(circuit)} gates",
)
def test_values_are_those_of_the_sum_over_all_paulis(circuit, with_state):
    inputs = random_inputs(circuit, 2, dtype=torch.float64, with_state=with_state)
    options = {"angles": inputs.angles, "state": inputs.state, "noise": NOISE}
    joint = ENGINE.probabilities(circuit, inputs.parameters, **options)
    parameters, angles, states = numpy_inputs(inputs, 2, circuit.num_qubits)
    for b in range(len(joint)):
        expected = torch.from_numpy(twin(circuit, NOISE, parameters, angles[b], states[b]))
        torch.testing.assert_close(joint[b], expected, rtol=0, atol=1e-12)
    wires = range(circuit.num_qubits)
    values = ENGINE.expectation(circuit, inputs.parameters, **options)
    outcomes = joint.reshape(-1, *[2] * circuit.num_qubits)
    for wire in wires:
        zero, one = outcomes.unbind(1 + wire)
        torch.testing.assert_close(values[:, wire], (zero - one).reshape(len(joint), -1).sum(dim=1), rtol=0, atol=1e-12)


def test_gradients_are_those_of_the_sum_over_all_paulis():
    circuit = reuploading_circuit(3, 2, 1, 1, 1)
    inputs = random_inputs(circuit, 1, dtype=torch.float64, with_state=False)
    total = ENGINE.expectation(circuit, inputs.parameters, angles=inputs.angles, noise=NOISE, wires=[1]).sum()
    by_parameters, by_angles = torch.autograd.grad(total, inputs.leaves)
    parameters, angles, states = numpy_inputs(inputs, 1, 3)

    def z_of_wire_1(parameters, angles_A):
        joint = twin(circuit, NOISE, parameters, angles_A, states[0]).reshape(2, 2, 2)
        return joint[:, 0].sum() - joint[:, 1].sum()

    step = 1e-5
    for place, gradient in ((parameters, by_parameters), (angles[0], by_angles[0])):
        for k in range(len(place)):
            before = place[k]
            place[k] = before + step
            high = z_of_wire_1(parameters, angles[0])
            place[k] = before - step
            low = z_of_wire_1(parameters, angles[0])
            place[k] = before
            assert gradient[k].item() == pytest.approx((high - low) / (2 * step), abs=1e-9)


@pytest.mark.parametrize(
    "circuit",
    [reuploading_circuit(5, 2, 1, 1, 1), encoder_circuit(4, connectivity=3, num_layers=1)],
    ids=["PQC", "sQE"],
)
def test_values_and_gradients_are_those_of_pennylanes_mixed_states(circuit):
    inputs = random_inputs(circuit, 2, dtype=torch.float64, with_state=circuit.num_angles == 0)
    found = []
    for engine in (ENGINE, PennyLaneEngine("default.mixed")):
        values = engine.expectation(circuit, inputs.parameters, angles=inputs.angles, state=inputs.state, noise=NOISE)
        found.append((values, *torch.autograd.grad(values.square().sum(), inputs.leaves)))
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-10)


def test_errors_for_certain_leave_no_information():
    """With p1 = 3/4 behind each gate the channel forgets its wire altogether."""
    circuit = Circuit(1, (ry(0, parameter=0),))
    z_value = ENGINE.expectation(circuit, torch.zeros(1, dtype=torch.float64), noise=DepolarizingNoise(0.75, 0))
    assert z_value.item() == pytest.approx(0, abs=1e-15)


def test_density_matrices_beyond_memory_are_refused(monkeypatch):
    monkeypatch.setattr(memory, "_CHECKED_FROM_BYTES", 0)
    circuit = encoder_circuit(12, connectivity=1, num_layers=1)
    parameters = torch.zeros(circuit.num_parameters)
    with pytest.raises(
        ValueError, match=r"density matrices of a batch of 4096 on 12 qubits need 768.0 GiB, but .* Take"
    ):
        ENGINE.expectation(circuit, parameters, state=torch.zeros(1, 4096).expand(4096, -1))
