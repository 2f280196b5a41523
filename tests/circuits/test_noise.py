import pytest

from qlit.circuits import Circuit, DepolarizingNoise, cnot, reuploading_circuit, ry, x


def test_one_and_two_qubit_gates_have_their_own_probability():
    noise = DepolarizingNoise(0.1, 0.2)
    assert noise.probability(ry(0, parameter=0)) == noise.probability(x(1)) == 0.1
    assert noise.probability(cnot(0, 1)) == 0.2


def test_error_free_probability_is_that_of_every_gate_going_well():
    circuit = Circuit(2, (ry(0, parameter=0), cnot(0, 1), x(1)))
    assert DepolarizingNoise(0.1, 0.2).error_free_probability(circuit) == pytest.approx(0.9 * 0.8 * 0.9, abs=1e-15)


def test_error_free_probability_of_the_papers_circuit():
    # 20 Q = 200 RY and 11 Q = 110 CNOT at Q = 10 (arXiv:2504.08732, Table V), with the lower rates of Table XV.
    noise = DepolarizingNoise(1e-4, 1e-3)
    expected = (1 - 1e-4) ** 200 * (1 - 1e-3) ** 110
    assert noise.error_free_probability(reuploading_circuit(10, 4, 2, 1, 1)) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("rates", [(-0.1, 0), (0, 1.1), (float("nan"), 0)])
def test_a_probability_outside_0_to_1_is_refused(rates):
    with pytest.raises(ValueError, match=r"lies in 0 \.\. 1, but got p"):
        DepolarizingNoise(*rates)
