"""What random parameters tell about a circuit: variance of gradients, expressibility, entangling capability.

Shapes: S samples, P parameters, R resamples.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qlit.circuits.circuit import Circuit
from qlit.circuits.entanglement import haar_entanglement
from qlit.circuits.expressibility import NUM_BINS, Bins, Expressibility, expressibility, haar_divergence_of_real_states

_NUM_RESAMPLES = 1000
_ROUNDING = 1e-26  # variance of float64's rounding, room to spare; a plateau of 24 qubits has 1e-8


class Estimate(NamedTuple):
    """An estimate and the ends of its 95 % bootstrap interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Diagnosis:
    """Numbers of one circuit with random parameters.

    Args:
        num_qubits: Q.
        num_parameters: P.
        gradient_variance: Variance of the derivative of <Z> of one wire by a parameter, mean over the parameters.
        gradient_variances: The variance of every parameter's derivative.
        expressibility: Divergence of the fidelities from those of Haar-random states, nats.
        least_expressibility: The same of uniformly random states with amplitudes like the circuit's: 0 if they are
            complex.
        entanglement: Mean Meyer-Wallach entanglement, in [0, 1]: the entangling capability.
        random_entanglement: The same of uniformly random states with amplitudes like the circuit's.
    """

    num_qubits: int
    num_parameters: int
    gradient_variance: Estimate
    gradient_variances: tuple[float, ...]
    expressibility: Expressibility
    least_expressibility: float
    entanglement: Estimate
    random_entanglement: float

    @property
    def largest_variance(self) -> float:
        """Largest variance of a parameter's derivative; 0 without parameters."""
        return max(self.gradient_variances, default=0.0)


def diagnosis_of(
    circuit: Circuit,
    gradients_SP: NDArray[np.float64],
    fidelities_S: NDArray[np.float64],
    entanglement_S: NDArray[np.float64],
    rng: np.random.Generator,
    *,
    num_bins: int = NUM_BINS,
    bins: Bins = "width",
) -> Diagnosis:
    """Estimate the numbers of a circuit from independent samples.

    Args:
        circuit: The circuit.
        gradients_SP: Derivatives of <Z> of one wire, shape (S, P).
        fidelities_S: Fidelities of pairs of states, shape (S,).
        entanglement_S: Meyer-Wallach entanglement of states, shape (S,).
        rng: Generator of the bootstrap.
        num_bins: Number of bins of the fidelities.
        bins: Kind of bins.

    Raises:
        ValueError: If there are fewer than two samples, or as `expressibility`.
    Source: arXiv:1803.11173 (gradients), arXiv:1905.10876, sec. 2 (expressibility and entangling capability).
    """
    num_samples = len(gradients_SP)
    if num_samples < 2:
        raise ValueError(f"A variance needs at least 2 samples, but got {num_samples}.")
    weights_RS = rng.multinomial(num_samples, np.full(num_samples, 1 / num_samples), _NUM_RESAMPLES) / num_samples
    unbiased = num_samples / (num_samples - 1)
    variances_P = _without_rounding(gradients_SP.var(axis=0, ddof=1))
    variance, again_R = 0.0, np.zeros(_NUM_RESAMPLES)
    if circuit.num_parameters:
        variance = float(variances_P.mean())
        means_RP = weights_RS @ gradients_SP
        squares_R = weights_RS @ np.square(gradients_SP).mean(axis=1)
        again_R = _without_rounding(unbiased * (squares_R - np.square(means_RP).mean(axis=1)))
    return Diagnosis(
        num_qubits=circuit.num_qubits,
        num_parameters=circuit.num_parameters,
        gradient_variance=_estimate(variance, again_R),
        gradient_variances=tuple(variances_P.tolist()),
        expressibility=expressibility(fidelities_S, circuit.num_qubits, rng, num_bins=num_bins, bins=bins),
        least_expressibility=haar_divergence_of_real_states(circuit.num_qubits, num_bins=num_bins, bins=bins)
        if circuit.is_real
        else 0.0,
        entanglement=_estimate(float(entanglement_S.mean()), weights_RS @ entanglement_S),
        random_entanglement=haar_entanglement(circuit.num_qubits, real=circuit.is_real),
    )


def _without_rounding(variances: NDArray[np.float64]) -> NDArray[np.float64]:
    """Variances with 0 for those of derivatives that are 0 up to rounding."""
    return np.where(variances < _ROUNDING, 0.0, variances)


def _estimate(value: float, again_R: NDArray[np.float64]) -> Estimate:
    low, high = np.quantile(again_R, (0.025, 0.975))
    return Estimate(value, max(0.0, float(low)), float(high))


class ExponentialFit(NamedTuple):
    """Variance = exp(intercept - rate * Q), fitted to logarithms by least squares.

    Args:
        rate: Decay per qubit; exp(-rate) is the factor of one more qubit.
        low: Lower end of its 95 % interval, by Student's t distribution of the residuals.
        high: Upper end.
        intercept: Logarithm at Q = 0.
    """

    rate: float
    low: float
    high: float
    intercept: float

    def __call__(self, num_qubits: float) -> float:
        """The fitted variance at a number of qubits."""
        return float(np.exp(self.intercept - self.rate * num_qubits))


def exponential_fit(num_qubits: Sequence[int], variances: Sequence[float]) -> ExponentialFit | None:
    """Fit an exponential decay of variances with the number of qubits, the sign of a barren plateau.

    The interval covers the scatter of the variances around an exponential, with as many degrees of freedom as there are
    points beyond two; it is not that of their samples alone.

    Returns:
        The fit; None for fewer than three different numbers of qubits, or if a variance is 0.
    Source: McClean et al., arXiv:1803.11173.
    """
    from scipy.stats import linregress, t  # takes longer to import than everything else here

    if len(set(num_qubits)) < 3 or not all(value > 0 for value in variances):
        return None
    line = linregress(num_qubits, np.log(variances))
    half = float(t.ppf(0.975, len(num_qubits) - 2) * line.stderr)
    rate = -float(line.slope)
    return ExponentialFit(rate, rate - half, rate + half, float(line.intercept))
