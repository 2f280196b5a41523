"""Circuits as pure description: what is run, not how. Torch-free."""

from qlit.circuits.ansatz import ansatz, encoder_circuit, reuploading_circuit, ring, rings
from qlit.circuits.circuit import Circuit, Gate, cnot, ry, x, z

__all__ = [
    "Circuit",
    "Gate",
    "ansatz",
    "cnot",
    "encoder_circuit",
    "reuploading_circuit",
    "ring",
    "rings",
    "ry",
    "x",
    "z",
]
