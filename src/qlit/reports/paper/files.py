"""Write the files of `qlit report` into a folder."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib import rc_context
from matplotlib.figure import Figure

from qlit.comparisons.planned_cells import PartResult
from qlit.reports.paper.csv_rows import history_rows, rows_of
from qlit.reports.paper.page import page_of
from qlit.reports.paper.pictures import picture_of, without_title
from qlit.studies.cell_results import csv_of


def write(results: Sequence[PartResult], folder: Path, facts: Mapping[str, str], basis: str) -> Path:
    """Write the page `report.html`, and the pictures and CSV files of all parts; files of the same names are replaced.

    Args:
        results: The parts.
        folder: Folder of the files.
        facts: As of `page_of`.
        basis: As of `page_of`.
    Returns:
        Path of the page.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pictures = {each.part.name: picture_of(each) for each in results}
    for each in results:
        picture = pictures[each.part.name]
        picture.savefig(folder / f"{each.part.name}.png")
        (folder / f"{each.part.name}.svg").write_text(svg_of(picture, each.part.name), encoding="utf-8")
        (folder / f"{each.part.name}.csv").write_text(csv_of(rows_of(each)), encoding="utf-8")
        if curves := history_rows(each):
            (folder / f"{each.part.name}_curves.csv").write_text(csv_of(curves), encoding="utf-8")
    page = folder / "report.html"
    inline = {name: svg_of(without_title(picture), name, fonts="none") for name, picture in pictures.items()}
    page.write_text(page_of(results, lambda each: inline[each.part.name], facts, basis), encoding="utf-8")
    return page


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
