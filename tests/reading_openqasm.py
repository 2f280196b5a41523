"""OpenQASM 3 programs read and simulated by Qiskit: a parser and a simulator that are not ours."""

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    from qiskit import qasm3
    from qiskit.quantum_info import Pauli, Statevector


def expectation_values(program: str) -> list[float]:
    """<Z> of the qubits that the program measures, in the order of its bits."""
    circuit = qasm3.loads(program)
    measured: dict[int, int] = {}
    for step in circuit.data:
        if step.operation.name == "measure":
            measured[circuit.find_bit(step.clbits[0]).index] = circuit.find_bit(step.qubits[0]).index
    circuit.remove_final_measurements()
    state = Statevector.from_instruction(circuit)
    return [state.expectation_value(Pauli("Z"), [measured[bit]]).real for bit in sorted(measured)]
