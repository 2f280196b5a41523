"""Parts of the page of `qlit report`: summary, what to run, and one section per figure or table."""

import json
from collections.abc import Sequence
from html import escape
from typing import Any

from qlit.comparisons.planned_cells import CellValue, PartResult, PlannedCell
from qlit.reports.paper.layout import level_text, points_of, series_of
from qlit.reports.paper.terminal import heading_of, summary_of, to_run
from qlit.runtime.durations import duration_text
from qlit.tracking.ended_fits import Source

_HEAD = (
    "<tr><th>{}</th><th>published</th><th>ours</th><th>95 % interval</th><th>runs</th><th>epochs</th>"
    "<th>parameters</th><th class=left>data, body, splits and code</th></tr>"
)
_COLUMNS, _MOST_SPLITS = 8, 3


def summary_html(results: Sequence[PartResult]) -> str:
    """Table of contents: what was found, by part."""
    rows = []
    for each in results:
        link = f'<a href="#{each.part.name}">{escape(each.part.title)}</a>'
        if each.energies is not None:
            rows.append(f"<tr><td>{link}</td><td>computed</td><td class=left>needs no training</td></tr>")
            continue
        sources: Sequence[Source | None] = each.sources or (None,)
        for source in sources:
            found = len(each.cells) - len(each.missing(source)) if source is not None else 0
            name = "nothing trained yet" if source is None else escape(source.name)
            rows.append(f"<tr><td>{link}</td><td>{found} of {len(each.cells)}</td><td class=left>{name}</td></tr>")
    head = "<tr><th>part</th><th>cells</th><th class=left>data and body</th></tr>"
    return f"<div class=wide><table>{head}{''.join(rows)}</table></div>"


def to_run_html(results: Sequence[PartResult], basis: str) -> str:
    """What to run for all that is missing, the cheapest first; empty if nothing is."""
    parts = to_run(results)
    if not parts:
        return ""
    items = [f"<li>{escape(each.part.title)}: {escape(summary_of(each))}{_code(each.commands)}</li>" for each in parts]
    return f"<h2>{heading_of(results)}</h2><p class=remark>{escape(basis)}.</p><ol>{''.join(items)}</ol>"


def part_html(result: PartResult, svg: str, figure: dict[str, Any] | None) -> str:
    """The section of one part.

    Args:
        result: The part.
        svg: Its picture.
        figure: Its interactive figure; None to show the picture alone.
    """
    part = result.part
    interactive = (
        ""
        if figure is None
        else (
            f'<div class=interactive><div></div><script type="application/json">{_script_json(figure)}</script></div>'
        )
    )
    pieces = [
        f'<section id="{part.name}"><h2>{escape(part.title)}</h2>',
        f"<p class=remark>{escape(part.remark)}</p>",
        f"<p class=remark>{escape(result.study)}</p>" if result.study else "",
        interactive,
        f'<div class=picture role=img aria-label="{escape(part.title)}">{svg}</div>',
    ]
    if part.kind == "table":
        pieces.append(_table("model", [row for cell in result.cells for row in _rows(result, cell, cell.name)]))
    elif part.kind == "epochs":
        pieces.append(_table("training", [row for cell in result.cells for row in _rows(result, cell, cell.name)]))
    elif part.kind == "sweep":
        pieces.append(_table(part.x_label, _chosen_rows(result)))
    if part.kind in ("sweep", "boxes"):
        every = [row for cell in result.cells for row in _rows(result, cell, cell.name)]
        pieces.append(
            f"<details><summary>All {len(result.cells)} settings, and the commands of those that are missing</summary>"
            f"{_table('setting', every)}</details>"
        )
    files = [f"{part.name}.{suffix}" for suffix in ("csv", "png", "svg")]
    links = ", ".join(f'<a href="{name}">{name}</a>' for name in files)
    return "".join([*pieces, f"<p class=remark>Files beside this page: {links}</p></section>"])


def _rows(result: PartResult, cell: PlannedCell, name: str) -> list[str]:
    """Rows of a cell: one per source; one with its command if the main source lacks it."""
    values = [each for each in result.values if each.cell is cell]
    rows = [_value_row(name, cell.published, each) for each in values]
    command = next((each for each in result.to_train if each.cell is cell), None)
    if command is not None:
        time = "" if command.estimated_s is None else f"; about {duration_text(command.estimated_s)} per training"
        what = f"missing{time}: <code>{escape(command.command)}</code>"
        rows.append(_missing_row(name, cell.published, what))
    return rows


def _chosen_rows(result: PartResult) -> list[str]:
    rows = []
    sources: Sequence[Source | None] = result.sources or (None,)
    for source in sources:
        for series in series_of(result):
            for point in points_of(result, source, series):
                name = level_text(point.x)
                if result.part.series:
                    name += f", {result.part.series_label} {level_text(series)}" if series is not None else ", no noise"
                if point.chosen is not None:
                    setting = f"{name} (the best of {len(point.values)} of {point.num_cells} settings by validation)"
                    rows.append(_value_row(setting, point.published, point.chosen))
                else:
                    where = "" if source is None else f" on {escape(source.name)}"
                    rows.append(_missing_row(name, point.published, f"missing{where}"))
    return rows


def _value_row(name: str, published: float | None, value: CellValue) -> str:
    low, high = value.interval if value.has_mean else (0.0, 0.0)
    ours, interval = ("<b>diverged</b>", escape(value.diverged_text))
    if value.has_mean:
        ours = f"<b>{100 * value.mean:.2f} %</b>"
        interval = f'<span title="{escape(value.interval_text)}">{100 * low:.2f} to {100 * high:.2f}</span>'
    cells = [
        escape(name),
        _percent(published),
        ours,
        interval,
        f"{len(value.fits)} of {value.cell.num_seeds}",
        _epochs(value),
        _parameters(value),
    ]
    row = "".join(f"<td>{each}</td>" for each in cells)
    return f"<tr>{row}<td class=left>{_origin(value)}</td></tr>"


def _origin(value: CellValue) -> str:
    """Where a value comes from: data and body, then splits and code in small letters."""
    splits = list(dict.fromkeys(each.split for each in value.fits))
    shown = ", ".join(splits[:_MOST_SPLITS]) + f" and {len(splits) - _MOST_SPLITS} more" * (len(splits) > _MOST_SPLITS)
    what = f"split{'s' * (len(splits) != 1)} {shown}; " if splits else ""
    others = f"; without {value.num_others} with fewer epochs" if value.num_others else ""
    small = escape(f"{what}code {', '.join(value.commits)}{others}")
    return f'{escape(value.source.name)}<br><small title="{escape(" ".join(splits))}">{small}</small>'


def _missing_row(name: str, published: float | None, what: str) -> str:
    rest = f"<td class=missing colspan={_COLUMNS - 2}>{what}</td>"
    return f"<tr><td>{escape(name)}</td><td>{_percent(published)}</td>{rest}</tr>"


def _epochs(value: CellValue) -> str:
    found, planned = value.epochs or 0, value.cell.epochs or 0
    return f"{found:,}" if found >= planned else f"{found:,} of {planned:,}"


def _parameters(value: CellValue) -> str:
    ours, published = value.parameters, value.cell.parameters
    if ours is None:
        return "-"
    return f"{ours:,}" if published in (None, ours) else f"{ours:,} (published {published:,})"


def _percent(published: float | None) -> str:
    return "-" if published is None else f"{published:.2f} %"


def _table(first: str, rows: Sequence[str]) -> str:
    return f"<div class=wide><table>{_HEAD.format(escape(first))}{''.join(rows)}</table></div>"


def _code(commands: Sequence[str]) -> str:
    return "".join(f"<pre><code>{escape(each)}</code></pre>" for each in commands)


def _script_json(value: object) -> str:
    """Plain values as JSON inside a script element."""
    return json.dumps(value, allow_nan=False).replace("<", "\\u003c")
