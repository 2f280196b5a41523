import dataclasses
import pickle

import pytest

from qlit.circuits import Circuit, Gate, ansatz, cnot, reuploading_circuit, ry, x, z


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
        (lambda: Gate("rx", (0,), 0), "one of 'ry', 'cnot', 'x', 'z', but got 'rx'"),
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


def test_a_long_drawing_is_cut_into_rows_of_the_wanted_width():
    circuit = reuploading_circuit(4, 4, 2, 1, 1)
    drawing = circuit.draw(width=60)
    assert max(map(len, drawing.splitlines())) <= 60
    assert sum(drawing.count(f"t{k}-") for k in range(circuit.num_parameters)) == circuit.num_one_qubit_gates - 16
    assert drawing.count("X") == circuit.num_two_qubit_gates
    with pytest.raises(ValueError, match="width >= 24"):
        circuit.draw(width=10)
