"""Statistics of paired results, over splits and over test sentences; distributions are scipy's.

Shapes: S pairs of runs (splits, seeds), N test sentences.
"""

from dataclasses import dataclass
from math import asin, inf, sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

LEVEL = 0.95
"""Confidence of every interval here."""

ANY_NUMBER, PROPORTION, DIFFERENCE = (-inf, inf), (0.0, 1.0), (-1.0, 1.0)
"""Ranges: of any number; of a proportion, such as an accuracy; of the difference of two proportions."""

_PROPORTIONS = ("accuracy", "f1", "auroc", "calibration_error")
_FROM_ZERO = ("loss", "parameters", "gates", "num_validation", "num_test")


def range_of(metric: str) -> tuple[float, float]:
    """The values that a score can have, `val/accuracy` or `parameters`, and so its mean."""
    name = metric.rpartition("/")[2]
    return PROPORTION if name in _PROPORTIONS else (0.0, inf) if name in _FROM_ZERO else ANY_NUMBER


def difference_range_of(metric: str) -> tuple[float, float]:
    """The values that the difference of two scores can have."""
    return DIFFERENCE if range_of(metric) == PROPORTION else ANY_NUMBER


def cut(interval: tuple[float, float], limits: tuple[float, float]) -> tuple[float, float]:
    """The part of an interval that lies within limits; what is covered within them is covered as often as before."""
    low, high = (min(max(end, limits[0]), limits[1]) for end in interval)
    return low, high


def t_interval(values: ArrayLike, limits: tuple[float, float] = ANY_NUMBER) -> tuple[float, float] | None:
    """Student's t interval of a mean; None for one value, which tells nothing of its spread.

    Args:
        values: Shape (S,), S >= 1; the differences of pairs give a paired interval.
        limits: The least and the greatest value that there can be. Student's interval knows of none, and that of two
            or three accuracies may go far beyond 0 and 1; it is cut there, which costs no coverage, as the mean lies
            within them.
    Returns:
        Its ends in the values' unit; both the mean where all values are equal.
    """
    sample = _sample(values)
    if len(sample) < 2:
        return None
    if np.ptp(sample) == 0:  # scipy gives NaN
        return float(sample.mean()), float(sample.mean())
    found = stats.ttest_1samp(sample, 0.0).confidence_interval(LEVEL)
    return cut((float(found.low), float(found.high)), limits)


def t_test(differences: ArrayLike) -> float | None:
    """Two-sided p value of the paired t test; None for fewer than two pairs, or where all differences are equal.

    Args:
        differences: Of pairs, shape (S,).
    """
    sample = _sample(differences)
    if len(sample) < 2 or np.ptp(sample) == 0:
        return None
    return float(stats.ttest_1samp(sample, 0.0).pvalue)


def cohens_dz(differences: ArrayLike) -> float | None:
    """Effect size of paired differences: their mean over their standard deviation; None where that is 0 or unknown.

    Args:
        differences: Of pairs, shape (S,).
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
    """Two models on the same sentences.

    Args:
        only_first: Sentences that only the first model has right.
        only_second: Sentences that only the second has right.
        exact_p: Two-sided p value of the exact test, which errs on the side of no difference.
        mid_p: Its mid-p value, which is closer to its level.
    """

    only_first: int
    only_second: int
    exact_p: float
    mid_p: float


def mcnemar(right_first: ArrayLike, right_second: ArrayLike) -> McNemar:
    """McNemar's test: do two models have the same accuracy, given which sentences each has right?

    Args:
        right_first: Whether the first model has each sentence right, shape (N,).
        right_second: The same of the second.
    Source: Fagerland, Lydersen and Laake (2013), BMC Med. Res. Methodol. 13:91, exact and mid-p tests.
    """
    first, second = np.asarray(right_first, dtype=bool), np.asarray(right_second, dtype=bool)
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    differing = only_first + only_second
    if not differing:
        return McNemar(0, 0, 1.0, 1.0)
    exact = float(stats.binomtest(only_first, differing, 0.5).pvalue)
    point = float(stats.binom.pmf(only_first, differing, 0.5))
    # Half the probability of what was seen, of both tails; where both tails meet, it was counted once only.
    mid = exact - (point / 2 if only_first == only_second else point)
    return McNemar(only_first, only_second, exact, max(0.0, mid))


def bootstrap_interval(
    right_first: ArrayLike, right_second: ArrayLike, *, num_resamples: int = 10_000, seed: int = 0
) -> tuple[float, float]:
    """Percentile bootstrap interval of a difference of accuracies, second minus first, over test sentences.

    Args:
        right_first: Whether the first model has each sentence right, shape (N,).
        right_second: The same of the second, which stays paired with it.
        num_resamples: Resamples.
        seed: Of the resampling.
    Cost: a sentence's difference is -1, 0 or 1, so sentences drawn with replacement are counts drawn from a
        multinomial; nothing of N times `num_resamples` is made.
    """
    first, second = np.asarray(right_first, dtype=bool), np.asarray(right_second, dtype=bool)
    lost, won, num = int((first & ~second).sum()), int((second & ~first).sum()), len(first)
    shares = [lost / num, won / num, (num - lost - won) / num]
    drawn = stats.multinomial.rvs(num, shares, size=num_resamples, random_state=np.random.default_rng(seed))
    low, high = np.quantile((drawn[:, 1] - drawn[:, 0]) / num, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _sample(values: ArrayLike) -> NDArray[np.float64]:
    return np.asarray(values, dtype=np.float64)
