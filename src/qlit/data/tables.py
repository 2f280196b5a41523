"""Tables that the readers of all file formats return, and checks of their columns."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from qlit.data.quoting import quoted, quoted_list
from qlit.data.rows import Columns, Row

_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}


class NoTableError(ValueError):
    """A readable file that contains no table."""


@dataclass(frozen=True)
class Table:
    """Content of one file.

    Args:
        columns: Names of all columns.
        rows: Rows; empty if a column of the sentences or the label column is missing.
        num_rows: Number of rows, even if a column is missing.
        num_unquoted: Number of rows of a TSV file whose fields had quotes that were removed.
        num_doubtful: Number of rows of a plain TSV file that look quoted; their quotes stay.
        num_empty: Number of skipped empty lines between the rows.
    """

    columns: Sequence[str]
    rows: Sequence[Row]
    num_rows: int
    num_unquoted: int = 0
    num_doubtful: int = 0
    num_empty: int = 0


def require_columns(columns: Sequence[str], where: Path, wanted: Columns, *, way_out: str = "") -> None:
    """Raise a ValueError if a column is missing; the message names it and the remedies (`way_out` adds one)."""
    refuse_other_separator(columns, where, wanted.names)
    for column, option in wanted.options:
        if column in columns:
            continue
        advice = f"Set `{option}`{', ' if way_out else ''}{way_out}."
        raise ValueError(f"{where} has no column {quoted(column)}; it has {quoted_list(columns)}. {advice}")


def refuse_other_separator(columns: Sequence[str], where: Path, wanted: Collection[str]) -> None:
    """Raise a ValueError if the separator does not fit the file's suffix, so that the header is one column."""
    if len(columns) != 1:
        return
    for separator, name in _SEPARATORS.items():
        fields = {field.strip('" \r') for field in columns[0].split(separator)}
        if {*wanted} <= fields or (separator == "\t" and len(fields) > 1):
            right = ".tsv" if separator == "\t" else ".csv with commas"
            raise ValueError(f"The fields of {where} are separated by {name}; save it as {right}.")


def positions(columns: Sequence[str], path: Path, wanted: Columns) -> tuple[int, ...] | None:
    """Indices of the columns of `wanted.names`; None if one is missing; raises a ValueError if one occurs twice."""
    for column in wanted.names:
        if list(columns).count(column) > 1:
            raise ValueError(f"{path} has several columns {quoted(column)}; keep only one of them.")
    if not {*wanted.names} <= {*columns}:
        return None
    return tuple(columns.index(column) for column in wanted.names)
