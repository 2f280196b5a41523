"""Circuits as pure data, without torch: gates, the paper's family of circuits, gate noise."""

from qlit.circuits.ansatz import ansatz, encoder_circuit, reuploading_circuit, ring, rings
from qlit.circuits.circuit import Circuit, Gate, cnot, ry, x, z
from qlit.circuits.noise import DepolarizingNoise

__all__ = [
    "Circuit",
    "DepolarizingNoise",
    "Gate",
    "ansatz",
    "cnot",
    "encoder_circuit",
    "openqasm",
    "reuploading_circuit",
    "ring",
    "rings",
    "ry",
    "x",
    "z",
]
