"""Pictures of the paper's figures and tables with our values, for print: matplotlib, readable in grey."""

import itertools
import math
from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from qlit.comparisons.paper import CROSSOVER_QUBITS, Level
from qlit.comparisons.planned_cells import CellValue, PartResult
from qlit.reports.energy_figure import energy_figure
from qlit.reports.paper.layout import (
    Point,
    Row,
    boxes_of,
    level_text,
    panels_of,
    points_of,
    series_of,
    table_rows,
    x_levels,
)
from qlit.runtime.figure_style import BLUE, GREY, INK, ORANGE, PUBLISHED, SERIES, clean, titled_figure
from qlit.tracking.ended_fits import Source

_PANEL, _HEIGHT = 5.6, 3.9  # inches


def picture_of(result: PartResult) -> Figure:
    """The picture of a figure or table."""
    match result.part.kind:
        case "energy":
            return _energy(result)
        case "table":
            return _table(result)
        case "epochs":
            return _epochs(result)
        case _:
            return _sweep(result)


def without_title(figure: Figure) -> Figure:
    """The same figure without its title and note, for a page that has both as text; it is changed."""
    for text in list(figure.texts):
        text.remove()
    layout: Any = figure.get_layout_engine()
    width, height = figure.get_size_inches()
    figure.set_size_inches(width, height * layout.get()["rect"][3])  # the part below the title
    layout.set(rect=(0, 0, 1, 1))
    return figure


def _energy(result: PartResult) -> Figure:
    found = result.energies
    assert found is not None
    note = f"Estimates by the formulas of the paper. Published crossing: {CROSSOVER_QUBITS} qubits."
    figure = energy_figure(found.num_qubits, found.qpu_kj, found.gpu_kj, crossover=found.crossover, note=note)
    (axes,) = figure.axes
    axes.axvline(CROSSOVER_QUBITS, color=INK, linewidth=0.8, linestyle=(0, (1, 3)))
    axes.plot(
        [CROSSOVER_QUBITS], [found.qpu_kj[found.num_qubits.index(CROSSOVER_QUBITS)]],
        label=f"published crossing, {CROSSOVER_QUBITS}", **PUBLISHED,
    )  # fmt: skip
    axes.legend(frameon=False, loc="lower right")
    return figure


def _panels(result: PartResult, height: float, width: float = _PANEL) -> tuple[Figure, list[tuple[Any, Source | None]]]:
    """A figure with one panel per source, or one panel without a source."""
    sources = panels_of(result)
    left_over = len(result.sources) - len(sources)
    note = result.part.remark + (
        f" {left_over} more data sets or bodies are in the CSV file; choose with --body and --data." * (left_over > 0)
    )
    figure = titled_figure(width * len(sources) + 0.8, height, result.part.title, note)
    layout: Any = figure.get_layout_engine()
    layout.set(w_pad=0.08)
    axes = figure.subplots(1, len(sources), squeeze=False, sharey=True)[0]
    for place, source in zip(axes, sources, strict=True):
        place.set_title(_panel_title(result, source), fontsize=9, color=GREY)
        clean(place)
    return figure, list(zip(axes, sources, strict=True))


def _panel_title(result: PartResult, source: Source | None) -> str:
    if source is None:
        return "nothing trained yet"
    mine = [each for each in result.values if each.source.key == source.key]
    trained = [each.epochs or 0 for each in mine if each.cell.epochs != 1]  # others are fitted in one step
    epochs = sorted(set(trained)) or [1]
    commits = list(dict.fromkeys(commit for each in mine for commit in each.commits))
    spread = f"{epochs[0]:,}" if len(epochs) == 1 else f"{epochs[0]:,} to {epochs[-1]:,}"
    code = commits[0] if len(commits) == 1 else f"{len(commits)} commits"
    return "\n".join([f"ours: {source.name}", f"epochs: {spread}; code: {code}"])


def _table(result: PartResult) -> Figure:
    num_rows = len(result.cells)
    figure, panels = _panels(result, 1.4 + 0.34 * num_rows)
    for number, (axes, source) in enumerate(panels):
        rows = table_rows(result, source)
        _draw_rows(axes, rows)
        if number == 0:
            axes.set_yticks(range(num_rows), [row.name for row in rows], fontsize=8.5)
            axes.set_ylim(num_rows - 0.4, -0.6)
        _within_percent(axes, "x")
        axes.set_xlabel("test accuracy, %")
        _write_missing_rows(axes, rows)
    _legend(figure, panels[0][0])
    return figure


def _draw_rows(axes: Any, rows: Sequence[Row]) -> None:
    places = [(place, row) for place, row in enumerate(rows)]
    axes.plot(
        [row.published for _, row in places if row.published is not None],
        [place for place, row in places if row.published is not None],
        label="published", **PUBLISHED,
    )  # fmt: skip
    ours = [(place, row.value) for place, row in places if row.value is not None and row.value.has_mean]
    if ours:
        _draw_values(
            axes, [place for place, _ in ours], [value for _, value in ours], "x", SERIES[0], "ours, 95 % interval"
        )


def _draw_values(
    axes: Any, places: Sequence[float], values: Sequence[CellValue], axis: str, style: tuple[str, str, str], label: str
) -> None:
    """Draw means with their intervals; `axis` is the direction of the accuracy."""
    colour, marker, _ = style
    means = [100 * value.mean for value in values]
    below = [100 * (value.mean - value.interval[0]) for value in values]
    above = [100 * (value.interval[1] - value.mean) for value in values]
    points = (means, places) if axis == "x" else (places, means)
    axes.errorbar(
        *points, **{f"{axis}err": [[max(0.0, each) for each in below], [max(0.0, each) for each in above]]},
        fmt=marker, color=colour, markersize=5.5, capsize=3, linewidth=1.4, label=label, zorder=3,
    )  # fmt: skip


def _write_missing_rows(axes: Any, rows: Sequence[Row]) -> None:
    for place, row in enumerate(rows):
        text = "missing" if row.value is None else row.value.diverged_text
        if text:
            axes.annotate(
                text, (0.012, place), xycoords=("axes fraction", "data"), fontsize=7.5, color=GREY, style="italic",
                va="center",
            )  # fmt: skip


def _within_percent(axes: Any, axis: str) -> None:
    """Leave room around what is drawn, but none far below 0 or above 100 %."""
    get, set_ = (axes.get_xlim, axes.set_xlim) if axis == "x" else (axes.get_ylim, axes.set_ylim)
    low, high = get()
    if not axes.has_data():
        low, high = 0, 100
    if high - low < 4:
        low, high = low - 2, high + 2
    set_(max(low, -1), min(high, 101))  # caps of bars at the ends of the range stay visible


def _legend(figure: Figure, axes: Any) -> None:
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower center", ncols=min(3, len(labels)), frameon=False, fontsize=8)


def _sweep(result: PartResult) -> Figure:
    figure, panels = _panels(result, _HEIGHT)
    levels = x_levels(result)
    is_numeric = all(isinstance(each, int | float) and not isinstance(each, bool) for each in levels)
    at = {level: float(level) if is_numeric else float(number) for number, level in enumerate(levels)}  # type: ignore[arg-type]
    step = min((abs(at[b] - at[a]) for a, b in itertools.pairwise(levels)), default=1.0)
    for number, (axes, source) in enumerate(panels):
        if result.part.kind == "boxes":
            _draw_boxes(axes, result, source, at, step)
        _draw_series(axes, result, source, at, step)
        axes.set_xticks(list(at.values()), [level_text(level) for level in levels])
        axes.set_xlim(min(at.values()) - 0.6 * step, max(at.values()) + 0.6 * step)
        axes.set_xlabel(result.part.x_label)
        if number == 0:
            axes.set_ylabel("test accuracy, %")
    for axes, source in panels:
        _within_percent(axes, "y")
        _write_missing_levels(axes, result, source, at)
    _legend(figure, panels[0][0])
    return figure


def _draw_series(axes: Any, result: PartResult, source: Source | None, at: dict[Level, float], step: float) -> None:
    series = series_of(result)
    shown = False
    for number, level in enumerate(series):
        style = SERIES[number % len(SERIES)]
        shift = 0.09 * step * (number - (len(series) - 1) / 2) * (2 if result.part.kind == "boxes" else 1)
        points = points_of(result, source, level)
        _draw_settings(axes, points, at, shift, style, is_first=not shown)
        shown = True
        chosen = [(at[each.x] + shift, each.chosen) for each in points if each.chosen is not None]
        if chosen and result.part.kind != "boxes":
            places, values = [place for place, _ in chosen], [value for _, value in chosen]
            line = [
                math.nan if each.chosen is None else 100 * each.chosen.mean for each in points
            ]  # gaps where missing
            whole = [at[each.x] + shift for each in points]
            axes.plot(whole, line, color=style[0], linestyle=style[2], linewidth=1.2)
            _draw_values(axes, places, values, "y", style, _label(result, level))
        elif result.part.kind == "boxes" and any(each.values for each in points):
            axes.plot(
                [], [], color=style[0], marker=style[1], linestyle="none", markersize=5, label=_label(result, level)
            )
        published = [(at[each.x] + shift, each.published) for each in points if each.published is not None]
        if published:
            axes.plot(*zip(*published, strict=True), label="published", **PUBLISHED)


def _draw_settings(
    axes: Any,
    points: Sequence[Point],
    at: dict[Level, float],
    shift: float,
    style: tuple[str, str, str],
    *,
    is_first: bool,
) -> None:
    """Draw every setting: grey for lines, whose chosen setting stands out; in the series' style between boxes."""
    found = [(at[each.x] + shift, 100 * value.mean) for each in points for value in each.values]
    if not found:
        return
    is_single = any(each.chosen is not None for each in points)
    colour, marker = (GREY, "o") if is_single else style[:2]
    label = "one learning rate each" if is_first and is_single else None
    axes.plot(
        *zip(*found, strict=True), color=colour, marker=marker, linestyle="none", markersize=3.5, alpha=0.55,
        label=label, zorder=2,
    )  # fmt: skip


def _draw_boxes(axes: Any, result: PartResult, source: Source | None, at: dict[Level, float], step: float) -> None:
    boxes = boxes_of(result, source)
    if boxes:
        line = {"color": INK, "linewidth": 0.9}
        axes.boxplot(
            [[100 * value for value in values] for values in boxes.values()], positions=[at[level] for level in boxes],
            widths=0.6 * step, manage_ticks=False, boxprops=line, whiskerprops=line, capprops=line,
            medianprops={"color": INK, "linewidth": 1.8}, flierprops={"markersize": 0},
        )  # fmt: skip


def _write_missing_levels(axes: Any, result: PartResult, source: Source | None, at: dict[Level, float]) -> None:
    for level, place in at.items():
        points = [each for series in series_of(result) for each in points_of(result, source, series) if each.x == level]
        if not any(each.values for each in points):
            axes.annotate(
                "missing", (place, 0.02), xycoords=("data", "axes fraction"), fontsize=7.5, color=GREY, style="italic",
                ha="center",
            )  # fmt: skip


def _label(result: PartResult, level: Level) -> str:
    if not result.part.series:
        return "ours, chosen by validation, 95 % interval"
    return f"ours, {_series_name(result)} {level_text(level)}" if level is not None else "ours, without noise"


def _series_name(result: PartResult) -> str:
    return result.part.series_label


def _epochs(result: PartResult) -> Figure:
    curves = result.history or {}
    value = next((each for each in result.values if each.fits), None)
    origin = "nothing trained yet"
    if value is not None:
        fit = value.fits[0]
        origin = (
            f"ours: {value.source.name}, {value.epochs or 0:,} of {value.cell.epochs or 0:,} epochs\n"
            f"split {fit.split}; code {fit.commit}"
        )
    figure = titled_figure(7.2, 4.4, result.part.title, result.part.remark)
    upper, lower = figure.subplots(2, 1, sharex=True)
    upper.set_title(origin, fontsize=9, color=GREY)
    for axes, name, label, scale, colour, dashes in (
        (upper, "train/loss", "training loss", 1, BLUE, "-"),
        (lower, "val/accuracy", "validation\naccuracy, %", 100, ORANGE, "--"),
    ):
        if points := [(step + 1, scale * score) for step, score in curves.get(name, ()) if math.isfinite(score)]:
            axes.plot(*zip(*points, strict=True), color=colour, linestyle=dashes, linewidth=1.3)
        else:
            axes.annotate("missing", (0.5, 0.5), xycoords="axes fraction", ha="center", color=GREY, style="italic")
        axes.set_ylabel(label)
        clean(axes)
    lower.set_xlabel("epoch")
    lower.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    return figure
