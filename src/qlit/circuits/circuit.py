"""A circuit as pure data: an immutable sequence of gates, with counts and a text drawing."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Self

from qlit.circuits.gates import Gate


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
        """Number of gates on one wire as executed; a re-uploaded block counts every time."""
        return sum(len(gate.wires) == 1 for gate in self.gates)

    @cached_property
    def num_two_qubit_gates(self) -> int:
        """Number of gates on two wires as executed."""
        return sum(len(gate.wires) == 2 for gate in self.gates)

    @cached_property
    def is_basic(self) -> bool:
        """Whether every engine runs all gates; see `Gate.is_basic`."""
        return all(gate.is_basic for gate in self.gates)

    @cached_property
    def is_real(self) -> bool:
        """Whether all gates are real matrices, so that amplitudes stay real."""
        return all(gate.is_real for gate in self.gates)

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
    return tuple(gate if gate.parameter is None else Gate(gate.kind, gate.wires, gate.parameter + by) for gate in gates)
