"""Compare the order of models by accuracy with the published order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy import stats

from qlit.comparisons.comparison import Model, compare
from qlit.tracking.kept_runs import KeptRun


@dataclass(frozen=True)
class RankedModel:
    """A model with its published accuracy.

    Args:
        name: Name of the model.
        published: Published accuracy, in the same unit for all models.
        runs: Its runs by seed, at least one.
    """

    name: str
    published: float
    runs: Mapping[int, KeptRun]


@dataclass(frozen=True)
class Ordering:
    """Agreement of the models' order with the published order, pair by pair.

    Args:
        agreeing: Pairs (better, worse) that differ beyond noise, in the published order.
        reversed: Pairs (better, worse) that differ beyond noise, in the opposite order.
        noisy: Pairs whose difference is within noise.
        kendall_tau: Rank correlation (tau-b) of mean and published accuracies, in [-1, 1]; None if either is constant.
    """

    agreeing: tuple[tuple[str, str], ...]
    reversed: tuple[tuple[str, str], ...]
    noisy: tuple[tuple[str, str], ...]
    kendall_tau: float | None


def ordering_of(models: Sequence[RankedModel]) -> Ordering:
    """Compare all pairs on their common seeds, except pairs without a common seed or with equal published accuracy.

    Raises:
        ValueError: If runs with the same seed have different splits or data.
    """
    found: dict[str, list[tuple[str, str]]] = {"agreeing": [], "reversed": [], "noisy": []}
    for pair in combinations(models, 2):
        shared = sorted(pair[0].runs.keys() & pair[1].runs.keys())
        if not shared or pair[0].published == pair[1].published:
            continue
        (result,) = compare([Model(each.name, tuple(each.runs[seed] for seed in shared)) for each in pair]).pairs
        better, worse = (pair[1], pair[0]) if result.difference > 0 else pair
        kind = "noisy" if result.is_noise else "agreeing" if better.published > worse.published else "reversed"
        found[kind].append((better.name, worse.name))
    return Ordering(**{kind: tuple(pairs) for kind, pairs in found.items()}, kendall_tau=_kendall_tau(models))


def _kendall_tau(models: Sequence[RankedModel]) -> float | None:
    published = [model.published for model in models]
    means = [float(Model(model.name, tuple(model.runs.values())).accuracies.mean()) for model in models]
    if len(models) < 2 or np.ptp(published) == 0 or np.ptp(means) == 0:
        return None
    return float(stats.kendalltau(published, means).statistic)
