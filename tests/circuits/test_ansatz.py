import pytest

from qlit.circuits import ansatz, cnot, encoder_circuit, reuploading_circuit, ring, rings, ry


def test_the_circuit_of_the_papers_figure_3_gate_by_gate():
    """Q = 4, C = 2, 3 layers; the figure's numbering of Layer #3 skips a layer, the count of 36 does not."""
    expected = []
    for first in (0, 12, 20, 28):
        for distance in (1, 2):
            for i in range(4):
                target = (i + distance) % 4
                expected += [cnot(i, target), ry(target, parameter=first + 4 * (distance - 1) + i)]
        if first == 0:
            expected += [ry(wire, parameter=8 + wire) for wire in range(4)]
    circuit = ansatz(4, 2, 3)
    assert list(circuit) == expected
    assert circuit.num_parameters == 36


@pytest.mark.parametrize("num_qubits", [2, 3, 5, 10])
def test_counts_of_the_ansatz(num_qubits):
    for connectivity in range(1, num_qubits):
        for num_layers in (0, 1, 3):
            circuit = ansatz(num_qubits, connectivity, num_layers)
            assert circuit.num_parameters == num_qubits * (connectivity + 1 + num_layers * connectivity)
            assert circuit.num_two_qubit_gates == num_qubits * connectivity * (1 + num_layers)


@pytest.mark.parametrize("reading", [(9, 2), (3, 8), (1, 26)])
def test_all_readings_of_the_encoder_have_28_parameters_a_qubit(reading):
    connectivity, num_layers = reading
    assert encoder_circuit(14, connectivity=connectivity, num_layers=num_layers).num_parameters == 28 * 14


@pytest.mark.parametrize("num_qubits", [10, 12, 14, 16, 18])
def test_gate_counts_of_the_papers_pqc(num_qubits):
    circuit = reuploading_circuit(num_qubits, 4, 2, 1, 1)
    assert circuit.num_one_qubit_gates == 20 * num_qubits
    assert circuit.num_two_qubit_gates == 11 * num_qubits
    assert circuit.num_parameters == 7 * num_qubits
    assert circuit.num_angles == num_qubits


@pytest.mark.parametrize("num_reuploads", [1, 3])
def test_reuploads_share_their_parameters(num_reuploads):
    circuit = reuploading_circuit(3, num_reuploads, 0, 1, 2)
    block = [ry(wire, angle=wire) for wire in range(3)] + list(ansatz(3, 2, 1))
    assert list(circuit)[: len(block) * num_reuploads] == block * num_reuploads
    assert circuit.num_parameters == ansatz(3, 2, 1).num_parameters + ansatz(3, 2, 0).num_parameters


def test_rings_are_rings_of_increasing_distance():
    gates = [(gate.wires, None if gate.parameter is None else gate.parameter % 5) for gate in rings(5, 3)]
    single = [(gate.wires, gate.parameter) for distance in (1, 2, 3) for gate in ring(5, distance)]
    assert gates == single


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ring(4, 4), "control itself"),
        (lambda: ring(4, 0), "distance=0"),
        (lambda: rings(9, 9), "connectivity=9, num_qubits=9"),
        (lambda: ansatz(4, 1, -1), "num_layers >= 0"),
        (lambda: reuploading_circuit(4, 0, 1, 1, 1), "num_reuploads >= 1"),
        (lambda: encoder_circuit(9), "connectivity <= num_qubits - 1"),
    ],
)
def test_numbers_out_of_range_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
