"""Gates as pure data: rotations by parameters, input angles or fixed angles, and gates without angles."""

import math
from dataclasses import dataclass
from typing import Literal, get_args

GateKind = Literal["ry", "cnot", "x", "z", "rx", "rz", "cz", "h", "crx", "cry", "crz"]

_KINDS = get_args(GateKind)
_ROTATIONS = frozenset({"rx", "ry", "rz", "crx", "cry", "crz"})
_TWO_WIRES = frozenset({"cnot", "cz", "crx", "cry", "crz"})
_REAL = frozenset({"ry", "cnot", "x", "z", "cz", "h", "cry"})
_BASIC = frozenset({"ry", "cnot", "x", "z"})


@dataclass(frozen=True, slots=True)
class Gate:
    """One gate of a circuit.

    Args:
        kind: "rx", "ry" and "rz" are rotations R(t) = exp(-i t P / 2) by the Pauli P; "crx", "cry" and "crz" rotate
            their second wire where their first is 1. "cnot" flips its second wire where its first is 1; "cz" changes
            the sign where both are 1; "x" flips its wire; "z" changes the sign where its wire is 1; "h" is the Hadamard
            gate. X, then Z, is i Y.
        wires: (control, target) of a gate on two wires, (target,) of any other.
        parameter: Slot of the trainable parameter that is the angle of this rotation (radians); None otherwise.
        angle: Slot of the per-sample input angle that is the angle of this rotation (radians); None otherwise.
        value: Fixed angle of this rotation (radians), finite; None otherwise.

    Raises:
        ValueError: If the wires or the angle do not suit the kind.
    """

    kind: GateKind
    wires: tuple[int, ...]
    parameter: int | None = None
    angle: int | None = None
    value: float | None = None

    def __post_init__(self) -> None:
        if self.kind not in _KINDS:
            raise ValueError(f"The gate kind must be one of {', '.join(map(repr, _KINDS))}, but got {self.kind!r}.")
        num_angles = (self.parameter is not None) + (self.angle is not None) + (self.value is not None)
        is_rotation, num_wires = self.kind in _ROTATIONS, 2 if self.kind in _TWO_WIRES else 1
        if len(self.wires) != num_wires or num_angles != is_rotation:
            wires = "two wires" if num_wires == 2 else "one wire"
            slots = "either a parameter or an angle slot, or a fixed angle" if is_rotation else "no slot"
            name = "Pauli gate" if self.kind in ("x", "z") else self.name
            article = "An" if name in ("H", "RX", "RY", "RZ") else "A"
            raise ValueError(f"{article} {name} has {wires} and {slots}, but got {self}.")
        if num_wires == 2 and self.wires[0] == self.wires[1]:
            raise ValueError(f"A {self.name}'s control and target must differ, but both are wire {self.wires[0]}.")
        if self.value is not None and not math.isfinite(self.value):
            raise ValueError(f"The fixed angle of a gate must be finite, but got {self.value}.")

    @property
    def name(self) -> str:
        """The name of the gate in texts: RY, CNOT, CRX, .."""
        return self.kind.upper()

    @property
    def is_rotation(self) -> bool:
        """Whether the gate has an angle."""
        return self.kind in _ROTATIONS

    @property
    def is_real(self) -> bool:
        """Whether the gate is a real matrix."""
        return self.kind in _REAL

    @property
    def is_basic(self) -> bool:
        """Whether every engine runs it: RY by a slot, CNOT, X and Z, the gates of the paper and of Pauli errors."""
        return self.kind in _BASIC and self.value is None


def rx(wire: int, *, parameter: int | None = None, angle: int | None = None, value: float | None = None) -> Gate:
    """RX on `wire`, by the trainable parameter or the input angle in the named slot, or by a fixed angle."""
    return Gate("rx", (wire,), parameter, angle, value)


def ry(wire: int, *, parameter: int | None = None, angle: int | None = None, value: float | None = None) -> Gate:
    """RY on `wire`, by the trainable parameter or the input angle in the named slot, or by a fixed angle."""
    return Gate("ry", (wire,), parameter, angle, value)


def rz(wire: int, *, parameter: int | None = None, angle: int | None = None, value: float | None = None) -> Gate:
    """RZ on `wire`, by the trainable parameter or the input angle in the named slot, or by a fixed angle."""
    return Gate("rz", (wire,), parameter, angle, value)


def crx(
    control: int, target: int, *, parameter: int | None = None, angle: int | None = None, value: float | None = None
) -> Gate:
    """RX on `target` where `control` is 1; angles as of `rx`."""
    return Gate("crx", (control, target), parameter, angle, value)


def cry(
    control: int, target: int, *, parameter: int | None = None, angle: int | None = None, value: float | None = None
) -> Gate:
    """RY on `target` where `control` is 1; angles as of `ry`."""
    return Gate("cry", (control, target), parameter, angle, value)


def crz(
    control: int, target: int, *, parameter: int | None = None, angle: int | None = None, value: float | None = None
) -> Gate:
    """RZ on `target` where `control` is 1; angles as of `rz`."""
    return Gate("crz", (control, target), parameter, angle, value)


def cnot(control: int, target: int) -> Gate:
    """CNOT that flips `target` where `control` is 1."""
    return Gate("cnot", (control, target))


def cz(control: int, target: int) -> Gate:
    """CZ: changes the sign where `control` and `target` are 1."""
    return Gate("cz", (control, target))


def h(wire: int) -> Gate:
    """Hadamard gate on `wire`."""
    return Gate("h", (wire,))


def x(wire: int) -> Gate:
    """Pauli-X: flips `wire`."""
    return Gate("x", (wire,))


def z(wire: int) -> Gate:
    """Pauli-Z: changes the sign where `wire` is 1."""
    return Gate("z", (wire,))
