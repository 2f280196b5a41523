"""Pauli errors for tests: drawn at random, written out as gates, and summed up to a channel by definition."""

from itertools import product

import numpy as np
import torch
from torch import Tensor

from qlit.circuits import Circuit, DepolarizingNoise, Gate, x, z
from qlit.engines.pauli_errors import X_FIRST, X_SECOND, Z_FIRST, Z_SECOND
from qlit.engines.reference import on_register

PAULIS = [np.eye(2), np.array([[0, 1], [1, 0]]), np.array([[0, -1j], [1j, 0]]), np.diag([1, -1])]


def depolarised(rho, gate: Gate, noise: DepolarizingNoise, num_qubits: int):
    """The definition: with probability p one of the products of Paulis that are not the identity."""
    p, total = noise.probability(gate), np.zeros_like(rho)
    for which in product(range(4), repeat=len(gate.wires)):
        pauli = on_register(num_qubits, {wire: PAULIS[k] for wire, k in zip(gate.wires, which, strict=True)})
        total += (p / (4 ** len(gate.wires) - 1) if any(which) else 1 - p) * pauli @ rho @ pauli.conj().T
    return total


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
