"""Tables: what the readers of all file formats return, and the columns that they must have."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from qlit.data.quoting import quoted, quoted_list
from qlit.data.rows import Row

_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}


class NoTableError(ValueError):
    """The file is not broken, but holds something else than a table."""


@dataclass(frozen=True)
class Table:
    """What one file holds.

    Args:
        columns: Names of all its columns.
        rows: Its rows; empty if it lacks the column of the sentences or that of the labels.
        num_rows: Number of its rows, also if it lacks a column.
        num_unquoted: Rows of a TSV file around whose fields quotes were taken off.
        num_doubtful: Rows of a plain TSV file that look quoted; their quotes are kept.
        num_empty: Empty lines between its rows, which are skipped.
    """

    columns: Sequence[str]
    rows: Sequence[Row]
    num_rows: int
    num_unquoted: int = 0
    num_doubtful: int = 0
    num_empty: int = 0


def require_columns(
    columns: Sequence[str], where: Path, text_column: str, label_column: str, *, way_out: str = ""
) -> None:
    """Raise a ValueError that names the missing column, if one is missing, and what to do (`way_out` beside others)."""
    refuse_other_separator(columns, where, text_column, label_column)
    for column, option in ((text_column, "text_column"), (label_column, "label_column")):
        if column in columns:
            continue
        advice = f"Set `{option}`{', ' if way_out else ''}{way_out}."
        raise ValueError(f"{where} has no column {quoted(column)}; it has {quoted_list(columns)}. {advice}")


def refuse_other_separator(columns: Sequence[str], where: Path, text_column: str, label_column: str) -> None:
    """Raise a ValueError if the only column is the whole head: fields have another separator than the suffix says."""
    if len(columns) != 1:
        return
    for separator, name in _SEPARATORS.items():
        fields = {field.strip('" \r') for field in columns[0].split(separator)}
        if {text_column, label_column} <= fields or (separator == "\t" and len(fields) > 1):
            right = ".tsv" if separator == "\t" else ".csv with commas"
            raise ValueError(f"The fields of {where} are separated by {name}; save it as {right}.")


def positions(columns: Sequence[str], path: Path, text_column: str, label_column: str) -> tuple[int, int] | None:
    """Indices of the two columns, or None if one is missing; a ValueError if one occurs twice."""
    for column in (text_column, label_column):
        if list(columns).count(column) > 1:
            raise ValueError(f"{path} has several columns {quoted(column)}; leave one of them.")
    if text_column in columns and label_column in columns:
        return columns.index(text_column), columns.index(label_column)
    return None
