"""Estimates from samples, against closed forms and known distributions."""

import numpy as np
import pytest

from qlit.circuits import Circuit, cnot, ry, rz
from qlit.circuits.random_parameters import diagnosis_of, exponential_fit

TWO_ROTATIONS = Circuit(2, (ry(0, parameter=0), cnot(0, 1), ry(1, parameter=1)))


def diagnosed(gradients, *, circuit=TWO_ROTATIONS, entanglement=None, seed=0):
    rng = np.random.default_rng(seed)
    size = 2**circuit.num_qubits
    if entanglement is None:
        entanglement = rng.random(len(gradients))
    return diagnosis_of(circuit, gradients, rng.beta(1, size - 1, len(gradients)), entanglement, rng)


def test_variances_are_those_of_the_samples():
    gradients = np.random.default_rng(0).normal((1, 0), (0.5, 2), (50, 2))
    found = diagnosed(gradients)
    assert found.gradient_variances == pytest.approx(gradients.var(axis=0, ddof=1))
    assert found.gradient_variance.value == pytest.approx(gradients.var(axis=0, ddof=1).mean())
    assert found.largest_variance == max(found.gradient_variances)


def test_intervals_contain_the_truth_19_times_in_20():
    rng, covered = np.random.default_rng(1), np.zeros(2)
    for seed in range(300):
        gradients = rng.uniform(-1, 1, (200, 2)) + rng.uniform(-1, 1, (200, 1))  # dependent parameters
        found = diagnosed(gradients, entanglement=rng.uniform(0, 1, 200), seed=seed)
        for place, (estimate, truth) in enumerate(((found.gradient_variance, 2 / 3), (found.entanglement, 0.5))):
            covered[place] += estimate.low <= truth <= estimate.high
    assert (covered / 300 > 0.9).all()
    assert (covered / 300 < 0.99).all()


def test_random_states_to_compare_with_have_amplitudes_like_the_circuit():
    gradients = np.random.default_rng(2).normal(size=(10, 2))
    real = diagnosed(gradients)
    assert real.least_expressibility > 0.1
    assert real.random_entanglement == pytest.approx(1 / 3)
    phases = Circuit(2, (rz(0, parameter=0), ry(1, parameter=1)))
    found = diagnosed(gradients, circuit=phases)
    assert (found.least_expressibility, found.random_entanglement) == (0, pytest.approx(2 / 5))


def test_a_circuit_without_parameters_has_the_variance_0():
    found = diagnosed(np.zeros((5, 0)), circuit=Circuit(2, (cnot(0, 1),)))
    assert found.gradient_variance == (0, 0, 0)
    assert found.largest_variance == 0


def test_derivatives_that_are_zero_up_to_rounding_have_the_variance_0():
    found = diagnosed(np.random.default_rng(4).normal(0, 1e-16, (20, 2)))
    assert found.gradient_variances == (0, 0)
    assert found.gradient_variance == (0, 0, 0)


def test_one_sample_is_refused():
    with pytest.raises(ValueError, match="at least 2 samples, but got 1"):
        diagnosed(np.zeros((1, 2)))


def test_an_exponential_is_found_and_its_interval_covers_the_scatter():
    qubits = [2, 4, 6, 8, 10]
    exact = exponential_fit(qubits, [3 * np.exp(-0.7 * number) for number in qubits])
    assert exact == pytest.approx((0.7, 0.7, 0.7, np.log(3)))
    assert exact(5) == pytest.approx(3 * np.exp(-3.5))
    rng, covered = np.random.default_rng(3), 0
    for _ in range(300):
        fit = exponential_fit(qubits, np.exp(-0.7 * np.array(qubits) + rng.normal(0, 0.2, 5)))
        covered += fit.low <= 0.7 <= fit.high
    assert 0.91 <= covered / 300 <= 0.99


@pytest.mark.parametrize(("qubits", "variances"), [([2, 4], [0.1, 0.01]), ([2, 4, 6], [0.1, 0.01, 0.0])], ids=str)
def test_there_is_no_fit_of_two_points_or_of_a_zero(qubits, variances):
    assert exponential_fit(qubits, variances) is None
