import dataclasses
import pickle

import pytest

from qlit.circuits import Circuit, Gate, ansatz, cnot, crx, cry, crz, cz, h, reuploading_circuit, rx, ry, rz, x, z
from qlit.circuits.circuit import shifted


def test_a_circuit_counts_gates_as_executed_and_parameters_once():
    circuit = Circuit(2, (ry(0, angle=0), ry(1, parameter=0), cnot(0, 1), ry(0, angle=0), ry(1, parameter=0)))
    assert (circuit.num_one_qubit_gates, circuit.num_two_qubit_gates) == (4, 1)
    assert (circuit.num_parameters, circuit.num_angles) == (1, 1)
    assert len(circuit) == 5
    assert list(circuit)[2] == cnot(0, 1)


def test_x_and_z_are_one_qubit_gates_without_parameters():
    circuit = Circuit(2, (x(0), z(1), z(1), cnot(0, 1), ry(1, parameter=0)))
    assert (circuit.num_one_qubit_gates, circuit.num_two_qubit_gates, circuit.num_parameters) == (4, 1, 1)
    assert [gate.kind for gate in circuit] == ["x", "z", "z", "cnot", "ry"]


def test_a_circuit_knows_whether_every_engine_runs_it_and_whether_amplitudes_stay_real():
    for gate, is_basic, is_real in (
        (ry(0, parameter=0), True, True),
        (ry(0, value=0.5), False, True),
        (cz(0, 1), False, True),
        (h(1), False, True),
        (cry(1, 0, angle=0), False, True),
        (rx(0, parameter=0), False, False),
        (rz(0, value=0.5), False, False),
        (crx(0, 1, parameter=0), False, False),
        (crz(0, 1, parameter=0), False, False),
    ):
        circuit = Circuit(2, (cnot(0, 1), gate, x(0)))
        assert (circuit.is_basic, circuit.is_real) == (is_basic, is_real), gate


def test_shifting_moves_parameters_and_neither_angles_nor_fixed_angles():
    gates = (crx(0, 1, parameter=1), rz(0, value=0.5), cry(1, 0, angle=0), cz(0, 1))
    assert shifted(gates, by=3) == (crx(0, 1, parameter=4), *gates[1:])


def test_a_circuit_is_immutable_hashable_and_picklable():
    circuit = ansatz(3, 1, 1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        circuit.num_qubits = 4
    assert circuit == ansatz(3, 1, 1)
    assert hash(circuit) == hash(ansatz(3, 1, 1))
    assert circuit != ansatz(3, 2, 1)
    assert pickle.loads(pickle.dumps(circuit)) == circuit


def test_a_comparison_leaves_both_circuits_as_they_are():
    first, second = reuploading_circuit(3, 2, 2, 1, 1), reuploading_circuit(3, 2, 2, 1, 1)
    assert first.gates is not second.gates
    before = [dict(vars(circuit)) for circuit in (first, second)]
    assert {first: "found"}[second] == "found"
    assert first != Circuit(4, first.gates)
    assert first != first.gates
    for circuit, kept in zip((first, second), before, strict=True):
        assert vars(circuit).keys() == kept.keys()
        assert all(vars(circuit)[name] is value for name, value in kept.items())


def test_circuits_of_one_width_are_joined_by_adding():
    first, second = Circuit(2, (ry(0, parameter=0),)), Circuit(2, (cnot(0, 1),))
    assert (first + second).gates == (ry(0, parameter=0), cnot(0, 1))
    with pytest.raises(ValueError, match="equally wide"):
        first + Circuit(3, ())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Circuit(0, ()), "num_qubits >= 1"),
        (lambda: Circuit(2, (ry(2, parameter=0),)), "0 <= wire < 2"),
        (lambda: Circuit(2, (ry(0, parameter=1),)), "no gate reads 0"),
        (lambda: Circuit(2, (ry(0, angle=2), ry(1, angle=0))), "no gate reads 1"),
        (lambda: cnot(1, 1), "must differ"),
        (lambda: ry(0), "either a parameter or an angle"),
        (lambda: ry(0, parameter=0, angle=0), "either a parameter or an angle"),
        (lambda: Gate("cnot", (0,)), "two wires"),
        (lambda: Gate("swap", (0, 1)), "one of 'ry', 'cnot', 'x', 'z', .*'crz', but got 'swap'"),
        (lambda: rx(0), "An RX has one wire and either a parameter or an angle slot, or a fixed angle, but got"),
        (lambda: rz(0, parameter=0, value=1.0), "An RZ has one wire and either"),
        (lambda: Gate("crx", (0,), 0), "A CRX has two wires and either"),
        (lambda: cry(1, 1, parameter=0), "A CRY's control and target must differ, but both are wire 1"),
        (lambda: Gate("cz", (0, 1), 0), "A CZ has two wires and no slot"),
        (lambda: Gate("h", (0,), value=1.0), "An H has one wire and no slot"),
        (lambda: rx(0, value=float("nan")), "fixed angle of a gate must be finite, but got nan"),
        (lambda: Gate("x", (0, 1)), "A Pauli gate has one wire and no slot"),
        (lambda: Gate("z", (0,), parameter=0), "A Pauli gate has one wire and no slot"),
        (lambda: Circuit(2, (x(2),)), "0 <= wire < 2"),
    ],
)
def test_a_circuit_that_cannot_be_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_the_drawing_shows_every_gate_on_its_wire():
    circuit = Circuit(3, (ry(0, angle=0), cnot(0, 2), ry(2, parameter=0), ry(1, parameter=1)))
    assert circuit.draw().splitlines() == [
        "0: x0-o----",
        "      |",
        "1: ---|-t1-",
        "      |",
        "2: ---X-t0-",
    ]


def test_x_and_z_are_drawn_as_letters():
    circuit = Circuit(3, (x(0), cnot(0, 1), z(2), z(0), x(1)))
    assert circuit.draw().splitlines() == [
        "0: X-o-Z-",
        "     |",
        "1: --X-X-",
        "2: Z-----",
    ]


def test_other_rotations_are_drawn_with_their_names():
    circuit = Circuit(
        3, (h(0), rx(1, parameter=0), crz(0, 2, angle=1), cz(2, 1), cry(1, 0, value=0.12345), ry(2, angle=0))
    )
    assert circuit.draw().splitlines() == [
        "0: H------o--------RY(0.1235)-",
        "          |        |",
        "1: RX(t0)-|------Z-o----------",
        "          |      |",
        "2: -------RZ(x1)-o-x0---------",
    ]


def test_a_long_drawing_is_cut_into_rows_of_the_wanted_width():
    circuit = reuploading_circuit(4, 4, 2, 1, 1)
    drawing = circuit.draw(width=60)
    assert max(map(len, drawing.splitlines())) <= 60
    assert sum(drawing.count(f"t{k}-") for k in range(circuit.num_parameters)) == circuit.num_one_qubit_gates - 16
    assert drawing.count("X") == circuit.num_two_qubit_gates
    with pytest.raises(ValueError, match="width >= 24"):
        circuit.draw(width=10)
