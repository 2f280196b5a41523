"""Figures of a study: slices, level means, importances, two objectives."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from qlit.comparisons.statistics import range_of
from qlit.runtime.figure_style import BLUE, GREY, ORANGE, clean, titled_figure
from qlit.studies.cell_results import CellResult, pareto_front
from qlit.studies.definition import Factor, Objective, Study
from qlit.studies.effects import LevelMean

_COLUMNS = 3
_MOST_CHARACTERS = 18
"""Most characters of tick labels that fit under a slice; unevenly spaced numbers may be closer than assumed here."""


def slices_figure(study: Study, results: Sequence[CellResult], metric: str) -> Figure:
    """Draw the score of every training over every factor, with a line through the means of the levels."""
    rows = math.ceil(len(study.factors) / _COLUMNS)
    columns = min(_COLUMNS, len(study.factors))
    note = "Points are trainings, the line joins the means of a factor's levels."
    figure = titled_figure(3.6 * columns, 2.7 * rows, f"{study.name}: {metric} over every factor", note)
    axes = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
    for place, factor in zip(axes, study.factors, strict=False):
        _draw_slice(place, factor, results, metric)
    for left_over in axes[len(study.factors) :]:
        left_over.set_visible(False)
    for first in axes[::columns]:
        first.set_ylabel(metric)
    return figure


def _draw_slice(axes: Any, factor: Factor, results: Sequence[CellResult], metric: str) -> None:
    place: dict[object, float] = {}
    mine = [each for each in results if factor.name in each.cell]
    is_axis = factor.is_range or all(isinstance(level, float | int) and level for level in factor.levels)
    for level in factor.labels or sorted({float(each.cell[factor.name] or 0) for each in mine}):
        place[level] = float(level) if is_axis else float(len(place))  # type: ignore[arg-type] # a number if is_axis
    x = [place[each.cell[factor.name]] for each in mine for _ in each.values(metric)]
    y = [value for each in mine for value in each.values(metric)]
    axes.plot(x, y, "o", color=GREY, markersize=3.5, alpha=0.5)
    means = {at: np.mean([v for v, here in zip(y, x, strict=True) if here == at]) for at in sorted(set(x))}
    if len(means) <= 30:
        axes.plot(list(means), list(means.values()), color=BLUE, marker="D", markersize=4)
    if is_axis and min(place.values()) > 0 and max(place.values()) / min(place.values()) >= 20:
        axes.set_xscale("log")
    elif factor.levels:
        labels = [str(level) for level in place]
        axes.set_xticks(list(place.values()), labels, fontsize=7)
        if sum(map(len, labels)) > _MOST_CHARACTERS:  # the labels would overlap
            axes.tick_params(axis="x", labelrotation=90)
    axes.set_xlabel(factor.name)
    clean(axes)


def level_means_figure(study: Study, means: Sequence[LevelMean], metric: str) -> Figure:
    """Draw the mean of every level with its 95 % interval over the cells."""
    note = "Bars: 95 % interval of the mean over the cells with that level; it includes the effects of other factors."
    figure = titled_figure(7.0, 0.8 + 0.27 * len(means), f"{study.name}: main effects on {metric}", note)
    axes = figure.subplots()
    factors = list(dict.fromkeys(each.factor for each in means))
    for row, each in enumerate(means):
        colour = (BLUE, ORANGE)[factors.index(each.factor) % 2]
        low, high = each.interval or (each.mean, each.mean)
        axes.errorbar(
            each.mean, row, xerr=[[each.mean - low], [high - each.mean]], fmt="D", color=colour, capsize=3, markersize=4
        )
    names = [f"{each.factor} = {each.level}" for each in means]
    axes.set_yticks(range(len(means)), names, fontsize=8)
    axes.set_ylim(len(means) - 0.4, -0.6)
    low, high = range_of(metric)
    if math.isfinite(high):
        left, right = axes.get_xlim()
        axes.set_xlim(max(left, low), min(right, high))
    axes.set_xlabel(metric)
    clean(axes)
    return figure


def importances_figure(study: Study, found: Mapping[str, Mapping[str, float]]) -> Figure:
    """Draw the importances of the factors; the bars of every measure add up to 1."""
    names = list(next(iter(found.values())))
    note = "PED-ANOVA: importance for being among the best trials. fANOVA: shares of the variance of all trials."
    figure = titled_figure(7.0, 1.2 + 0.42 * len(names), f"{study.name}: importances", note)
    axes = figure.subplots()
    height = 0.8 / len(found)
    for number, (measure, values) in enumerate(found.items()):
        rows = np.arange(len(names)) + (number - (len(found) - 1) / 2) * height
        colour = (BLUE, ORANGE)[number % 2]
        axes.barh(rows, [values.get(name, 0.0) for name in names], height, color=colour, label=measure)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlabel("importance")
    axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=len(found))  # no bar lies above the axes
    clean(axes)
    return figure


def pareto_figure(study: Study, results: Sequence[CellResult], objectives: tuple[Objective, Objective]) -> Figure:
    """Draw two objectives of all cells against each other, with the Pareto front."""
    first, second = objectives
    title = f"{study.name}: {first.metric} against {second.metric}"
    figure = titled_figure(6.4, 4.0, title, "The line joins the cells that no other cell beats in both objectives.")
    axes = figure.subplots()
    axes.plot(
        [each.mean(second.metric) for each in results], [each.mean(first.metric) for each in results],
        "o", color=GREY, markersize=4, alpha=0.6,
    )  # fmt: skip
    front = sorted((each.mean(second.metric), each.mean(first.metric)) for each in pareto_front(results, objectives))
    axes.plot(*zip(*front, strict=True), color=ORANGE, marker="D", markersize=5, drawstyle="steps-post")
    if all(each.mean(second.metric).is_integer() for each in results):  # parameters, gates
        axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    axes.set_xlabel(second.metric)
    axes.set_ylabel(first.metric)
    clean(axes)
    return figure
