"""Pauli errors for tests: drawn at random, and written out as gates."""

import numpy as np
import torch
from torch import Tensor

from qlit.circuits import Circuit, Gate, x, z
from qlit.engines.pauli_errors import X_FIRST, X_SECOND, Z_FIRST, Z_SECOND


def drawn_errors(circuit: Circuit, batch_size: int, *, rate: float = 0.3, seed: int = 0) -> Tensor:
    """An error behind a gate with probability `rate`, shape (B, G)."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(1, [4 if len(gate.wires) == 1 else 16 for gate in circuit], size=(batch_size, len(circuit)))
    happens = rng.random(codes.shape) < rate
    return torch.from_numpy((codes * happens).astype(np.uint8))


def as_gates(circuit: Circuit, errors_G: Tensor) -> Circuit:
    """One sample's errors as X and Z gates behind the gates of the circuit."""
    gates: list[Gate] = []
    for gate, code in zip(circuit, errors_G.tolist(), strict=True):
        gates.append(gate)
        for bit, pauli, wire in (
            (X_FIRST, x, gate.wires[0]),
            (Z_FIRST, z, gate.wires[0]),
            (X_SECOND, x, gate.wires[-1]),
            (Z_SECOND, z, gate.wires[-1]),
        ):
            if code & bit:
                gates.append(pauli(wire))
    return Circuit(circuit.num_qubits, tuple(gates))
