"""Local files of labelled sentences, read to rows that know where they stand."""

import csv
import json
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

SUFFIXES = (".tsv", ".csv", ".jsonl", ".parquet")
_SPLIT_ORDER = {"train": 0, "dev": 1, "validation": 1, "valid": 1, "test": 2}


class Row(NamedTuple):
    """One row as it was found: nothing is checked yet.

    Args:
        text: The sentence.
        label: The label's value.
        place: Where it stands, for messages: "line 3 of train.tsv".
    """

    text: object
    label: object
    place: str


def read_path(path: Path, *, text_column: str, label_column: str) -> list[Row]:
    """All rows of a file, or of every such file directly in a folder.

    The files of a folder are pooled in the order train, dev (validation, valid), test, then the others by name.

    Args:
        path: An existing file or folder.
        text_column: Column of the sentences.
        label_column: Column of the labels.
    Raises:
        ValueError: If nothing there has a known suffix, a split is there in two formats, a column is missing, or a
            file is broken.
    """
    if path.is_file():
        return _read_file(path, text_column, label_column)
    files = sorted((p for p in path.iterdir() if _is_data(p)), key=lambda p: (_split_rank(p), p.name))
    if not files:
        raise ValueError(f"{path} holds no data file; it needs at least one of {', '.join('*' + s for s in SUFFIXES)}.")
    for stem, count in Counter(file.stem for file in files).items():
        if count > 1:
            doubled = " and ".join(file.name for file in files if file.stem == stem)
            raise ValueError(f"{path} holds {doubled}, which would be pooled; leave one of them.")
    return [row for file in files for row in _read_file(file, text_column, label_column)]


def _is_data(path: Path) -> bool:
    return path.is_file() and path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def _split_rank(path: Path) -> int:
    stem = re.split(r"[-_.]", path.stem.lower())[0]  # train-00000-of-00001.parquet is train
    return _SPLIT_ORDER.get(stem, len(_SPLIT_ORDER))


def _read_file(path: Path, text_column: str, label_column: str) -> list[Row]:
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise ValueError(f"{path} is of no known format: its name must end with one of {', '.join(SUFFIXES)}.")
    try:
        if suffix == ".parquet":
            return _read_parquet(path, text_column, label_column)
        with path.open(encoding="utf-8-sig", newline="") as file:
            if suffix == ".jsonl":
                return _read_json_lines(file, path, text_column, label_column)
            return _read_table(_tsv(file.read()) if suffix == ".tsv" else _csv(file), path, text_column, label_column)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 text ({error.reason}); convert the file.") from error
    except csv.Error as error:
        raise ValueError(f"{path} is not valid CSV ({error}); check its quote characters, or use .tsv.") from error


def _tsv(content: str) -> list[tuple[int, list[str]]]:
    # By hand: a quote character in a TSV file is a character of the sentence, and so is a line separator like U+2028.
    return [(n, line.removesuffix("\r").split("\t")) for n, line in enumerate(content.split("\n"), start=1)]


def _csv(file: Iterable[str]) -> list[tuple[int, list[str]]]:
    reader = csv.reader(file, strict=True)
    return [(reader.line_num, fields) for fields in reader]


def _read_table(table: list[tuple[int, list[str]]], path: Path, text_column: str, label_column: str) -> list[Row]:
    while table and not any(table[-1][1]):
        table.pop()  # empty lines at the end
    if not table:
        raise ValueError(f"{path} is empty; it needs a sentence and a label in every line.")
    head = table[0][1]
    if text_column in head and label_column in head:
        text_at, label_at, body = head.index(text_column), head.index(label_column), table[1:]
    elif len(head) == 2 and any(len(fields) == 2 and fields[1] == head[1] for _, fields in table[1:]):
        text_at, label_at, body = 0, 1, table  # no header: the second field is a label that occurs again
    else:
        _require_columns(head, path, text_column, label_column)
        raise AssertionError("a head with both columns was taken above")
    for number, fields in body:
        if len(fields) != len(head):
            raise ValueError(
                f"Line {number} of {path.name} has {len(fields)} fields where the first line has {len(head)}; a "
                "sentence that holds the separator needs .jsonl, or .csv with quotes."
            )
    return [Row(fields[text_at], fields[label_at], f"line {n} of {path.name}") for n, fields in body]


def _read_json_lines(file: Iterable[str], path: Path, text_column: str, label_column: str) -> list[Row]:
    records: list[tuple[int, dict[str, object]]] = []
    for number, line in enumerate(file, start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            raise ValueError(
                f"Line {number} of {path.name} is not JSON ({error.msg}); put one object a line."
            ) from error
        if not isinstance(record, dict):
            raise ValueError(f"Line {number} of {path.name} is no JSON object; put one object a line.")
        records.append((number, record))
    # A column that only some rows lack is a missing value, told later with the row; one that all lack is told here.
    _require_columns(list(dict.fromkeys(key for _, r in records for key in r)), path, text_column, label_column)
    return [Row(r.get(text_column), r.get(label_column), f"line {n} of {path.name}") for n, r in records]


def _read_parquet(path: Path, text_column: str, label_column: str) -> list[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        _require_columns(pq.read_schema(path).names, path, text_column, label_column)
        table = pq.read_table(path, columns=[text_column, label_column])
    except pa.ArrowInvalid as error:
        raise ValueError(f"{path} can not be read as Parquet ({error}); write it again.") from error
    pairs = zip(table[text_column].to_pylist(), table[label_column].to_pylist(), strict=True)
    return [Row(text, label, f"row {n} of {path.name}") for n, (text, label) in enumerate(pairs, start=1)]


def _require_columns(columns: list[str], where: Path, text_column: str, label_column: str) -> None:
    for column, option in ((text_column, "text_column"), (label_column, "label_column")):
        if column not in columns:
            raise ValueError(f"{where} has no column {column!r}; it has {columns}. Set `{option}`.")
