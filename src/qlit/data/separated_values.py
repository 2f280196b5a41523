"""Read TSV and CSV files as tables."""

import csv
import io
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from qlit.data.rows import Columns, Row
from qlit.data.tables import Table, positions
from qlit.data.tsv import Record, looks_quoted, read_tsv


def table_of_tsv(content: str, path: Path, wanted: Columns) -> Table:
    """Read a TSV file. Without a header it must have two fields, and the second one of the first line must recur.

    A file of pairs needs a header.

    Args:
        content: Its decoded text, with its own line ends.
        path: Its path, for messages.
        wanted: Columns of the sentences and the labels.
    Raises:
        ValueError: If it is empty or broken, a row has the wrong number of fields, or one of these columns occurs
            twice.
    """
    return _table(read_tsv(content), path, wanted, is_tsv=True)


def table_of_csv(content: str, path: Path, wanted: Columns) -> Table:
    """Read a CSV file; as `table_of_tsv`."""
    return _table(read_csv(content, path), path, wanted)


def read_csv(content: str, path: Path) -> list[Record]:
    """Read all records of a CSV file, including empty lines.

    Args:
        content: Its decoded text, with its own line ends.
        path: Its path, for messages.
    Raises:
        ValueError: If its quotes are broken.
    """
    records: list[Record] = []
    end = 0
    with _no_field_limit():
        reader = csv.reader(io.StringIO(content, newline=""), strict=True)
        try:
            for fields in reader:
                records.append(Record(end + 1, fields))
                end = reader.line_num
        except csv.Error as error:
            raise ValueError(
                f"{path} is not valid CSV ({error}) in the row that starts in line {end + 1}; check its quote "
                "characters, or use .tsv."
            ) from error
    return records


@contextmanager
def _no_field_limit() -> Iterator[None]:
    """Lift the csv module's limit of 131,072 characters per field."""
    before = csv.field_size_limit(min(sys.maxsize, 2**31 - 1))  # the limit is a C long, which has 32 bits on Windows
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _table(records: list[Record], path: Path, wanted: Columns, *, is_tsv: bool = False) -> Table:
    while records and _is_empty(records[-1]):
        records.pop()
    filled = [record for record in records if not _is_empty(record)]
    num_empty = len(records) - len(filled)
    if not filled:
        raise ValueError(f"{path} is empty; it needs a sentence and a label in every line.")
    head, body = filled[0].fields, filled[1:]
    if {*wanted.names} <= {*head}:
        columns = head
    elif not wanted.second and len(head) == 2 and any(len(r.fields) == 2 and r.fields[1] == head[1] for r in body):
        columns, body = (
            wanted.names,
            filled,
        )  # no header, because the second field is a label that recurs
    elif len(head) == 1 and head[0] not in wanted.texts:
        columns, body = head, filled  # possibly only sentences, without a header
    else:
        columns = head
    for record in body:
        if len(record.fields) != len(head):
            raise ValueError(
                f"Line {record.line} of {path.name} has {_fields(record.fields)} where the first line has "
                f"{len(head)}; a sentence that contains the separator needs .jsonl, or .csv with quotes."
            )
    at = positions(columns, path, wanted)
    rows = [_row(record, at, path) for record in body] if at else []
    num_unquoted = sum(bool(record.quoted) for record in body)
    is_doubtful = is_tsv and not any(record.quoted for record in filled)
    num_doubtful = sum(any(map(looks_quoted, record.fields)) for record in body) if is_doubtful else 0
    return Table(columns, rows, len(body), num_unquoted, num_doubtful, num_empty)


def _row(record: Record, at: Sequence[int], path: Path) -> Row:
    *texts, label = (record.fields[k] for k in at)
    return Row(tuple(texts), label, f"line {record.line} of {path.name}")


def _is_empty(record: Record) -> bool:
    return not any(field.strip() for field in record.fields)


def _fields(fields: Sequence[str]) -> str:
    return "1 field" if len(fields) == 1 else f"{len(fields)} fields"
