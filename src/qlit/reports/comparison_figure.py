"""Figure of a comparison: the runs of every model, and paired differences with intervals."""

import textwrap
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from qlit.comparisons.results import Comparison, PairResult
from qlit.runtime.figure_style import BLUE, GREY, ORANGE, clean, titled_figure

_NAME_CHARS = 22


def comparison_figure(comparison: Comparison) -> Figure:
    """Draw the accuracies of all runs, and below them the paired differences.

    Lines join the runs of one split. Bars are 95 % intervals over splits, or over the sentences of a single split.
    """
    num_models, num_pairs = len(comparison.models), len(comparison.pairs)
    splits = "1 split" if comparison.num_splits == 1 else f"{comparison.num_splits} splits"
    title = f"{comparison.dataset}: {comparison.num_test:,} test sentences, {splits}"
    note = comparison.pairs[0].verdict if num_pairs == 1 else None
    height = 3.4 + 0.9 + 0.45 * num_pairs
    figure = titled_figure(max(6.4, 1.9 * num_models), height, title, note)
    upper, lower = figure.subplots(2, 1, height_ratios=[3.4, 0.9 + 0.45 * num_pairs])
    _draw_accuracies(upper, comparison)
    _draw_differences(lower, comparison.pairs)
    return figure


def _draw_accuracies(axes: Any, comparison: Comparison) -> None:
    places = np.arange(len(comparison.models))
    accuracies = 100 * np.array([model.accuracies for model in comparison.models])
    for of_split in accuracies.T:
        axes.plot(places, of_split, color=GREY, alpha=0.45, linewidth=0.9, marker="o", markersize=4)
    means = 100 * np.array([model.mean for model in comparison.models])
    ends = 100 * np.array([(model.low, model.high) for model in comparison.models])
    axes.errorbar(
        places + 0.12, means, yerr=[means - ends[:, 0], ends[:, 1] - means],
        fmt="D", color=BLUE, markersize=6, capsize=4, linewidth=1.6,
    )  # fmt: skip
    for place, mean in zip(places, means, strict=True):
        axes.annotate(f"{mean:.2f} %", (place + 0.12, mean), xytext=(9, 0), textcoords="offset points", va="center")
    axes.set_xticks(places, [_wrapped(model.name) for model in comparison.models])
    axes.set_xlim(-0.4, len(places) - 0.35)
    low, high = axes.get_ylim()
    axes.set_ylim(max(low, -1), min(high, 101))  # keep bar caps at the ends of the range visible
    axes.set_ylabel("test accuracy, %")
    clean(axes)


def _draw_differences(axes: Any, pairs: tuple[PairResult, ...]) -> None:
    for place, pair in enumerate(pairs):
        single = pair.splits[0]
        low, high = (single.low, single.high) if pair.low is None or pair.high is None else (pair.low, pair.high)
        mean = 100 * pair.difference
        axes.errorbar(
            mean, place, xerr=[[mean - 100 * low], [100 * high - mean]],
            fmt="D", color=GREY if pair.is_noise else ORANGE, markersize=6, capsize=4, linewidth=1.6,
        )  # fmt: skip
        axes.annotate(f"{mean:+.2f}", (mean, place), xytext=(0, 7), textcoords="offset points", ha="center")
    axes.axvline(0, color=GREY, linestyle=":", linewidth=1)
    names = [f"{_wrapped(pair.second)}\n- {_wrapped(pair.first)}" for pair in pairs]
    axes.set_yticks(range(len(pairs)), names, fontsize=8)
    axes.set_ylim(len(pairs) - 0.4, -0.6)
    axes.set_xlabel("difference of test accuracies, points (grey: within noise)")
    clean(axes)


def _wrapped(name: str) -> str:
    return "\n".join(textwrap.wrap(name, _NAME_CHARS)) or name
