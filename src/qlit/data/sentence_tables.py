"""Read tables of sentences with all their columns, for predictions."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from qlit.data.decoding import COMPRESSIONS, text_of
from qlit.data.json_tables import objects_of_json, objects_of_json_lines
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
        sentences: N sentences, none of them blank.
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


def read_sentence_table(path: Path, text_column: str) -> SentenceTable:
    """Read a table, and the sentences in one of its columns.

    Args:
        path: An existing file for which `is_table` holds.
        text_column: Column of the sentences.
    Raises:
        ValueError: If the file is broken, has no such column, or a sentence is not text.
        OSError: If it cannot be read.
    """
    columns, objects, num_blank = rows_of_table(path, text_column)
    if text_column not in columns:
        raise ValueError(
            f"{path} has no column {quoted(text_column)}; it has {quoted_list(columns)}. Name the column of the "
            "sentences with --text_column; a file of sentences alone, one per line, needs the suffix .txt."
        )
    sentences, rows, first_blank = list[str](), list[dict[str, object]](), ""
    for place, row in objects:
        sentence = row.get(text_column)
        is_missing = sentence is None or (isinstance(sentence, float) and math.isnan(sentence))
        if is_missing or (isinstance(sentence, str) and not sentence.strip()):
            num_blank += 1
            first_blank = first_blank or place
            continue
        if not isinstance(sentence, str):
            raise ValueError(f"The sentence in {place} is {quoted(sentence)}, which is not text: set --text_column.")
        sentences.append(sentence)
        rows.append(row)
    return SentenceTable(sentences, columns, rows, num_blank, first_blank)


def _kind(path: Path) -> str | None:
    name = path.name.lower()
    for end in COMPRESSIONS:
        if name.endswith(end) and not name.endswith(f".parquet{end}"):
            name = name.removesuffix(end)
    return next((kind for kind in _KINDS if name.endswith(kind)), None)


def rows_of_table(path: Path, text_column: str) -> tuple[Sequence[str], _Objects, int]:
    """Columns, rows with their places, and the number of empty lines that are not among the rows.

    Args:
        path: An existing file for which `is_table` holds.
        text_column: A column that the file should have, for the message about other separators.
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
        return _records(content, path, text_column, is_tsv=kind == ".tsv")
    objects, num_empty = (objects_of_json_lines if kind == ".jsonl" else objects_of_json)(content, path)
    return list(dict.fromkeys(key for _, record in objects for key in record)), objects, num_empty


def _records(content: str, path: Path, text_column: str, *, is_tsv: bool) -> tuple[Sequence[str], _Objects, int]:
    records = read_tsv(content) if is_tsv else read_csv(content, path)
    while records and not any(records[-1].fields):
        records.pop()  # line ends at the end of the file
    start = next((k for k, record in enumerate(records) if not _is_empty(record)), None)
    if start is None:
        raise ValueError(f"{path} is empty; it needs a header and a sentence in every line.")
    columns = list(records[start].fields)
    if text_column not in columns:
        refuse_other_separator(columns, path, text_column, text_column)
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
