"""Write the files of `qlit report` into a folder."""

import io
from collections.abc import Sequence
from pathlib import Path

from matplotlib import rc_context
from matplotlib.figure import Figure

from qlit.comparisons.planned_cells import PartResult
from qlit.reports.paper.csv_rows import history_rows, rows_of
from qlit.reports.paper.pictures import picture_of
from qlit.studies.cell_results import csv_of


def write(results: Sequence[PartResult], folder: Path) -> None:
    """Write the pictures and the CSV files of all parts; files of the same names are replaced."""
    folder.mkdir(parents=True, exist_ok=True)
    for each in results:
        picture = picture_of(each)
        picture.savefig(folder / f"{each.part.name}.png")
        (folder / f"{each.part.name}.svg").write_text(svg_of(picture, each.part.name), encoding="utf-8")
        (folder / f"{each.part.name}.csv").write_text(csv_of(rows_of(each)), encoding="utf-8")
        if curves := history_rows(each):
            (folder / f"{each.part.name}_curves.csv").write_text(csv_of(curves), encoding="utf-8")


def svg_of(picture: Figure, name: str, *, fonts: str = "path") -> str:
    """A picture as SVG, the same text for the same picture.

    Args:
        picture: The picture.
        name: Name that makes the ids of its parts different from those of other pictures.
        fonts: `path` for letters as shapes, or `none` for letters in a font of the reader.
    """
    out = io.StringIO()
    with rc_context({"svg.hashsalt": name, "svg.fonttype": fonts}):
        picture.savefig(out, format="svg", metadata={"Date": None, "Creator": None}, transparent=True)
    return out.getvalue()
