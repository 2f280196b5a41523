"""Gate noise as pure data, without torch: depolarising channels after the gates of a circuit."""

import math
from dataclasses import dataclass

from qlit.circuits.circuit import Circuit
from qlit.circuits.gates import Gate


@dataclass(frozen=True)
class DepolarizingNoise:
    """A depolarising channel after every gate: with probability p, a random Pauli on its wires, all equally likely.

    After a one-qubit gate rho becomes (1 - p1) rho + p1 / 3 (X rho X + Y rho Y + Z rho Z); after a two-qubit gate
    (1 - p2) rho + p2 / 15 times the sum over the 15 products of Paulis that are not the identity. So p is the
    probability of an error; the gate infidelity is smaller by the factors 2/3 and 4/5.

    Args:
        p1: Error probability of a one-qubit gate, in [0, 1].
        p2: Error probability of a two-qubit gate, in [0, 1].

    Raises:
        ValueError: If a probability lies outside [0, 1].
    Source: arXiv:2504.08732, sec. IV.D, Table XV; Nielsen and Chuang (2010), sec. 8.3.4.
    """

    p1: float
    p2: float

    def __post_init__(self) -> None:
        for name, p in (("p1", self.p1), ("p2", self.p2)):
            if not 0 <= p <= 1:
                raise ValueError(f"An error probability lies in 0 .. 1, but got {name}={p}.")

    def probability(self, gate: Gate) -> float:
        """Probability of an error after a gate."""
        return self.p1 if len(gate.wires) == 1 else self.p2

    def error_free_probability(self, circuit: Circuit) -> float:
        """Probability that a run of the circuit has no error."""
        return math.prod(1 - self.probability(gate) for gate in circuit)
