"""Pareto fronts of a comparison: figure and text."""

import math
import textwrap
from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure

from qlit.comparisons.pareto import OPERATIONS, ParetoFront, ParetoPoint
from qlit.reports.model_names import MOST_CHARS, short_names
from qlit.runtime.figure_style import BLUE, GREY, clean, titled_figure

_LEGEND_CHARS, _CROWDED_CHARS = 72, 2
"""Most characters of a line below the panels, and of the names of models that stand side by side."""
_NEAR, _DODGE = 1.1, 0.022
"""Largest ratio of costs that are drawn at one place, and half the distance of such models as a share of the axis."""


def pareto_figure(fronts: Sequence[ParetoFront], title: str) -> Figure:
    """Draw the mean accuracies, with 95 % intervals, against every cost on a logarithmic axis.

    Models on the front are filled diamonds, joined by steps; others are open circles. Models of nearly equal cost stand
    side by side. Models with a long name get a letter, which a list below the panels explains.
    """
    names = [point.name for point in fronts[0].points]
    is_crowded = any(len(group) > 1 for front in fronts for group in _groups(_known(front)))
    short = short_names(names, _CROWDED_CHARS if is_crowded else MOST_CHARS)
    legend = [
        textwrap.shorten(f"{letter}: {name}", _LEGEND_CHARS, placeholder=" ..")
        for name, letter in short.items()
        if letter != name
    ]
    rows = -(-len(legend) // len(fronts))
    note = (
        "Diamonds, joined by a line: no other model is as accurate for less. Bars: 95 % intervals over splits, or over "
        "the sentences of one split. Models of equal cost stand side by side."
    )
    below = 0.2 * rows
    figure = titled_figure(4.6 * len(fronts) + 0.6, 3.9 + below, title, note)
    engine: Any = figure.get_layout_engine()
    left, bottom, width, height = engine.get()["rect"]
    share = (below + 0.05 * bool(legend)) / figure.get_figheight()
    engine.set(rect=(left, bottom + share, width, height - share))
    for number, line in enumerate(legend):
        column, row = divmod(number, rows)
        place = (0.02 + column / len(fronts), (below - 0.2 * row - 0.12) / figure.get_figheight())
        figure.text(*place, line, fontsize=9, ha="left", va="bottom")
    panels = figure.subplots(1, len(fronts), squeeze=False, sharey=True)[0]
    for axes, front in zip(panels, fronts, strict=True):
        _draw(axes, front, short)
    panels[0].set_ylabel("mean test accuracy, %")
    return figure


def _draw(axes: Any, front: ParetoFront, short: dict[str, str]) -> None:
    points = _known(front)
    costs = [cost for _, cost in points]
    low, high = math.log10(max(1, min(costs))), math.log10(max(1, max(costs)))
    span = max(high - low, 0.5)
    axes.set_xscale("log")
    axes.set_xlim(10 ** (low - 0.14 * span), 10 ** (high + 0.2 * span))
    drawn: list[tuple[float, ParetoPoint]] = []
    for group in _groups(points):
        for number, (point, cost) in enumerate(group):
            shift = (number - (len(group) - 1) / 2) * 2 * _DODGE * span
            drawn.append((10 ** (math.log10(max(1, cost)) + shift), point))
    best = sorted((x, 100 * point.accuracy) for x, point in drawn if point.is_on_front)
    best.append((axes.get_xlim()[1], best[-1][1]))
    axes.plot(*zip(*best, strict=True), color=BLUE, linewidth=1.2, linestyle="--", drawstyle="steps-post", zorder=1)
    for x, point in drawn:
        colour, mean = (BLUE if point.is_on_front else GREY), 100 * point.accuracy
        axes.errorbar(
            x, mean, yerr=[[max(0.0, mean - 100 * point.low)], [max(0.0, 100 * point.high - mean)]],
            fmt="D" if point.is_on_front else "o", color=colour, markersize=6, capsize=3, linewidth=1.4,
            markerfacecolor=BLUE if point.is_on_front else "white",
        )  # fmt: skip
        axes.annotate(
            short[point.name], (x, 100 * point.high), xytext=(0, 4), textcoords="offset points", fontsize=9,
            ha="center", va="bottom", color=colour, fontweight="bold" if point.is_on_front else "normal",
        )  # fmt: skip
    unit = f"floating-point {front.cost}" if front.cost == OPERATIONS else front.cost
    missing = [short[point.name] for point in front.points if point.cost is None]
    axes.set_xlabel(unit + (f"\nnot known: {', '.join(missing)}" if missing else ""))
    axes.margins(y=0.12)
    clean(axes)


def _known(front: ParetoFront) -> list[tuple[ParetoPoint, int]]:
    """Models with their costs, as far as these are known."""
    return [(point, point.cost) for point in front.points if point.cost is not None]


def _groups(points: Sequence[tuple[ParetoPoint, int]]) -> list[list[tuple[ParetoPoint, int]]]:
    """Models in order of cost, those of nearly equal cost together."""
    groups: list[list[tuple[ParetoPoint, int]]] = []
    for point, cost in sorted(points, key=lambda each: each[1]):
        if groups and cost <= _NEAR * groups[-1][0][1]:
            groups[-1].append((point, cost))
        else:
            groups.append([(point, cost)])
    return groups


def pareto_text(fronts: Sequence[ParetoFront]) -> str:
    """Tables of the fronts, cheapest model first; the names are those of `short_names`."""
    short = short_names([point.name for point in fronts[0].points])
    width = max(len("model"), *map(len, short.values()))
    lines = []
    for front in fronts:
        lines += [f"accuracy against {front.cost}", ""]
        lines.append(f"{'model':<{width}}  {'cost':>13}  {'accuracy':>9}  front  gain over the cheaper one on it")
        for point in sorted(front.points, key=lambda each: (each.cost is None, each.cost or 0, -each.accuracy)):
            cost = "not known" if point.cost is None else f"{point.cost:,}"
            row = f"{short[point.name]:<{width}}  {cost:>13}  {100 * point.accuracy:>7.2f} %  "
            lines.append(f"{row}{'yes' if point.is_on_front else '-':<5}  {_gain(point, short)}".rstrip())
        lines.append("")
    lines.append("front: no other model is as accurate for less. A gain whose interval contains 0 is within noise.")
    return "\n".join(lines)


def _gain(point: ParetoPoint, short: dict[str, str]) -> str:
    if point.gain is None or point.gain_low is None or point.gain_high is None or point.cheaper is None:
        return ""
    interval = f"({100 * point.gain_low:.2f} to {100 * point.gain_high:.2f})"
    noise = ", within noise" if point.gain_low <= 0 <= point.gain_high else ""
    return f"{100 * point.gain:+.2f} {interval} over {short[point.cheaper]}{noise}"
