"""Pauli errors after the gates of a circuit: their code, and random draws of them.

An error is one byte: an X or a Z, or both, on the first wire of its gate and on the second of a CNOT.

Errors are drawn with the gates' cumulative hazards H_g = -sum log(1 - p_g): a gate fails where an arrival of a Poisson
process of rate 1 falls between H_{g-1} and H_g. The gap to a sample's next error is then one exponential number, and a
trajectory costs as many numbers as it has errors.

Shapes: B samples, K trajectories of each, G gates.
"""

import numpy as np
from numpy.typing import NDArray

from qlit.circuits import Circuit, DepolarizingNoise

# Bits of an error: on the first wire of its gate, and on the second of a CNOT.
X_FIRST, Z_FIRST, X_SECOND, Z_SECOND = 1, 2, 4, 8

# A gate that fails for certain would have an infinite hazard; exp(-36) is below the resolution of random numbers.
_LARGEST_HAZARD = 36.0


class PauliErrors:
    """Random Pauli errors after the gates of a circuit; see the module for their code.

    Args:
        circuit: The circuit, G gates.
        noise: The probabilities.
    """

    def __init__(self, circuit: Circuit, noise: DepolarizingNoise) -> None:
        self.circuit, self.noise = circuit, noise
        probabilities_G = np.array([noise.probability(gate) for gate in circuit], dtype=np.float64)
        with np.errstate(divide="ignore"):
            hazards_G = np.minimum(-np.log1p(-probabilities_G), _LARGEST_HAZARD)
        self._cumulative_G = np.cumsum(hazards_G)
        self._num_paulis_G = np.array([4 ** len(gate.wires) - 1 for gate in circuit])
        self._total = float(self._cumulative_G[-1]) if len(circuit) else 0.0

    @property
    def error_probability(self) -> float:
        """1 - P, the probability of at least one error."""
        return float(-np.expm1(-self._total))

    def drawn(self, num_rows: int, rng: np.random.Generator) -> NDArray[np.uint8]:
        """Unconditioned errors, mostly none; shape (num_rows, G)."""
        return self._from_first(rng.standard_exponential(num_rows), rng)

    def at_least_one(self, num_samples: int, num_each: int, rng: np.random.Generator) -> NDArray[np.uint8]:
        """Errors, at least one per row, shape (B * K, G): the rows of a sample together, their first errors stratified.

        Raises:
            ValueError: If no error can happen.
        """
        if self._total == 0:
            raise ValueError("Without gates that fail there is no trajectory with an error.")
        # The first arrival of the process, given that it lies below the total: by the inverse of its distribution.
        stratum_BK = np.arange(num_each) + rng.random((num_samples, num_each))
        first = -np.log1p(-(stratum_BK.ravel() / num_each) * self.error_probability)
        return self._from_first(np.minimum(first, self._total), rng)

    def _from_first(self, arrivals: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.uint8]:
        errors = np.zeros((len(arrivals), len(self._cumulative_G)), dtype=np.uint8)
        rows = np.arange(len(arrivals))
        while True:
            gates = np.searchsorted(self._cumulative_G, arrivals)
            happens = gates < len(self._cumulative_G)
            rows, gates = rows[happens], gates[happens]
            if not len(rows):
                return errors
            errors[rows, gates] = 1 + (rng.random(len(rows)) * self._num_paulis_G[gates]).astype(np.uint8)
            arrivals = self._cumulative_G[gates] + rng.standard_exponential(len(rows))
