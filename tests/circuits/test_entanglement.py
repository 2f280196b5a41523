"""Meyer-Wallach entanglement against known states, and a twin by partial traces."""

import numpy as np
import pytest

from qlit.circuits.entanglement import haar_entanglement, meyer_wallach


def normalised(states):
    return states / np.linalg.norm(states, axis=1, keepdims=True)


def random_states(rng, num_states, num_qubits, *, real=False):
    states = rng.normal(size=(num_states, 2**num_qubits))
    return normalised(states if real else states + 1j * rng.normal(size=states.shape))


def bloch(states):
    """Bloch vectors of all wires, by Pauli matrices on the whole register."""
    num_qubits = states.shape[1].bit_length() - 1
    paulis = [np.array(each) for each in ([[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]])]
    found = np.zeros((len(states), num_qubits, 3))
    for wire, axis in np.ndindex(num_qubits, 3):
        matrix = np.kron(np.kron(np.eye(2**wire), paulis[axis]), np.eye(2 ** (num_qubits - 1 - wire)))
        found[:, wire, axis] = np.einsum("bn,nm,bm->b", states.conj(), matrix, states, optimize=True).real
    return found


def twin(state):
    """Q by density matrices and partial traces."""
    num_qubits = len(state).bit_length() - 1
    purities = []
    for wire in range(num_qubits):
        matrix = np.moveaxis(state.reshape([2] * num_qubits), wire, 0).reshape(2, -1)
        reduced = matrix @ matrix.conj().T
        purities.append(np.trace(reduced @ reduced).real)
    return 2 * (1 - np.mean(purities))


def ghz(num_qubits):
    state = np.zeros((1, 2**num_qubits))
    state[0, [0, -1]] = np.sqrt(0.5)
    return state


@pytest.mark.parametrize("num_qubits", [2, 3, 7])
def test_ghz_states_have_one(num_qubits):
    assert meyer_wallach(bloch(ghz(num_qubits))) == pytest.approx([1], abs=1e-12)


@pytest.mark.parametrize("num_qubits", [1, 2, 5])
def test_product_states_have_zero(num_qubits):
    rng = np.random.default_rng(0)
    state = np.ones(1)
    for qubit in random_states(rng, num_qubits, 1):
        state = np.kron(state, qubit)
    assert meyer_wallach(bloch(state[None])) == pytest.approx([0], abs=1e-12)


@pytest.mark.parametrize("num_qubits", [2, 3, 6])
def test_w_states_have_the_published_value(num_qubits):
    """Tr rho_k^2 = ((n - 1)^2 + 1) / n^2 for every wire."""
    state = np.zeros((1, 2**num_qubits))
    state[0, [2**wire for wire in range(num_qubits)]] = num_qubits**-0.5
    purity = ((num_qubits - 1) ** 2 + 1) / num_qubits**2
    assert meyer_wallach(bloch(state)) == pytest.approx([2 * (1 - purity)])


@pytest.mark.parametrize("real", [False, True])
@pytest.mark.parametrize("num_qubits", [2, 3, 5])
def test_random_states_agree_with_partial_traces_and_with_the_mean_of_haar(num_qubits, real):
    states = random_states(np.random.default_rng(num_qubits), 20_000, num_qubits, real=real)
    found = meyer_wallach(bloch(states))
    assert found[:20] == pytest.approx([twin(state) for state in states[:20]], abs=1e-12)
    error = found.std() / np.sqrt(len(found))
    assert abs(found.mean() - haar_entanglement(num_qubits, real=real)) <= 5 * error


def test_float32_is_computed_in_float64():
    vectors = bloch(random_states(np.random.default_rng(1), 5, 4, real=True))
    assert meyer_wallach(vectors.astype(np.float32)) == pytest.approx(meyer_wallach(vectors), abs=1e-6)


@pytest.mark.parametrize(
    ("vectors", "sentence"),
    [
        (np.zeros((2, 3)), "shape \\(B, W, 3\\)"),
        (np.zeros((2, 0, 3)), "shape \\(B, W, 3\\)"),
        (np.full((1, 1, 3), 0.6), "at most 1"),
        (np.full((1, 1, 3), np.nan), "at most 1"),
    ],
    ids=["shape", "wires", "length", "nan"],
)
def test_other_arrays_are_refused(vectors, sentence):
    with pytest.raises(ValueError, match=sentence):
        meyer_wallach(vectors)
