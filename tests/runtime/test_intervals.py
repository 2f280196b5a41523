"""The confidence interval of an accuracy against published cases and scipy."""

import pytest
from scipy.stats import binomtest

from qlit.runtime.intervals import wilson_interval


@pytest.mark.parametrize(
    ("accuracy", "num_samples", "low", "high"),
    [(0.9, 100, 0.826, 0.945), (0.5, 10, 0.237, 0.763), (0.0, 10, 0.0, 0.278), (1.0, 10, 0.722, 1.0)],
)
def test_the_interval_in_known_cases(accuracy, num_samples, low, high):
    assert wilson_interval(accuracy, num_samples) == pytest.approx((low, high), abs=5e-4)


@pytest.mark.parametrize("num_samples", [1, 7, 10, 77, 9101])
def test_the_interval_is_wilsons_and_lies_in_0_to_1(num_samples):
    for right in {0, 1, num_samples // 3, num_samples - 1, num_samples}:
        low, high = wilson_interval(right / num_samples, num_samples)
        assert 0 <= low < high <= 1
        assert low <= right / num_samples <= high
        expected = binomtest(right, num_samples).proportion_ci(0.95, method="wilson")
        assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-6)  # z has seven digits


@pytest.mark.parametrize("num_samples", [0, -1])
def test_no_samples_have_no_interval(num_samples):
    with pytest.raises(ValueError, match=rf"`num_samples >= 1` must hold, but got num_samples={num_samples}\."):
        wilson_interval(0.5, num_samples)
