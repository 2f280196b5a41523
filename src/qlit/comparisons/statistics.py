"""Statistics of paired results over splits and over test sentences, with scipy's distributions.

Shapes: S pairs of runs (splits, seeds), N test sentences.
"""

from dataclasses import dataclass
from math import asin, inf, sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

LEVEL = 0.95
"""Confidence level of all intervals."""

ANY_NUMBER, PROPORTION, DIFFERENCE = (-inf, inf), (0.0, 1.0), (-1.0, 1.0)
"""Ranges of any number, of a proportion such as an accuracy, and of a difference of two proportions."""

_PROPORTIONS = ("accuracy", "f1", "auroc", "calibration_error")
_FROM_ZERO = ("loss", "parameters", "gates", "num_validation", "num_test")


def range_of(metric: str) -> tuple[float, float]:
    """Range of a score such as `val/accuracy` or `parameters`, and of its mean."""
    name = metric.rpartition("/")[2]
    return PROPORTION if name in _PROPORTIONS else (0.0, inf) if name in _FROM_ZERO else ANY_NUMBER


def difference_range_of(metric: str) -> tuple[float, float]:
    """Range of the difference of two scores."""
    return DIFFERENCE if range_of(metric) == PROPORTION else ANY_NUMBER


def cut(interval: tuple[float, float], limits: tuple[float, float]) -> tuple[float, float]:
    """Part of an interval within limits; values within the limits stay covered."""
    low, high = (min(max(end, limits[0]), limits[1]) for end in interval)
    return low, high


def t_interval(values: ArrayLike, limits: tuple[float, float] = ANY_NUMBER) -> tuple[float, float] | None:
    """Student's t interval of a mean; None for a single value, whose spread is unknown.

    Args:
        values: Values, shape (S,), S >= 1; differences of pairs give a paired interval.
        limits: Smallest and largest possible value. Student's interval of two or three accuracies may extend far
            beyond 0 and 1. It is cut at the limits, which keeps its coverage because the mean is within them.
    Returns:
        Ends of the interval, in the unit of the values; both equal the mean if all values are equal.
    """
    sample = _sample(values)
    if len(sample) < 2:
        return None
    if np.ptp(sample) == 0:  # scipy returns NaN
        return float(sample.mean()), float(sample.mean())
    found = stats.ttest_1samp(sample, 0.0).confidence_interval(LEVEL)
    return cut((float(found.low), float(found.high)), limits)


def t_test(differences: ArrayLike) -> float | None:
    """Two-sided p value of the paired t test; None for fewer than two pairs, or if all differences are equal.

    Args:
        differences: Differences of pairs, shape (S,).
    """
    sample = _sample(differences)
    if len(sample) < 2 or np.ptp(sample) == 0:
        return None
    return float(stats.ttest_1samp(sample, 0.0).pvalue)


def cohens_dz(differences: ArrayLike) -> float | None:
    """Effect size of paired differences: mean over standard deviation; None if the latter is 0 or unknown.

    Args:
        differences: Differences of pairs, shape (S,).
    Source: Cohen (1988), Statistical Power Analysis, sec. 2.3.5.
    """
    sample = _sample(differences)
    if len(sample) < 2 or np.ptp(sample) == 0:
        return None
    return float(sample.mean() / sample.std(ddof=1))


def cohens_h(first: float, second: float) -> float:
    """Effect size of a difference of two proportions, `second` against `first`, in [-pi, pi].

    Source: Cohen (1988), sec. 6.2; 0.2 is called small, 0.5 medium, 0.8 large.
    """
    return 2 * asin(sqrt(second)) - 2 * asin(sqrt(first))


@dataclass(frozen=True)
class McNemar:
    """McNemar's test of two models on the same sentences.

    Args:
        only_first: Number of sentences that only the first model labels correctly.
        only_second: Number of sentences that only the second model labels correctly.
        exact_p: Two-sided p value of the exact test, which is conservative.
        mid_p: Mid-p value, whose error rate is closer to the nominal level.
    """

    only_first: int
    only_second: int
    exact_p: float
    mid_p: float


def mcnemar(right_first: ArrayLike, right_second: ArrayLike) -> McNemar:
    """McNemar's test of equal accuracy of two models on the same sentences.

    Args:
        right_first: Whether the first model labels each sentence correctly, shape (N,).
        right_second: The same for the second model.
    Source: Fagerland, Lydersen and Laake (2013), BMC Med. Res. Methodol. 13:91, exact and mid-p tests.
    """
    first, second = np.asarray(right_first, dtype=bool), np.asarray(right_second, dtype=bool)
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    differing = only_first + only_second
    if not differing:
        return McNemar(0, 0, 1.0, 1.0)
    exact = float(stats.binomtest(only_first, differing, 0.5).pvalue)
    point = float(stats.binom.pmf(only_first, differing, 0.5))
    # Subtract half the probability of the observed count in both tails; if the tails meet, it was counted only once.
    mid = exact - (point / 2 if only_first == only_second else point)
    return McNemar(only_first, only_second, exact, max(0.0, mid))


def bootstrap_interval(
    right_first: ArrayLike, right_second: ArrayLike, *, num_resamples: int = 10_000, seed: int = 0
) -> tuple[float, float]:
    """Percentile bootstrap interval of a difference of accuracies, second minus first, over test sentences.

    Args:
        right_first: Whether the first model labels each sentence correctly, shape (N,).
        right_second: The same for the second model; pairs stay together in the resampling.
        num_resamples: Number of resamples.
        seed: Seed of the resampling.
    Cost: the difference on a sentence is -1, 0 or 1, so a resample is three counts drawn from a multinomial
        distribution; no array of N times `num_resamples` is created.
    """
    first, second = np.asarray(right_first, dtype=bool), np.asarray(right_second, dtype=bool)
    lost, won, num = int((first & ~second).sum()), int((second & ~first).sum()), len(first)
    shares = [lost / num, won / num, (num - lost - won) / num]
    drawn = stats.multinomial.rvs(num, shares, size=num_resamples, random_state=np.random.default_rng(seed))
    low, high = np.quantile((drawn[:, 1] - drawn[:, 0]) / num, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _sample(values: ArrayLike) -> NDArray[np.float64]:
    return np.asarray(values, dtype=np.float64)
