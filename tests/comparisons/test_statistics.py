"""Statistics against worked examples, slow ways and properties."""

import math

import numpy as np
import pytest

from qlit.comparisons.statistics import (
    DIFFERENCE,
    PROPORTION,
    bootstrap_interval,
    cohens_dz,
    cohens_h,
    mcnemar,
    range_of,
    t_interval,
    t_test,
)

# Differences of ten pairs: sleep gained on drug 2 over drug 1, Student (1908), table I; his t is 4.0621 with 9 degrees
# of freedom, p 0.00283, and the interval of R's t.test 0.7001 to 2.4599.
SLEEP = [1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4]


def split_right(both, only_first, only_second, neither):
    first = [True] * both + [True] * only_first + [False] * (only_second + neither)
    second = [True] * both + [False] * only_first + [True] * only_second + [False] * neither
    return first, second


def test_the_paired_t_test_gives_students_own_example():
    assert t_interval(SLEEP) == pytest.approx((0.7001142, 2.4598858), abs=1e-6)
    assert t_test(SLEEP) == pytest.approx(0.002833, abs=1e-6)
    assert cohens_dz(SLEEP) == pytest.approx(4.0621 / math.sqrt(10), abs=1e-4)


def test_one_pair_or_equal_ones_tell_no_spread():
    assert t_interval([0.3]) is None
    assert t_interval([0.3, 0.3]) == (0.3, 0.3)
    assert t_test([0.3]) is t_test([0.3, 0.3]) is None
    assert cohens_dz([0.3]) is cohens_dz([0.3, 0.3]) is None


def test_an_interval_is_cut_at_the_limits_of_its_values_and_no_earlier():
    assert t_interval([0.95, 0.99], PROPORTION)[1] == 1.0
    assert t_interval([0.95, 0.99], PROPORTION)[0] == t_interval([0.95, 0.99])[0] > 0.7
    assert t_interval([0.01, 0.2], PROPORTION)[0] == 0.0
    assert t_interval([-0.3, 0.3], DIFFERENCE) == (-1.0, 1.0)
    assert t_interval([0.80, 0.81, 0.82], PROPORTION) == t_interval([0.80, 0.81, 0.82])
    low, high = t_interval([0.1, 0.1, 0.1])
    assert low == high == np.mean([0.1, 0.1, 0.1])  # bars of length 0 and not below


@pytest.mark.parametrize(
    ("metric", "found"),
    [
        ("val/accuracy", (0, 1)),
        ("test/calibration_error", (0, 1)),
        ("val/loss", (0, math.inf)),
        ("parameters", (0, math.inf)),
        ("other", (-math.inf, math.inf)),
    ],
)
def test_the_range_of_a_score_is_known_by_its_name(metric, found):
    assert range_of(metric) == found


@pytest.mark.parametrize(("only_first", "only_second"), [(1, 9), (9, 1), (5, 5), (0, 4), (7, 12), (1, 0)])
def test_mcnemar_agrees_with_the_binomial_tails_counted_out(only_first, only_second):
    n = only_first + only_second
    share = [math.comb(n, k) / 2**n for k in range(n + 1)]
    fewer = min(only_first, only_second)
    tail = sum(share[: fewer + 1])
    found = mcnemar(*split_right(30, only_first, only_second, 4))
    assert (found.only_first, found.only_second) == (only_first, only_second)
    assert found.exact_p == pytest.approx(min(1.0, 2 * tail), abs=1e-12)
    # Of the point itself half is counted: Fagerland et al. (2013), eq. 10, and its special case of equal counts.
    expected = 1 - share[fewer] / 2 if only_first == only_second else 2 * tail - share[fewer]
    assert found.mid_p == pytest.approx(expected, abs=1e-12)


def test_models_that_agree_on_every_sentence_do_not_differ():
    right, same = split_right(5, 0, 0, 3)
    assert mcnemar(right, same).mid_p == mcnemar(right, same).exact_p == 1
    assert bootstrap_interval(right, same) == (0, 0)


def test_the_bootstrap_over_counts_is_that_over_sentences():
    first, second = (np.array(each) for each in split_right(120, 20, 45, 15))
    differences = second.astype(float) - first
    generator = np.random.default_rng(7)
    slow = [differences[generator.integers(0, 200, 200)].mean() for _ in range(10_000)]
    # Quantiles of 10,000 resamples wander by about 2 % of the interval's width of 0.155.
    assert bootstrap_interval(first, second) == pytest.approx(np.quantile(slow, [0.025, 0.975]), abs=0.01)
    assert bootstrap_interval(first, second) == bootstrap_interval(first, second)
    low, high = bootstrap_interval(second, first)
    assert (-high, -low) == pytest.approx(bootstrap_interval(first, second), abs=0.01)


def test_cohens_h_is_the_distance_of_the_angles():
    assert cohens_h(0.5, 0.5) == 0
    assert cohens_h(0, 1) == pytest.approx(math.pi)
    assert cohens_h(0.25, 0.5) == pytest.approx(math.pi / 6)  # arcsines 30 and 45 degrees, doubled
    assert cohens_h(0.5, 0.25) == pytest.approx(-math.pi / 6)
