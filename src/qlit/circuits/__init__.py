"""Circuits as pure data, without torch: gates, the paper's family of circuits, gate noise."""

from qlit.circuits.ansatz import (
    MAX_GATES,
    MAX_QUBITS,
    ansatz,
    encoder_circuit,
    pair_circuit,
    reuploading_circuit,
    ring,
    rings,
)
from qlit.circuits.circuit import Circuit, shifted
from qlit.circuits.gate_list import circuit_of
from qlit.circuits.gates import Gate, GateKind, cnot, crx, cry, crz, cz, h, rx, ry, rz, x, z
from qlit.circuits.noise import DepolarizingNoise

__all__ = [
    "MAX_GATES",
    "MAX_QUBITS",
    "Circuit",
    "DepolarizingNoise",
    "Gate",
    "GateKind",
    "ansatz",
    "circuit_of",
    "cnot",
    "crx",
    "cry",
    "crz",
    "cz",
    "drawing",
    "encoder_circuit",
    "entanglement",
    "expressibility",
    "h",
    "openqasm",
    "pair_circuit",
    "random_parameters",
    "reuploading_circuit",
    "ring",
    "rings",
    "rx",
    "ry",
    "rz",
    "shifted",
    "x",
    "z",
]
