"""Diagnoses of circuits whose numbers are known."""

import numpy as np
import pytest
from tolerances import DENSE_ATOL

from qlit.circuits import Circuit, cnot, encoder_circuit, h, ry, rz
from qlit.jobs.diagnostics.sampling import check_size, diagnose


def test_an_idle_circuit_expresses_and_entangles_nothing():
    found = diagnose(Circuit(1, (h(0),)), wire=0, num_samples=100, seed=(0,))
    assert found.expressibility == pytest.approx([np.log(75)] * 4)  # Sim et al.: 4.3
    assert found.entanglement == pytest.approx((0, 0, 0), abs=DENSE_ATOL)
    assert found.gradient_variance == (0, 0, 0)


def test_a_qubit_with_rz_and_rx_is_as_expressive_as_published():
    """Sim et al., Fig. 1: H and RZ reach a circle (0.22), H, RZ and RX nearly all states (0.02)."""
    circle = Circuit(1, (h(0), rz(0, parameter=0)))
    found = diagnose(circle, wire=0, num_samples=5000, seed=(1,)).expressibility
    assert found.value == pytest.approx(0.22, abs=0.03)
    assert found.low < found.value < found.high
    # RX is H RZ H.
    sphere = Circuit(1, (h(0), rz(0, parameter=0), h(0), rz(0, parameter=1), h(0)))
    found = diagnose(sphere, wire=0, num_samples=5000, seed=(1,)).expressibility
    assert found.value == pytest.approx(0.02, abs=0.015)


def test_a_qubit_with_the_haar_measure_has_zero():
    """A uniform axis by three Euler angles, of which many make the middle one uniform on the sphere in the limit."""
    gates = [(rz(0, parameter=3 * k), ry(0, parameter=3 * k + 1), rz(0, parameter=3 * k + 2)) for k in range(6)]
    circuit = Circuit(1, tuple(gate for of_layer in gates for gate in of_layer))
    found = diagnose(circuit, wire=0, num_samples=5000, seed=(2,)).expressibility
    assert found.value < 0.004
    assert found.low == 0


def test_a_bell_pair_is_maximally_entangled_whatever_its_parameters():
    circuit = Circuit(2, (h(0), cnot(0, 1), ry(0, parameter=0), ry(1, parameter=1)))
    found = diagnose(circuit, wire=0, num_samples=20, seed=(0,))
    assert found.entanglement == pytest.approx((1, 1, 1))


def test_the_gradient_of_one_rotation_has_the_variance_of_a_sine():
    """<Z> = cos t, so its derivative -sin t has the variance 1/2."""
    found = diagnose(Circuit(1, (ry(0, parameter=0),)), wire=0, num_samples=5000, seed=(3,))
    low, high = found.gradient_variance[1:]
    assert low < 0.5 < high < 0.52


def test_a_deep_circuit_of_real_gates_is_as_good_as_random_real_states():
    found = diagnose(encoder_circuit(4, connectivity=3, num_layers=3), wire=0, num_samples=5000, seed=(4,))
    assert found.entanglement.value == pytest.approx(found.random_entanglement, abs=0.01)
    assert found.expressibility.value == pytest.approx(found.least_expressibility, abs=0.03)
    assert found.expressibility.value > 0.08


def test_equal_seeds_give_equal_numbers():
    circuit = encoder_circuit(3, connectivity=1, num_layers=0)
    one, same, other = (diagnose(circuit, wire=0, num_samples=10, seed=seed) for seed in ((1, 2), (1, 2), (1, 3)))
    assert one == same
    assert one != other


@pytest.mark.parametrize("number", [1, 0, -3, 100_001])
def test_too_few_and_too_many_samples_are_refused(number):
    with pytest.raises(ValueError, match=r"2 <= samples <= 100,000"):
        check_size(Circuit(1, (h(0),)), number)


def test_a_circuit_that_does_not_fit_into_memory_is_refused(monkeypatch):
    class Memory:
        available = 2**28

    monkeypatch.setattr("qlit.engines.memory.psutil.virtual_memory", Memory)
    with pytest.raises(ValueError, match=r"need 1\.0 GiB, but 0\.2 GiB are free"):
        check_size(Circuit(24, (h(23),)), 10)
