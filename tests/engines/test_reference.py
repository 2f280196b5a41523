"""The dense twin against the definitions themselves."""

import numpy as np
import pytest
import torch
from engines.cases import CIRCUITS, random_inputs
from tolerances import DENSE_ATOL, FINITE_DIFFERENCE_ATOL

from qlit.circuits import Circuit, cnot, ry, x, z
from qlit.engines import ReferenceEngine
from qlit.engines.reference import gate_matrix, unitary


def test_ry_is_the_papers_matrix():
    c, s = np.cos(0.35), np.sin(0.35)
    np.testing.assert_allclose(gate_matrix(ry(0, parameter=0), 1, 0.7), [[c, -s], [s, c]], atol=DENSE_ATOL)


def test_cnot_flips_the_target_where_the_control_is_one_and_wire_0_is_the_most_significant_bit():
    moved = [int(np.argmax(gate_matrix(cnot(0, 2), 3)[:, k].real)) for k in range(8)]
    assert moved == [0, 1, 2, 3, 5, 4, 7, 6]
    moved = [int(np.argmax(gate_matrix(cnot(2, 1), 3)[:, k].real)) for k in range(8)]
    assert moved == [0, 3, 2, 1, 4, 7, 6, 5]


def test_x_and_z_are_paulis_and_one_after_the_other_they_are_y_up_to_its_phase():
    flip, sign = gate_matrix(x(0), 1), gate_matrix(z(0), 1)
    np.testing.assert_array_equal(flip, [[0, 1], [1, 0]])
    np.testing.assert_array_equal(sign, [[1, 0], [0, -1]])
    np.testing.assert_array_equal(unitary(Circuit(1, (x(0), z(0))), np.zeros(0), np.zeros(0)), [[0, 1], [-1, 0]])  # iY
    assert [int(np.argmax(gate_matrix(x(1), 3)[:, k].real)) for k in range(8)] == [2, 3, 0, 1, 6, 7, 4, 5]
    np.testing.assert_array_equal(np.diag(gate_matrix(z(0), 2)), [1, 1, -1, -1])


@pytest.mark.parametrize("circuit", CIRCUITS.values(), ids=CIRCUITS.keys())
def test_the_matrix_is_orthogonal(circuit):
    inputs = random_inputs(circuit, 1, dtype=torch.float64, with_state=False)
    angles = np.zeros(0) if inputs.angles is None else inputs.angles[0].detach().numpy()
    matrix = unitary(circuit, inputs.parameters.detach().numpy(), angles)
    np.testing.assert_allclose(matrix.imag, 0, atol=DENSE_ATOL)
    np.testing.assert_allclose(matrix.conj().T @ matrix, np.eye(2**circuit.num_qubits), atol=DENSE_ATOL)


def test_a_bell_state_by_hand():
    """RY(pi / 2) and CNOT on |00>: both outcomes 00 and 11 with probability one half, both <Z> zero."""
    circuit = Circuit(2, (ry(0, parameter=0), cnot(0, 1)))
    theta = torch.tensor([torch.pi / 2], dtype=torch.float64)
    joint = ReferenceEngine().probabilities(circuit, theta)
    torch.testing.assert_close(joint, torch.tensor([[0.5, 0, 0, 0.5]], dtype=torch.float64))
    torch.testing.assert_close(ReferenceEngine().expectation(circuit, theta), torch.zeros(1, 2, dtype=torch.float64))


def test_gradients_agree_with_central_differences():
    circuit = CIRCUITS["re-uploading, dense"]
    inputs = random_inputs(circuit, 2, dtype=torch.float64, with_state=True)
    engine = ReferenceEngine()

    def total():
        return engine.expectation(circuit, inputs.parameters, angles=inputs.angles, state=inputs.state)[:, :2].sum()

    gradients = torch.autograd.grad(total(), inputs.leaves)
    with torch.no_grad():
        for leaf, gradient in zip(inputs.leaves, gradients, strict=True):
            flat = leaf.view(-1)
            for k in range(0, len(flat), 5):
                kept, values = flat[k].item(), []
                for shifted in (kept + 1e-5, kept - 1e-5):
                    flat[k] = shifted
                    values.append(total())
                flat[k] = kept
                difference = (values[0] - values[1]) / 2e-5
                torch.testing.assert_close(gradient.view(-1)[k], difference, rtol=0, atol=FINITE_DIFFERENCE_ATOL)
