"""Gates other than RY, CNOT, X and Z on density matrices, in plain torch, which autograd differentiates.

Shapes: B batch; a matrix in flight has an axis for each qubit of its rows, then of its columns.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from qlit.circuits import Gate


def by_general_gate(gate: Gate, matrix: Tensor, theta_B: Tensor) -> Tensor:
    """U rho U^dagger.

    Args:
        gate: The gate.
        matrix: Density matrices in flight, shape (B, 2, .., 2); complex if the gate is.
        theta_B: Angle, radians, shape () or (B,); read by rotations only.

    Returns:
        Density matrices, shape of `matrix`.
    """
    num_qubits = (matrix.dim() - 1) // 2
    entries = _entries(gate, theta_B)
    conjugates = tuple(entry.conj() if isinstance(entry, Tensor) else entry.conjugate() for entry in entries)
    for first_axis, factors in ((1, entries), (1 + num_qubits, conjugates)):
        axes = [first_axis + wire for wire in gate.wires]
        if len(axes) == 1:
            matrix = _mixed(matrix, axes[0], factors)
        else:
            idle, active = matrix.unbind(axes[0])
            target = axes[1] - (axes[1] > axes[0])
            matrix = torch.stack((idle, _mixed(active, target, factors)), dim=axes[0])
    return matrix


_Entry = Tensor | complex
_Entries = tuple[_Entry, _Entry, _Entry, _Entry]


def _entries(gate: Gate, theta_B: Tensor) -> _Entries:
    """The matrix on the target, row by row; entries that depend on the angle have its shape."""
    cos, sin = torch.cos(theta_B / 2), torch.sin(theta_B / 2)
    match gate.kind:
        case "rx" | "crx":
            return cos, -1j * sin, -1j * sin, cos
        case "ry" | "cry":
            return cos, -sin, sin, cos
        case "rz" | "crz":
            return cos - 1j * sin, 0, 0, cos + 1j * sin
        case "cz":
            return 1, 0, 0, -1
        case "h":
            half = 1 / math.sqrt(2)
            return half, half, half, -half
        case _:
            raise AssertionError(f"{gate.name} is not among the general gates")


def _mixed(matrix: Tensor, axis: int, entries: Sequence[_Entry]) -> Tensor:
    """A 2 x 2 matrix applied along one axis."""
    zero, one = matrix.unbind(axis)
    shape = (-1, *[1] * (zero.dim() - 1))
    a, b, c, d = (entry.reshape(shape) if isinstance(entry, Tensor) else entry for entry in entries)
    return torch.stack((a * zero + b * one, c * zero + d * one), dim=axis)
