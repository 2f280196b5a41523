"""Write the files of `qlit report` into a folder."""

from collections.abc import Sequence
from pathlib import Path

from qlit.comparisons.planned_cells import PartResult
from qlit.reports.paper.csv_rows import history_rows, rows_of
from qlit.studies.cell_results import csv_of


def write(results: Sequence[PartResult], folder: Path) -> None:
    """Write the CSV files of all parts; files of the same names are replaced."""
    folder.mkdir(parents=True, exist_ok=True)
    for each in results:
        (folder / f"{each.part.name}.csv").write_text(csv_of(rows_of(each)), encoding="utf-8")
        if curves := history_rows(each):
            (folder / f"{each.part.name}_curves.csv").write_text(csv_of(curves), encoding="utf-8")
