"""Circuits as OpenQASM 3 programs, with all angles bound."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from qlit.circuits.circuit import Circuit
from qlit.circuits.state_preparation import real_state_preparation

Vector = Sequence[float] | NDArray[np.floating]


def to_openqasm(
    circuit: Circuit,
    parameters_P: Vector,
    *,
    angles_A: Vector = (),
    state_N: Vector | None = None,
    wires: Sequence[int] | None = None,
    comment: str = "",
) -> str:
    """The circuit as an OpenQASM 3 program of gates of stdgates.inc that ends with measurements.

    Args:
        circuit: The circuit.
        parameters_P: Radians, shape (P,).
        angles_A: Input angles of one sample, radians, shape (A,).
        state_N: Initial statevector, real, of norm 1, shape (N,); None for |0..0>. It is prepared by gates.
        wires: Measured wires; None for all, in order. Bit k of the program's `c` is the outcome of the k-th wire.
        comment: Text for comment lines at the top of the program.

    Returns:
        The program; qubit w of `q` is wire w.

    Raises:
        ValueError: If the number of values does not match, a value is not finite, or a wire does not exist.
    Source: OpenQASM 3, arXiv:2104.14722, and its standard library stdgates.inc.
    """
    measured = range(circuit.num_qubits) if wires is None else wires
    if not set(measured) <= set(range(circuit.num_qubits)) or len(set(measured)) != len(measured):
        raise ValueError(f"Measured wires must be distinct and in 0 .. {circuit.num_qubits - 1}, but got {measured}.")
    lines = [f"// {line}".rstrip() for line in comment.splitlines()]
    lines += ["OPENQASM 3.0;", 'include "stdgates.inc";', f"qubit[{circuit.num_qubits}] q;"]
    lines.append(f"bit[{len(measured)}] c;")
    if state_N is not None:
        if len(state_N) != 2**circuit.num_qubits:
            raise ValueError(f"`state_N` must have {2**circuit.num_qubits} amplitudes, but has {len(state_N)}.")
        preparation, turns = real_state_preparation(state_N)
        lines += ["// initial state", *_statements(preparation, turns, ()), "// circuit"]
    lines += _statements(circuit, parameters_P, angles_A)
    lines += [f"c[{bit}] = measure q[{wire}];" for bit, wire in enumerate(measured)]
    return "\n".join(lines) + "\n"


def _statements(circuit: Circuit, parameters_P: Vector, angles_A: Vector) -> list[str]:
    for name, values, count in (
        ("parameters", parameters_P, circuit.num_parameters),
        ("angles", angles_A, circuit.num_angles),
    ):
        if len(values) != count:
            raise ValueError(f"The circuit reads {count} {name}, but {len(values)} were given.")
        if not all(map(math.isfinite, values)):
            raise ValueError(f"Angles of a program are finite numbers, but the {name} hold another.")
    lines = []
    for gate in circuit:
        operands = ", ".join(f"q[{wire}]" for wire in gate.wires)
        name = "cx" if gate.kind == "cnot" else gate.kind
        if gate.parameter is not None:
            lines.append(f"{name}({float(parameters_P[gate.parameter])!r}) {operands};")
        elif gate.angle is not None:
            lines.append(f"{name}({float(angles_A[gate.angle])!r}) {operands}; // angle {gate.angle}")
        elif gate.value is not None:
            lines.append(f"{name}({float(gate.value)!r}) {operands};")
        else:
            lines.append(f"{name} {operands};")
    return lines
