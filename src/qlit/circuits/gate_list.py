"""Circuits written as lists of gates, one text per gate, as in a YAML file."""

import re
from collections.abc import Sequence
from typing import get_args

from qlit.circuits.circuit import Circuit
from qlit.circuits.gates import Gate, GateKind

_KINDS: dict[str, GateKind] = {kind: kind for kind in get_args(GateKind)}
_NUM_WIRES = {kind: 2 if kind in ("cnot", "cz", "crx", "cry", "crz") else 1 for kind in _KINDS}


def circuit_of(num_qubits: int, lines: Sequence[str]) -> Circuit:
    """The circuit of a list of gates.

    A gate is its name, its wires (the control first) and, for a rotation, its angle: `t3` is trainable parameter 3,
    `x2` input angle 2 of the sample, and a number a fixed angle in radians. Without an angle a rotation gets the next
    trainable parameter that no gate above it reads. `h 0`, `cnot 0 1`, `rx 0`, `ry 1 x1`, `crz 0 1 t4`, `rz 2 1.57`.

    Args:
        num_qubits: Number of wires.
        lines: Gates, first to last.

    Raises:
        ValueError: If a line is not a gate, or the circuit is impossible.
    """
    if isinstance(lines, str):
        raise ValueError(f"A list of gates has one text per gate, but got the text {lines[:60]!r}.")
    gates: list[Gate] = []
    next_parameter = 0
    for number, line in enumerate(lines, start=1):
        try:
            gate = _gate(str(line), next_parameter)
        except ValueError as error:
            raise ValueError(f"Gate {number} of the list, {str(line)[:60]!r}: {error}") from error
        if gate.parameter is not None:
            next_parameter = max(next_parameter, gate.parameter + 1)
        gates.append(gate)
    return Circuit(num_qubits, tuple(gates))


def _gate(line: str, next_parameter: int) -> Gate:
    name, *words = line.split() or [""]
    kind = _KINDS.get("cnot" if name.lower() == "cx" else name.lower())
    if kind is None:
        raise ValueError(f"there is no gate {name!r}; there are: {', '.join(_KINDS)}.")
    num_wires = _NUM_WIRES[kind]
    wires, angles = words[:num_wires], words[num_wires:]
    if len(wires) < num_wires or not all(re.fullmatch(r"[0-9]{1,4}", wire) for wire in wires):
        raise ValueError(
            f"{kind} needs {num_wires} wire{'s' * (num_wires > 1)}, as in `{kind} {'0 1'[: 2 * num_wires - 1]}`."
        )
    on = tuple(int(wire) for wire in wires)
    if kind in ("x", "z", "h", "cnot", "cz"):
        if angles:
            raise ValueError(f"{kind} has no angle, but got {' '.join(angles)!r} after its wires.")
        return Gate(kind, on)
    if not angles:
        return Gate(kind, on, parameter=next_parameter)
    if len(angles) == 1 and (slot := re.fullmatch(r"([tx])([0-9]{1,6})", angles[0])):
        return Gate(kind, on, parameter=int(slot[2])) if slot[1] == "t" else Gate(kind, on, angle=int(slot[2]))
    try:
        (text,) = angles
        value = float(text)
    except ValueError:
        raise ValueError(
            f"the angle of {kind} is t0, t1, .. (a parameter), x0, x1, .. (an input angle) or a number, but got "
            f"{' '.join(angles)!r}."
        ) from None
    return Gate(kind, on, value=value)
