"""What the pictures and the page draw of a part: rows, points of lines, boxes. No drawing here."""

from collections.abc import Sequence
from dataclasses import dataclass

from qlit.comparisons.paper import Level
from qlit.comparisons.planned_cells import CellValue, PartResult
from qlit.tracking.ended_fits import Source

MOST_PANELS = 3
"""Most sources that one picture shows; the CSV files have all."""


@dataclass(frozen=True)
class Row:
    """One row of a table.

    Args:
        name: Name of the model.
        published: Published accuracy, per cent; None if none is printed.
        value: Our value; None if it is missing.
    """

    name: str
    published: float | None
    value: CellValue | None


@dataclass(frozen=True)
class Point:
    """All settings at one place of a line.

    Args:
        x: Level on the horizontal axis.
        values: Values of its settings.
        chosen: The one with the best validation accuracy; None without any.
        published: Published accuracy, per cent; None if none is printed.
        num_cells: Number of its planned settings.
    """

    x: Level
    values: tuple[CellValue, ...]
    chosen: CellValue | None
    published: float | None
    num_cells: int


def panels_of(result: PartResult) -> Sequence[Source | None]:
    """Sources to draw, each in a panel of its own; one None without any."""
    return result.sources[:MOST_PANELS] or (None,)


def table_rows(result: PartResult, source: Source | None) -> list[Row]:
    """Rows of a table on one source."""
    return [
        Row(cell.name, cell.published, None if source is None else result.value(cell, source)) for cell in result.cells
    ]


def x_levels(result: PartResult) -> list[Level]:
    """Levels on the horizontal axis, in order."""
    return list(dict.fromkeys(cell.levels[result.part.x] for cell in result.cells))


def series_of(result: PartResult) -> list[Level]:
    """Levels that distinguish lines, in order; one None for a single line."""
    return list(dict.fromkeys(cell.levels.get(result.part.series) for cell in result.cells))


def points_of(result: PartResult, source: Source | None, series: Level) -> list[Point]:
    """Points of one line on one source."""
    points = []
    for level in x_levels(result):
        wanted = {result.part.x: level} | ({result.part.series: series} if result.part.series else {})
        cells = [cell for cell in result.cells if all(cell.levels.get(name) == value for name, value in wanted.items())]
        if not cells:
            continue
        found = [] if source is None else [result.value(cell, source) for cell in cells]
        values = tuple(each for each in found if each is not None and each.has_mean)
        chosen = None if source is None or result.part.kind == "boxes" else result.chosen(source, wanted)
        points.append(Point(level, values, chosen, cells[0].published, len(cells)))
    return points


def boxes_of(result: PartResult, source: Source | None) -> dict[Level, list[float]]:
    """Accuracies in [0, 1] of all settings at every level of the horizontal axis that has some."""
    boxes: dict[Level, list[float]] = {}
    for series in series_of(result):
        for point in points_of(result, source, series):
            if point.values:
                boxes.setdefault(point.x, []).extend(each.mean for each in point.values)
    return {level: boxes[level] for level in x_levels(result) if level in boxes}


def level_text(level: Level) -> str:
    """A level as people write it."""
    if isinstance(level, bool):
        return "yes" if level else "no"
    return str(level).strip("[]")
