import math

import numpy as np
import pytest
from tolerances import SHOT_SIGMAS

from qlit.circuits import Circuit, DepolarizingNoise, cnot, ry
from qlit.engines.pauli_errors import PauliErrors

CIRCUIT = Circuit(3, (ry(0, parameter=0), cnot(0, 1), ry(1, parameter=1), cnot(1, 2), ry(2, parameter=0)))
NOISE = DepolarizingNoise(0.1, 0.3)
NUM_ROWS = 40_000


def assert_frequency(happened, probability):
    """A frequency over independent rows is within 5 standard deviations of its probability."""
    tolerance = SHOT_SIGMAS * math.sqrt(probability * (1 - probability) / len(happened))
    assert happened.mean() == pytest.approx(probability, abs=tolerance)


def test_every_gate_fails_as_often_as_it_should():
    errors = PauliErrors(CIRCUIT, NOISE).drawn(NUM_ROWS, np.random.default_rng(0))
    for k, gate in enumerate(CIRCUIT):
        assert_frequency(errors[:, k] > 0, NOISE.probability(gate))


def test_gates_fail_independently():
    errors = PauliErrors(CIRCUIT, NOISE).drawn(NUM_ROWS, np.random.default_rng(1)) > 0
    assert_frequency(~errors.any(axis=1), NOISE.error_free_probability(CIRCUIT))
    assert_frequency(errors[:, 1] & errors[:, 3], 0.3 * 0.3)
    assert_frequency(errors[:, 0] & errors[:, 1] & ~errors[:, 2], 0.1 * 0.3 * 0.9)


@pytest.mark.parametrize(("gate", "num_paulis", "probability"), [(0, 3, 0.1), (1, 15, 0.3)])
def test_every_pauli_is_as_likely(gate, num_paulis, probability):
    codes = PauliErrors(CIRCUIT, NOISE).drawn(NUM_ROWS, np.random.default_rng(2))[:, gate]
    assert set(np.unique(codes)) == set(range(num_paulis + 1))
    for code in range(1, num_paulis + 1):
        assert_frequency(codes == code, probability / num_paulis)


@pytest.mark.parametrize("num_each", [1, 4])
def test_with_at_least_one_error_the_rest_is_as_likely_as_before(num_each):
    source = PauliErrors(CIRCUIT, NOISE)
    errors = source.at_least_one(NUM_ROWS // num_each, num_each, np.random.default_rng(3)) > 0
    assert errors.shape == (NUM_ROWS, len(CIRCUIT))
    assert errors.any(axis=1).all()
    for k, gate in enumerate(CIRCUIT):
        assert_frequency(errors[:, k], NOISE.probability(gate) / source.error_probability)
    both = NOISE.probability(CIRCUIT.gates[1]) * NOISE.probability(CIRCUIT.gates[4]) / source.error_probability
    assert_frequency(errors[:, 1] & errors[:, 4], both)


@pytest.mark.parametrize("rates", [(1.0, 0.0), (0.0, 1.0), (1.0, 1.0), (0.0, 0.4)])
def test_certain_and_impossible_errors(rates):
    noise = DepolarizingNoise(*rates)
    source, rng = PauliErrors(CIRCUIT, noise), np.random.default_rng(4)
    for errors in (source.drawn(500, rng), source.at_least_one(100, 5, rng)):
        for k, gate in enumerate(CIRCUIT):
            if noise.probability(gate) in (0, 1):
                assert ((errors[:, k] > 0) == noise.probability(gate)).all()
