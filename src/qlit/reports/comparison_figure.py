"""Figure of a comparison: the runs of every model, and paired differences with intervals."""

import textwrap
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from qlit.comparisons.results import Comparison, PairResult
from qlit.reports.model_names import short_names
from qlit.runtime.figure_style import BLUE, GREY, ORANGE, clean, titled_figure

_NAME_CHARS = 40
"""Characters of one line of a model's name."""
_MINUS = "\N{MINUS SIGN}"
_LINE_IN, _ROW_IN = 0.17, 0.36  # inches per line of a label and per row at least


def comparison_figure(comparison: Comparison) -> Figure:
    """Draw the accuracies of all runs, and below them the paired differences.

    Lines join the runs of one split. Bars are 95 % intervals over splits, or over the sentences of a single split.
    Models with a long name get a letter, which the differences use.
    """
    splits = "1 split" if comparison.num_splits == 1 else f"{comparison.num_splits} splits"
    title = f"{comparison.dataset}: {comparison.num_test:,} test sentences, {splits}"
    note = comparison.pairs[0].verdict if len(comparison.pairs) == 1 else None
    names = [model.name for model in comparison.models]
    short = short_names(names)
    labels = [_wrapped(name, prefix="" if name == short[name] else f"{short[name]}: ") for name in names]
    lines = max(label.count("\n") + 1 for label in labels)
    heights = (0.75 + max(_ROW_IN, _LINE_IN * lines + 0.12) * len(labels), 0.75 + _ROW_IN * len(comparison.pairs))
    figure = titled_figure(8.0, sum(heights), title, note)
    upper, lower = figure.subplots(2, 1, height_ratios=heights)
    _draw_accuracies(upper, comparison, labels)
    _draw_differences(lower, comparison.pairs, short)
    if comparison.margin is not None:
        for end in (-1, 1):
            lower.axvline(end * 100 * comparison.margin, color=BLUE, linestyle="--", linewidth=1)
        lower.set_xlabel(f"{lower.get_xlabel()[:-1]}; dashed: margin)")
    return figure


def _draw_accuracies(axes: Any, comparison: Comparison, labels: list[str]) -> None:
    places = np.arange(len(comparison.models))
    accuracies = 100 * np.array([model.accuracies for model in comparison.models])
    for of_split in accuracies.T:
        axes.plot(of_split, places - 0.12, color=GREY, alpha=0.45, linewidth=0.9, marker="o", markersize=4)
    means = 100 * np.array([model.mean for model in comparison.models])
    ends = 100 * np.array([(model.low, model.high) for model in comparison.models])
    axes.errorbar(
        means, places + 0.12, xerr=[means - ends[:, 0], ends[:, 1] - means],
        fmt="D", color=BLUE, markersize=6, capsize=4, linewidth=1.6,
    )  # fmt: skip
    _write_beside(axes, [f"{mean:.2f} %" for mean in means], places + 0.12)
    axes.set_yticks(places, labels, fontsize=9)
    axes.set_ylim(len(places) - 0.45, -0.55)
    low, high = axes.get_xlim()
    axes.set_xlim(max(low, -1), min(high, 101))  # keep bar caps at the ends of the range visible
    axes.set_xlabel("test accuracy, %")
    clean(axes)


def _draw_differences(axes: Any, pairs: tuple[PairResult, ...], short: dict[str, str]) -> None:
    for place, pair in enumerate(pairs):
        low, high = pair.ends
        mean = 100 * pair.difference
        axes.errorbar(
            mean, place, xerr=[[mean - 100 * low], [100 * high - mean]],
            fmt="o" if pair.is_noise else "D", markerfacecolor="white" if pair.is_noise else ORANGE,
            color=GREY if pair.is_noise else ORANGE, markersize=6, capsize=4, linewidth=1.6,
        )  # fmt: skip
    _write_beside(axes, [f"{100 * pair.difference:+.2f}".replace("-", _MINUS) for pair in pairs], np.arange(len(pairs)))
    axes.axvline(0, color=GREY, linestyle=":", linewidth=1)
    axes.set_yticks(
        range(len(pairs)), [f"{short[pair.second]} {_MINUS} {short[pair.first]}" for pair in pairs], fontsize=9
    )
    axes.set_ylim(len(pairs) - 0.45, -0.55)
    axes.set_xlabel("difference of test accuracies, points (open circle: within noise)")
    clean(axes)


def _write_beside(axes: Any, texts: list[str], places: Any) -> None:
    """Write a column of values right of the axes, where no bar can cover them."""
    for text, place in zip(texts, places, strict=True):
        axes.annotate(
            text, (1, place), xycoords=("axes fraction", "data"), xytext=(6, 0), textcoords="offset points",
            va="center", fontsize=9, annotation_clip=False,
        )  # fmt: skip


def _wrapped(name: str, *, prefix: str) -> str:
    return prefix + "\n".join(textwrap.wrap(name, _NAME_CHARS, max_lines=3, placeholder=" ...") or [name])
