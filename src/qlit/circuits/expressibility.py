"""Expressibility of a circuit: how far the fidelities of its random states are from those of Haar-random states.

Two states of a circuit with independent random parameters have the fidelity F = |<a|b>|^2. For Haar-random states its
density is (N - 1) (1 - F)^(N - 2). Expressibility is the Kullback-Leibler divergence of the first distribution from the
second, estimated from a histogram: 0 is as expressive as possible.

Shapes: S fidelities, K bins; N = 2**num_qubits amplitudes.
Source: Sim et al., arXiv:1905.10876, sec. 2.1.
"""

from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc

Bins = Literal["width", "mass"]
"""Bins of equal width in F, as published; or of equal probability for Haar-random states."""
NUM_BINS = 75
"""Number of bins of the published estimates."""
_OUTSIDE = 1e-6  # rounding of a fidelity of 1


class Expressibility(NamedTuple):
    """An estimate in nats, with its interval.

    Args:
        value: Estimate after the correction of its bias, at least 0.
        low: Lower end of the 95 % interval, at least 0.
        high: Upper end of the 95 % interval.
        plug_in: Divergence of the histogram itself, as published. Of S Haar-random fidelities it is about
            (K - 1) / (2 S), not 0.
    """

    value: float
    low: float
    high: float
    plug_in: float


def bin_ends(num_qubits: int, num_bins: int = NUM_BINS, bins: Bins = "width") -> NDArray[np.float64]:
    """Ends of the bins, from 0 to 1, shape (K + 1,).

    Raises:
        ValueError: If `num_qubits < 1`, `num_bins < 2` or the kind of bins is unknown.
    """
    if num_qubits < 1 or num_bins < 2:
        raise ValueError(f"`num_qubits >= 1` and `num_bins >= 2` must hold, but got {num_qubits=}, {num_bins=}.")
    if bins not in get_args(Bins):
        raise ValueError(f"`bins` must be one of {', '.join(get_args(Bins))}, but got {bins!r}.")
    ends: NDArray[np.float64] = np.linspace(0, 1, num_bins + 1)
    if bins == "mass":  # 1 - (1 - ends) ** (1 / (N - 1)), without loss of digits at many qubits
        with np.errstate(divide="ignore"):
            ends = -np.expm1(np.log1p(-ends) / (2**num_qubits - 1))
    return ends


def haar_log_masses(ends: NDArray[np.float64], num_qubits: int) -> NDArray[np.float64]:
    """Logarithms of the probabilities of bins for Haar-random states, shape (K,).

    P(F < f) = 1 - (1 - f)^(N - 1). Logarithms stay finite where a probability is less than the smallest number.
    """
    power = 2**num_qubits - 1
    with np.errstate(divide="ignore"):
        above = power * np.log1p(-ends)  # log P(F >= end); -inf at 1
    found: NDArray[np.float64] = above[:-1] + np.log(-np.expm1(above[1:] - above[:-1]))
    return found


def divergence(masses: NDArray[np.float64], log_masses: NDArray[np.float64]) -> NDArray[np.float64]:
    """Kullback-Leibler divergence of distributions over bins from one with the given logarithms, nats.

    Args:
        masses: Probabilities, shape (..., K).
        log_masses: Logarithms of the probabilities of the other distribution, finite, shape (K,).
    """
    logs = np.log(masses, out=np.zeros_like(masses), where=masses > 0)
    found: NDArray[np.float64] = (masses * (logs - log_masses)).sum(axis=-1)
    return found


def expressibility(
    fidelities_S: NDArray[np.float64],
    num_qubits: int,
    rng: np.random.Generator,
    *,
    num_bins: int = NUM_BINS,
    bins: Bins = "width",
    num_resamples: int = 1000,
) -> Expressibility:
    """Estimate expressibility from independent fidelities.

    The bias of the histogram is estimated by a bootstrap and subtracted, and the interval is the basic bootstrap one:
    both reflect the resampled divergences at the divergence of the histogram.

    Args:
        fidelities_S: Fidelities of independent pairs of states, in [0, 1], shape (S,), S at least 2.
        num_qubits: Number of qubits of the states.
        rng: Generator of the bootstrap.
        num_bins: K, at least 2.
        bins: Kind of bins.
        num_resamples: Number of resamples.

    Raises:
        ValueError: If there are fewer than two fidelities, one lies outside [0, 1], or as `bin_ends`.
    """
    ends = bin_ends(num_qubits, num_bins, bins)
    if fidelities_S.ndim != 1 or len(fidelities_S) < 2:
        raise ValueError(f"At least two fidelities are needed, shape (S,), but got shape {fidelities_S.shape}.")
    if not ((fidelities_S >= -_OUTSIDE) & (fidelities_S <= 1 + _OUTSIDE)).all():
        raise ValueError("Fidelities must lie in [0, 1], but some do not.")
    counts = np.histogram(np.clip(fidelities_S, 0, 1), ends)[0]
    log_masses = haar_log_masses(ends, num_qubits)
    masses = counts / len(fidelities_S)
    plug_in = float(divergence(masses, log_masses))
    again = divergence(rng.multinomial(len(fidelities_S), masses, num_resamples) / len(fidelities_S), log_masses)
    low, high = np.quantile(again, (0.025, 0.975))
    value, low, high = (max(0.0, float(2 * plug_in - end)) for end in (again.mean(), high, low))
    return Expressibility(value, low, high, plug_in)


def haar_divergence_of_real_states(num_qubits: int, *, num_bins: int = NUM_BINS, bins: Bins = "width") -> float:
    """Expressibility of uniformly random real states, nats: circuits of real gates do not get below it for long.

    Their fidelity has the distribution Beta(1/2, (N - 1) / 2), that of the squared coordinate of a random unit vector.
    """
    ends = bin_ends(num_qubits, num_bins, bins)
    masses = np.diff(betainc(0.5, (2**num_qubits - 1) / 2, ends))
    return float(divergence(masses, haar_log_masses(ends, num_qubits)))
