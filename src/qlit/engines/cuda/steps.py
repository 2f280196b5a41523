"""Circuits as steps on amplitudes: a rotation and the CNOT before it are one step, X and Z are none."""

from typing import NamedTuple

from qlit.circuits import Circuit

NO_ANGLE, PARAMETER, INPUT_ANGLE = 0, 1, 2
_RY, _CNOT, _PAULI = 0, 1, 2


class Step(NamedTuple):
    """A CNOT, if there is a control, and then a rotation of its target, if it has an angle.

    Args:
        number: Its place in the circuit.
        target: Basis bit; wire w of Q qubits is basis bit Q - 1 - w.
        control: Basis bit of the CNOT's control, or None.
        source: NO_ANGLE, PARAMETER or INPUT_ANGLE.
        slot: Index of the parameter or input angle, 0 for none.
        negated: Whether the X and Z gates before it negate its angle.
    """

    number: int
    target: int
    control: int | None
    source: int
    slot: int
    negated: bool


class Program(NamedTuple):
    """A circuit as the kernels run it.

    Args:
        steps: Steps in the order of the circuit.
        gates: (kind, basis bit, basis bit, step of its angle or -1) for every gate, from which errors are tracked.
        flipped: Basis bits that X gates flip at the end, as a mask.
    """

    steps: tuple[Step, ...]
    gates: tuple[tuple[int, int, int, int], ...]
    flipped: int


def program_of(circuit: Circuit) -> Program:
    """The steps of a circuit of RY by a slot, CNOT, X and Z.

    RY(t) P = P RY(-t) for P = X or Z, and CNOT maps Paulis to Paulis: X and Z move behind the last gate, where X flips
    an outcome and Z has no effect.
    """
    merged = _merged_cnots(circuit)
    controls = {rotation: cnot for cnot, rotation in merged.items()}
    steps: list[Step] = []
    gates: list[tuple[int, int, int, int]] = []
    x = z = 0  # masks of basis bits
    for k, gate in enumerate(circuit):
        first, second = (circuit.num_qubits - 1 - wire for wire in (gate.wires[0], gate.wires[-1]))
        number = len(steps)
        if gate.kind == "ry":
            source, slot = (PARAMETER, gate.parameter) if gate.angle is None else (INPUT_ANGLE, gate.angle)
            assert slot is not None, "the engine checks that rotations have slots"
            cnot = controls.get(k)
            control = None if cnot is None else circuit.num_qubits - 1 - circuit.gates[cnot].wires[0]
            steps.append(Step(number, first, control, source, slot, bool((x ^ z) >> first & 1)))
            gates.append((_RY, first, first, number))
        elif gate.kind == "cnot":
            if k not in merged:
                steps.append(Step(number, second, first, NO_ANGLE, 0, False))
            gates.append((_CNOT, first, second, -1))
            x ^= (x >> first & 1) << second
            z ^= (z >> second & 1) << first
        else:
            gates.append((_PAULI, first, first, -1))
            if gate.kind == "x":
                x ^= 1 << first
            else:
                z ^= 1 << first
    return Program(tuple(steps), tuple(gates), x)


def _merged_cnots(circuit: Circuit) -> dict[int, int]:
    """CNOTs that the next rotation of their target includes, and that rotation: indices of gates."""
    merged: dict[int, int] = {}
    following: dict[int, int] = {}  # by wire, the next gate on it; X and Z do not act on amplitudes
    for k in range(len(circuit) - 1, -1, -1):
        gate = circuit.gates[k]
        if gate.kind in ("x", "z"):
            continue
        if gate.kind == "cnot":
            control, target = gate.wires
            rotation = following.get(target)
            if (
                rotation is not None
                and circuit.gates[rotation].kind == "ry"
                and following.get(control, len(circuit)) > rotation
            ):
                merged[k] = rotation
        for wire in gate.wires:
            following[wire] = k
    return merged
