"""Expressibility against known circuits and distributions."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import quad

from qlit.circuits.expressibility import bin_ends, expressibility, haar_divergence_of_real_states, haar_log_masses


def haar_fidelities(rng, num_fidelities, num_qubits):
    return rng.beta(1, 2**num_qubits - 1, num_fidelities)


@pytest.mark.parametrize("bins", ["width", "mass"])
@pytest.mark.parametrize("num_qubits", [1, 2, 4])
def test_masses_are_integrals_of_the_haar_density(num_qubits, bins):
    size, ends = 2**num_qubits, bin_ends(num_qubits, 10, bins)
    masses = [quad(lambda f: (size - 1) * (1 - f) ** (size - 2), *pair)[0] for pair in pairwise(ends)]
    assert np.exp(haar_log_masses(ends, num_qubits)) == pytest.approx(masses)
    assert sum(masses) == pytest.approx(1)
    if bins == "mass":
        assert masses == pytest.approx([0.1] * 10)


@pytest.mark.parametrize(("num_qubits", "expected"), [(1, np.log(75)), (2, 3 * np.log(75)), (10, 1023 * np.log(75))])
def test_a_circuit_with_one_state_has_the_largest_value(num_qubits, expected):
    """All fidelities are 1, and the last bin has the Haar probability 75 ** -(N - 1); Sim et al. give 4.3 for N = 2."""
    found = expressibility(np.ones(50), num_qubits, np.random.default_rng(0))
    assert found == pytest.approx([expected] * 4)
    found = expressibility(np.ones(50), num_qubits, np.random.default_rng(0), bins="mass")
    assert found == pytest.approx([np.log(75)] * 4)


@pytest.mark.parametrize("bins", ["width", "mass"])
@pytest.mark.parametrize("num_qubits", [1, 3, 8])
def test_haar_random_states_have_zero(num_qubits, bins):
    rng = np.random.default_rng(num_qubits)
    found = expressibility(haar_fidelities(rng, 5000, num_qubits), num_qubits, rng, bins=bins)
    assert found.value < 0.004
    assert found.low == 0
    assert 0 < found.plug_in < 0.02


def test_the_plug_in_is_biased_as_said_and_the_estimate_is_not():
    rng = np.random.default_rng(5)
    found = [expressibility(haar_fidelities(rng, 1000, 2), 2, rng, bins="mass") for _ in range(200)]
    assert np.mean([each.plug_in for each in found]) == pytest.approx(74 / 2000, rel=0.05)
    assert np.mean([each.value for each in found]) < 0.005


def test_intervals_contain_the_divergence_that_they_estimate():
    truth = haar_divergence_of_real_states(2, bins="mass")
    rng = np.random.default_rng(6)
    found = [expressibility(rng.beta(0.5, 1.5, 2000), 2, rng, bins="mass") for _ in range(200)]
    covered = np.mean([each.low <= truth <= each.high for each in found])
    assert 0.9 <= covered <= 0.99
    assert np.mean([each.value for each in found]) == pytest.approx(truth, rel=0.03)


@pytest.mark.parametrize(("num_qubits", "bins"), [(1, "width"), (3, "width"), (3, "mass"), (8, "mass")])
def test_the_limit_of_real_states_is_that_of_random_real_vectors(num_qubits, bins):
    rng = np.random.default_rng(num_qubits)
    pairs = rng.normal(size=(2, 40_000, 2**num_qubits))
    pairs /= np.linalg.norm(pairs, axis=2, keepdims=True)
    found = expressibility((pairs[0] * pairs[1]).sum(axis=1) ** 2, num_qubits, rng, bins=bins)
    assert found.low - 0.002 <= haar_divergence_of_real_states(num_qubits, bins=bins) <= found.high + 0.002


@pytest.mark.parametrize(
    ("fidelities", "options", "sentence"),
    [
        ([0.5], {}, "At least two fidelities"),
        ([0.5, 1.1], {}, "lie in"),
        ([0.5, np.nan], {}, "lie in"),
        ([0.5, 0.5], {"num_bins": 1}, "num_bins >= 2"),
        ([0.5, 0.5], {"bins": "equal"}, "one of width, mass"),
    ],
    ids=["one", "above", "nan", "num_bins", "bins"],
)
def test_other_values_are_refused(fidelities, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        expressibility(np.array(fidelities), 2, np.random.default_rng(0), **options)
