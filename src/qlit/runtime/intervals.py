"""Confidence interval of an accuracy."""

from math import sqrt


def wilson_interval(accuracy: float, num_samples: int, z: float = 1.959964) -> tuple[float, float]:
    """95 % confidence interval of a proportion observed in `num_samples` trials; both ends are in [0, 1].

    Source: Wilson (1927), score interval; z is the 97.5 % point of the standard normal distribution.

    Raises:
        ValueError: If `num_samples < 1`.
    """
    if num_samples < 1:
        raise ValueError(f"`num_samples >= 1` must hold, but got {num_samples=}.")
    shrink = 1 + z**2 / num_samples
    center = (accuracy + z**2 / (2 * num_samples)) / shrink
    half = z * sqrt(accuracy * (1 - accuracy) / num_samples + z**2 / (4 * num_samples**2)) / shrink
    # At an accuracy of 0 or 1, one end equals the accuracy up to rounding.
    return min(max(0.0, center - half), accuracy), max(min(1.0, center + half), accuracy)
