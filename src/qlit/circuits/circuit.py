"""A circuit as pure data: an immutable sequence of RY, CNOT, X and Z gates, with counts and a text drawing."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Self, get_args

GateKind = Literal["ry", "cnot", "x", "z"]

_KINDS = get_args(GateKind)


@dataclass(frozen=True, slots=True)
class Gate:
    """One gate of a circuit.

    Args:
        kind: "ry" is RY(t) = exp(-i t Y / 2); "cnot" flips its second wire where its first is 1; "x" flips its wire;
            "z" changes the sign where its wire is 1. X, then Z, is i Y.
        wires: (control, target) of a CNOT, (target,) of any other.
        parameter: Slot of the trainable parameter that is the angle of this RY (radians); None otherwise.
        angle: Slot of the per-sample input angle that is the angle of this RY (radians); None otherwise.

    Raises:
        ValueError: If the wires or slots do not suit the kind.
    """

    kind: GateKind
    wires: tuple[int, ...]
    parameter: int | None = None
    angle: int | None = None

    def __post_init__(self) -> None:
        if self.kind == "ry":
            if len(self.wires) != 1 or (self.parameter is None) == (self.angle is None):
                raise ValueError(f"An RY has one wire and either a parameter or an angle slot, but got {self}.")
        elif self.kind == "cnot":
            if len(self.wires) != 2 or self.parameter is not None or self.angle is not None:
                raise ValueError(f"A CNOT has two wires and no slot, but got {self}.")
            if self.wires[0] == self.wires[1]:
                raise ValueError(f"A CNOT's control and target must differ, but both are wire {self.wires[0]}.")
        elif self.kind in _KINDS:
            if len(self.wires) != 1 or self.parameter is not None or self.angle is not None:
                raise ValueError(f"A Pauli gate has one wire and no slot, but got {self}.")
        else:
            raise ValueError(f"The gate kind must be one of {', '.join(map(repr, _KINDS))}, but got {self.kind!r}.")


def ry(wire: int, *, parameter: int | None = None, angle: int | None = None) -> Gate:
    """RY on `wire`, by the trainable parameter or the input angle in the named slot."""
    return Gate("ry", (wire,), parameter, angle)


def cnot(control: int, target: int) -> Gate:
    """CNOT that flips `target` where `control` is 1."""
    return Gate("cnot", (control, target))


def x(wire: int) -> Gate:
    """Pauli-X: flips `wire`."""
    return Gate("x", (wire,))


def z(wire: int) -> Gate:
    """Pauli-Z: changes the sign where `wire` is 1."""
    return Gate("z", (wire,))


@dataclass(frozen=True)
class Circuit:
    """An immutable sequence of gates on `num_qubits` wires; wire 0 is the most significant bit of the basis index.

    Several gates may read one parameter or angle slot; data re-uploading shares both.

    Args:
        num_qubits: Number of wires, at least 1.
        gates: The gates, first to last.

    Raises:
        ValueError: If a gate lies outside the wires, or no gate reads a slot below the highest one.
    """

    num_qubits: int
    gates: tuple[Gate, ...]

    def __post_init__(self) -> None:
        if self.num_qubits < 1:
            raise ValueError(f"`num_qubits >= 1` must hold, but got num_qubits={self.num_qubits}.")
        for gate in self.gates:
            if not all(0 <= wire < self.num_qubits for wire in gate.wires):
                raise ValueError(f"`0 <= wire < {self.num_qubits}` must hold, but got wires {gate.wires}.")
        for name, slots in (("parameter", self._parameter_slots), ("angle", self._angle_slots)):
            unused = set(range(max(slots, default=-1) + 1)) - slots
            if unused:
                raise ValueError(f"Every {name} slot up to {max(slots)} must be read, but no gate reads {min(unused)}.")

    @cached_property
    def _parameter_slots(self) -> frozenset[int]:
        return frozenset(gate.parameter for gate in self.gates if gate.parameter is not None)

    @cached_property
    def _angle_slots(self) -> frozenset[int]:
        return frozenset(gate.angle for gate in self.gates if gate.angle is not None)

    @cached_property
    def num_parameters(self) -> int:
        """Number of trainable parameters; a parameter counts once, however many gates read it."""
        return len(self._parameter_slots)

    @cached_property
    def num_angles(self) -> int:
        """Number of input angles of a sample."""
        return len(self._angle_slots)

    @cached_property
    def num_one_qubit_gates(self) -> int:
        """Number of RY, X and Z gates as executed; a re-uploaded block counts every time."""
        return sum(len(gate.wires) == 1 for gate in self.gates)

    @cached_property
    def num_two_qubit_gates(self) -> int:
        """Number of CNOT gates as executed."""
        return sum(len(gate.wires) == 2 for gate in self.gates)

    def __len__(self) -> int:
        return len(self.gates)

    def __iter__(self) -> Iterator[Gate]:
        return iter(self.gates)

    def __add__(self, other: Self) -> "Circuit":
        """This circuit, then `other`; equal slot numbers mean the same slot (see `shifted`)."""
        if self.num_qubits != other.num_qubits:
            raise ValueError(
                f"Circuits to be joined must be equally wide, but got {self.num_qubits=}, {other.num_qubits=}."
            )
        return Circuit(self.num_qubits, self.gates + other.gates)

    def draw(self, *, width: int = 100) -> str:
        """A text drawing, cut into rows of at most `width` characters; t3 is parameter 3, x3 is input angle 3."""
        from qlit.circuits.drawing import draw  # drawing imports this module

        return draw(self, width=width)


def shifted(gates: Iterable[Gate], by: int) -> tuple[Gate, ...]:
    """The same gates with `by` added to every parameter slot."""
    return tuple(
        gate if gate.parameter is None else Gate(gate.kind, gate.wires, gate.parameter + by, gate.angle)
        for gate in gates
    )
