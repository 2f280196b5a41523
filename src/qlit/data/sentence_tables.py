"""Read tables of sentences with all their columns, for predictions."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from qlit.data.decoding import COMPRESSIONS, text_of
from qlit.data.json_tables import objects_of_json, objects_of_json_lines
from qlit.data.pairs import paired
from qlit.data.parquet_table import objects_of_parquet
from qlit.data.quoting import quoted, quoted_list
from qlit.data.separated_values import read_csv
from qlit.data.tables import refuse_other_separator
from qlit.data.tsv import Record, read_tsv

_Objects = list[tuple[str, dict[str, object]]]
_KINDS = (".tsv", ".csv", ".jsonl", ".json", ".parquet")


@dataclass(frozen=True)
class SentenceTable:
    """Sentences with the columns of their table.

    Args:
        sentences: N sentences, or N pairs as of `qlit.data.pairs`, none of them blank.
        columns: Names of the columns; none for sentences without a table.
        rows: N rows: values by column.
        num_blank: Number of rows or lines that were left out because they have no sentence.
        first_blank: Place of the first of them, such as "line 3"; "" if it is not known.
    """

    sentences: Sequence[str]
    columns: Sequence[str] = ()
    rows: Sequence[Mapping[str, object]] = ()
    num_blank: int = 0
    first_blank: str = ""


def is_table(path: str | Path) -> bool:
    """Whether a file is a table by its suffix: .tsv, .csv, .jsonl, .json (also compressed) or .parquet."""
    return _kind(Path(path)) is not None


def read_sentence_table(path: Path, text_columns: Sequence[str]) -> SentenceTable:
    """Read a table, and the sentences in one of its columns, or the pairs in two of them.

    Args:
        path: An existing file for which `is_table` holds.
        text_columns: Column of the sentences, or columns of the first and the second sentences of pairs.
    Raises:
        ValueError: If the file is broken, has no such column, a sentence is not text, or a pair has only one sentence.
        OSError: If it cannot be read.
    """
    columns, objects, num_blank = rows_of_table(path, text_columns)
    for name, option in zip(text_columns, ("--text_column", "--second_text_column"), strict=False):
        if name not in columns:
            alone = (
                "a file of sentences alone, one per line, needs the suffix .txt"
                if len(text_columns) == 1
                else "a file of pairs alone, one per line with a tab between the sentences, needs the suffix .txt"
            )
            raise ValueError(
                f"{path} has no column {quoted(name)}; it has {quoted_list(columns)}. Name the column of the "
                f"sentences with {option}; {alone}."
            )
    sentences, rows, first_blank = list[str](), list[dict[str, object]](), ""
    for place, row in objects:
        texts = [_text(row.get(name), place) for name in text_columns]
        if not any(texts):
            num_blank += 1
            first_blank = first_blank or place
            continue
        if not all(texts):
            raise ValueError(
                f"The {'second' if texts[0] else 'first'} sentence in {place} is blank or missing, but a pair needs "
                "both: complete the row or remove it."
            )
        sentences.append(texts[0] if len(texts) == 1 else paired(*texts))
        rows.append(row)
    return SentenceTable(sentences, columns, rows, num_blank, first_blank)


def _text(value: object, place: str) -> str:
    """The sentence; "" if it is blank or missing."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if not isinstance(value, str):
        raise ValueError(f"The sentence in {place} is {quoted(value)}, which is not text: set --text_column.")
    return value if value.strip() else ""


def _kind(path: Path) -> str | None:
    name = path.name.lower()
    for end in COMPRESSIONS:
        if name.endswith(end) and not name.endswith(f".parquet{end}"):
            name = name.removesuffix(end)
    return next((kind for kind in _KINDS if name.endswith(kind)), None)


def rows_of_table(path: Path, wanted: Sequence[str]) -> tuple[Sequence[str], _Objects, int]:
    """Columns, rows with their places, and the number of empty lines that are not among the rows.

    Args:
        path: An existing file for which `is_table` holds.
        wanted: Columns that the file should have, for the message about other separators.
    Raises:
        ValueError: If the file is broken or has a column twice.
        OSError: If it cannot be read.
    """
    kind = _kind(path)
    if kind == ".parquet":
        columns, rows = objects_of_parquet(path)
        return columns, rows, 0
    content = text_of(path)
    if kind in (".tsv", ".csv"):
        return _records(content, path, wanted, is_tsv=kind == ".tsv")
    objects, num_empty = (objects_of_json_lines if kind == ".jsonl" else objects_of_json)(content, path)
    return list(dict.fromkeys(key for _, record in objects for key in record)), objects, num_empty


def _records(content: str, path: Path, wanted: Sequence[str], *, is_tsv: bool) -> tuple[Sequence[str], _Objects, int]:
    records = read_tsv(content) if is_tsv else read_csv(content, path)
    while records and not any(records[-1].fields):
        records.pop()  # line ends at the end of the file
    start = next((k for k, record in enumerate(records) if not _is_empty(record)), None)
    if start is None:
        raise ValueError(f"{path} is empty; it needs a header and a sentence in every line.")
    columns = list(records[start].fields)
    if not {*wanted} <= {*columns}:
        refuse_other_separator(columns, path, wanted)
    if len(set(columns)) < len(columns):
        doubled = next(name for name in columns if columns.count(name) > 1)
        raise ValueError(f"{path} has several columns {quoted(doubled)}; keep only one of them.")
    objects: _Objects = []
    for record in records[start + 1 :]:
        place = f"line {record.line} of {path.name}"
        if _is_empty(record):
            objects.append((place, {}))
            continue
        if len(record.fields) != len(columns):
            raise ValueError(
                f"Line {record.line} of {path.name} has {len(record.fields)} fields where the header has "
                f"{len(columns)}; a sentence that contains the separator needs .jsonl, or .csv with quotes."
            )
        objects.append((place, dict(zip(columns, record.fields, strict=True))))
    return columns, objects, start


def _is_empty(record: Record) -> bool:
    return not any(field.strip() for field in record.fields)
