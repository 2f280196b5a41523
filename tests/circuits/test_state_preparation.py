import numpy as np
import pytest
import torch
from tolerances import DENSE_ATOL

from qlit.circuits.state_preparation import real_state_preparation
from qlit.engines.reference import unitary


def random_state(num_qubits, seed=0):
    state = np.random.default_rng(seed).normal(size=2**num_qubits)
    return state / np.linalg.norm(state)


STATES = {
    **{f"random, {q} qubits": random_state(q, seed=q) for q in (1, 2, 3, 5, 7)},
    "|00>": np.eye(4)[0],
    "-|11>": -np.eye(4)[3],
    "mostly zeros": np.array([0, 0, 0, 0.6, 0, 0, -0.8, 0]),
    "alternating signs": np.array([1, -1, -1, 1, 1, 1, -1, -1]) / 8**0.5,
    "float32": torch.nn.functional.normalize(torch.linspace(-1, 2, 16), dim=0).numpy(),
}


@pytest.mark.parametrize("state", STATES.values(), ids=STATES.keys())
def test_the_circuit_makes_the_state_from_zero(state):
    circuit, angles = real_state_preparation(state)
    made = unitary(circuit, angles, np.zeros(0))[:, 0]
    np.testing.assert_allclose(made, state / np.linalg.norm(state.astype(float)), rtol=0, atol=DENSE_ATOL)


@pytest.mark.parametrize("num_qubits", [1, 4, 9])
def test_gates_are_counted(num_qubits):
    circuit, angles = real_state_preparation(random_state(num_qubits))
    assert circuit.num_one_qubit_gates == circuit.num_parameters == len(angles) == 2**num_qubits - 1
    assert circuit.num_two_qubit_gates == 2**num_qubits - 2


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        ([1.0], r"2\*\*Q amplitudes, Q >= 1, but got shape \(1,\)"),
        ([0.6, 0.0, 0.8], r"but got shape \(3,\)"),
        (np.eye(2), r"but got shape \(2, 2\)"),
        ([1.0, 1.0], r"has norm 1, but this one has 1\.41"),
        ([np.nan, 0.0], "has norm 1, but this one has nan"),
    ],
)
def test_what_is_no_statevector_is_refused(state, sentence):
    with pytest.raises(ValueError, match=sentence):
        real_state_preparation(state)
