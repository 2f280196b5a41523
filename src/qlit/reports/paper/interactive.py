"""Interactive figures of the page: plain values for plotly.js. Colours are names of the page's style sheet."""

import itertools
import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from qlit.comparisons.paper import CROSSOVER_QUBITS, Level
from qlit.comparisons.planned_cells import CellValue, PartResult
from qlit.reports.paper.layout import boxes_of, level_text, points_of, series_of, x_levels
from qlit.tracking.ended_fits import Source

Figure = dict[str, Any]
INK, MUTED, GRID = "@ink", "@muted", "@grid"
COLOURS = ("@s0", "@s1", "@s2", "@s3")
"""Names that the page replaces by the colours of its light or dark style."""
_SYMBOLS = ("circle", "square", "triangle-up", "triangle-down", "pentagon", "star", "hexagon", "x")
_DASHES = ("solid", "dash", "dot", "dashdot")
_PUBLISHED = {"symbol": "diamond-open", "size": 10, "color": INK, "line": {"width": 1.6}}


def figure_of(result: PartResult) -> Figure | None:
    """Traces and layout of a part; None if there is nothing to draw."""
    if result.energies is None and not any(each.has_mean for each in result.values) and not _has_published(result):
        return None
    match result.part.kind:
        case "energy":
            return _energy(result)
        case "table":
            return _table(result)
        case "epochs":
            return _epochs(result)
        case _:
            return _sweep(result)


def _has_published(result: PartResult) -> bool:
    return result.part.kind != "epochs" and any(cell.published is not None for cell in result.cells)


def _layout(**more: Any) -> dict[str, Any]:
    axis = {"gridcolor": GRID, "linecolor": INK, "zeroline": False, "automargin": True}
    layout: dict[str, Any] = {
        "font": {"color": INK, "family": "system-ui, sans-serif", "size": 13},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "margin": {"l": 60, "r": 20, "t": 40, "b": 50},
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": MUTED, "activecolor": INK},
        "legend": {"orientation": "h", "y": -0.22, "yanchor": "top"},
        "hovermode": "closest",
    }
    for name, value in more.items():
        layout[name] = {**axis, **value} if "axis" in name else value
    return layout


def _energy(result: PartResult) -> Figure:
    found = result.energies
    assert found is not None
    qubits = list(found.num_qubits)
    height = found.qpu_kj[qubits.index(CROSSOVER_QUBITS)] if CROSSOVER_QUBITS in qubits else None
    traces = [
        _line(qubits, found.qpu_kj, "QPU", 0),
        _line(qubits, found.gpu_kj, "GPU, simulated statevector", 1),
        {
            "x": [CROSSOVER_QUBITS], "y": [height], "mode": "markers", "marker": _PUBLISHED,
            "name": f"published crossing, {CROSSOVER_QUBITS} qubits", "type": "scatter",
        },
    ]  # fmt: skip
    return {
        "data": traces,
        "layout": _layout(
            xaxis={"title": {"text": "qubits"}},
            yaxis={"title": {"text": "energy, kJ"}, "type": "log", "exponentformat": "power"},
        ),
    }


def _line(x: Sequence[float], y: Sequence[float], name: str, style: int, **more: Any) -> dict[str, Any]:
    return {
        "type": "scatter", "mode": "lines", "x": list(x), "y": list(y), "name": name,
        "line": {"color": COLOURS[style], "dash": _DASHES[style], "width": 2}, **more,
    }  # fmt: skip


def _table(result: PartResult) -> Figure:
    names = [cell.name for cell in result.cells]
    printed = [cell for cell in result.cells if cell.published is not None]
    traces = [
        {
            "type": "scatter", "mode": "markers", "name": "published", "marker": _PUBLISHED,
            "x": [cell.published for cell in printed], "y": [cell.name for cell in printed],
            "hovertemplate": "%{y}: published %{x:.2f} %<extra></extra>",
        }
    ]  # fmt: skip
    for number, source in enumerate(result.sources):
        values = [each for each in result.values if each.source.key == source.key and each.has_mean]
        trace = _values(values, f"ours: {escape(source.name)}", number)
        places = [each.cell.name for each in values]
        traces.append(
            {**trace, "x": trace["y"], "y": places, "error_x": trace["error_y"], "error_y": {"visible": False}}
        )
    missing = {cell.name for cell in result.missing(None)}
    labels = [f"{escape(name)}{' (missing)' * (name in missing)}" for name in names]
    layout = _layout(
        xaxis={"title": {"text": "test accuracy, %"}},
        yaxis={
            "type": "category", "categoryorder": "array", "categoryarray": names, "autorange": "reversed",
            "tickvals": names, "ticktext": labels, "range": [len(names) - 0.5, -0.5],
        },
        height=140 + 30 * len(names),
    )  # fmt: skip
    layout["legend"]["y"] = -60 / (30 * len(names))
    layout["yaxis"].pop("autorange")
    return {"data": traces, "layout": layout}


def _values(
    values: Sequence[CellValue], name: str, style: int, marker: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Points with intervals, in per cent on y."""
    means = [100 * each.mean for each in values]
    colour = COLOURS[style % len(COLOURS)]
    return {
        "type": "scatter", "mode": "markers", "name": name, "y": means,
        "marker": {"symbol": _SYMBOLS[style % len(_SYMBOLS)], "size": 9, "color": colour, **(marker or {})},
        "error_y": {
            "type": "data", "symmetric": False, "color": colour, "thickness": 1.6, "width": 4,
            "array": [max(0.0, 100 * each.interval[1] - mean) for each, mean in zip(values, means, strict=True)],
            "arrayminus": [max(0.0, mean - 100 * each.interval[0]) for each, mean in zip(values, means, strict=True)],
        },
        "text": [hover_text(each) for each in values], "hovertemplate": "%{text}<extra></extra>",
    }  # fmt: skip


def hover_text(value: CellValue) -> str:
    """What a point says about itself."""
    low, high = value.interval
    lines = [
        f"<b>{escape(value.cell.name)}</b>",
        f"{100 * value.mean:.2f} % ({100 * low:.2f} to {100 * high:.2f})",
        value.interval_text,
        "" if value.cell.published is None else f"published {value.cell.published:.2f} %",
        escape(value.source.name),
        f"{value.epochs or 0:,} of {value.cell.epochs or 0:,} epochs",
        f"split {', '.join(dict.fromkeys(each.split for each in value.fits[:3]))}"
        + f" and {value.num_splits - 3} more" * (value.num_splits > 3),
        f"code {escape(', '.join(value.commits))}",
    ]
    return "<br>".join(line for line in lines if line)


def _sweep(result: PartResult) -> Figure:
    levels = x_levels(result)
    is_numeric = all(isinstance(each, int | float) and not isinstance(each, bool) for each in levels)
    sources: Sequence[Source | None] = result.sources or (None,)
    traces: list[dict[str, Any]] = []
    style = 0
    for source in sources:
        prefix = f"{escape(source.name)}: " if len(result.sources) > 1 and source is not None else ""
        if result.part.kind == "boxes":
            traces += _boxes(result, source, prefix)
        for series in series_of(result):
            traces += _series(result, source, series, prefix, style)
            style += 1
    traces += _published(result)
    axis: dict[str, Any] = {"title": {"text": result.part.x_label}}
    if is_numeric:
        numbers = [float(each) for each in levels if isinstance(each, int | float)]
        space = 0.5 * min((b - a for a, b in itertools.pairwise(numbers)), default=1.0)
        axis |= {"tickvals": numbers, "range": [numbers[0] - space, numbers[-1] + space]}
    else:
        axis |= {"type": "category", "categoryorder": "array", "categoryarray": [level_text(each) for each in levels]}
    yaxis: dict[str, Any] = {"title": {"text": "test accuracy, %"}}
    return {"data": traces, "layout": _layout(xaxis=axis, yaxis=yaxis, height=460, annotations=_missing(result))}


def _missing(result: PartResult) -> list[dict[str, Any]]:
    """Notes at the levels without any value."""
    filled = {value.cell.levels[result.part.x] for value in result.values if value.has_mean}
    return [
        {
            "x": _at(level), "y": 0.02, "yref": "paper", "yanchor": "bottom", "text": "<i>missing</i>",
            "showarrow": False, "font": {"color": MUTED, "size": 12},
        }
        for level in x_levels(result)
        if level not in filled
    ]  # fmt: skip


def _at(level: Level) -> float | str:
    return level if isinstance(level, int | float) and not isinstance(level, bool) else level_text(level)


def _series(result: PartResult, source: Source | None, series: Level, prefix: str, style: int) -> list[dict[str, Any]]:
    points = points_of(result, source, series)
    label = "without noise" if series is None else f"{result.part.series_label} {level_text(series)}"
    name = f"{prefix}ours" + (f", {label}" if result.part.series else ", chosen by validation")
    is_boxes = result.part.kind == "boxes"
    every = [(point, value) for point in points for value in point.values]
    traces = []
    if every:
        small = _values([value for _, value in every], name if is_boxes else f"{name}: every learning rate", style)
        small |= {"x": [_at(point.x) for point, _ in every], "error_y": {"visible": False}}
        small["marker"] = {**small["marker"], "size": 6, "opacity": 0.6} | ({} if is_boxes else {"color": MUTED})
        traces.append(small if is_boxes else {**small, "showlegend": False})
    chosen = [(point, point.chosen) for point in points if point.chosen is not None]
    if chosen:
        colour, dash = COLOURS[style % len(COLOURS)], _DASHES[style % len(_DASHES)]
        means = [None if point.chosen is None else 100 * point.chosen.mean for point in points]  # gaps where missing
        line: dict[str, Any] = {"type": "scatter", "mode": "lines", "x": [_at(point.x) for point in points], "y": means}
        line |= {"line": {"color": colour, "dash": dash, "width": 1.5}, "hoverinfo": "skip", "showlegend": False}
        large = _values([value for _, value in chosen], name, style)
        traces += [{**line, "connectgaps": False}, {**large, "x": [_at(point.x) for point, _ in chosen]}]
    return traces


def _boxes(result: PartResult, source: Source | None, prefix: str) -> list[dict[str, Any]]:
    return [
        {
            "type": "box", "x": [_at(level)] * len(values), "y": [100 * value for value in values],
            "boxpoints": False, "line": {"color": INK, "width": 1}, "fillcolor": "rgba(0,0,0,0)",
            "name": f"{prefix}quartiles", "showlegend": False, "hoverinfo": "skip", "width": 0.6,
        }
        for level, values in boxes_of(result, source).items()
    ]  # fmt: skip


def _published(result: PartResult) -> list[dict[str, Any]]:
    points = [each for series in series_of(result) for each in points_of(result, None, series)]
    printed = [each for each in points if each.published is not None]
    if not printed:
        return []
    return [
        {
            "type": "scatter", "mode": "markers", "name": "published", "marker": _PUBLISHED,
            "x": [_at(each.x) for each in printed], "y": [each.published for each in printed],
            "hovertemplate": "published %{y:.2f} %<extra></extra>",
        }
    ]  # fmt: skip


def _epochs(result: PartResult) -> Figure:
    curves = result.history or {}
    traces = []
    for number, (name, label, scale) in enumerate(
        (("train/loss", "training loss", 1), ("val/accuracy", "validation accuracy, %", 100))
    ):
        points = [(step + 1, scale * value) for step, value in curves.get(name, ()) if math.isfinite(value)]
        more = {"yaxis": "y" if number == 0 else "y2", "showlegend": False}
        traces.append(_line([step for step, _ in points], [value for _, value in points], label, number, **more))
    return {
        "data": traces,
        "layout": _layout(
            xaxis={"title": {"text": "epoch"}, "anchor": "y2"},
            yaxis={"title": {"text": "training loss"}, "domain": [0.54, 1]},
            yaxis2={"title": {"text": "validation<br>accuracy, %"}, "domain": [0, 0.46]},
            height=460,
        ),
    }
