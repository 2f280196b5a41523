"""Read JSON and JSON Lines files as tables."""

import io
import json
from collections.abc import Sequence
from pathlib import Path

from qlit.data.quoting import quoted
from qlit.data.rows import Columns, Row
from qlit.data.tables import NoTableError, Table


def table_of_json_lines(content: str, path: Path, wanted: Columns) -> Table:
    """Read a JSON Lines file; arguments as in `table_of_tsv`, errors as in `objects_of_json_lines`."""
    records, num_empty = objects_of_json_lines(content, path)
    return _table_of_objects(records, wanted, num_empty=num_empty)


def objects_of_json_lines(content: str, path: Path) -> tuple[list[tuple[str, dict[str, object]]], int]:
    """Place and object of every line of a JSON Lines file, and the number of empty lines between them.

    Args:
        content: Its decoded text.
        path: Its path, for messages.
    Raises:
        ValueError: If it is empty, or a line is not a JSON object.
    """
    records: list[tuple[str, dict[str, object]]] = []
    num_lines = 0
    for number, line in enumerate(io.StringIO(content, newline=""), start=1):
        if not line.strip():
            continue
        num_lines = number
        try:
            record = json.loads(line.removeprefix("\ufeff"))  # a file appended to another brings a byte order mark
        except (ValueError, RecursionError) as error:
            raise ValueError(
                f"Line {number} of {path.name} is not JSON ({_reason(error)}); write one object per line."
            ) from error
        if not isinstance(record, dict):
            raise ValueError(f"Line {number} of {path.name} is not a JSON object; write one object per line.")
        records.append((f"line {number} of {path.name}", record))
    if not records:
        raise ValueError(f"{path} is empty; it needs an object with a sentence and a label in every line.")
    return records, num_lines - len(records)


def table_of_json(content: str, path: Path, wanted: Columns) -> Table:
    """Read a JSON file; arguments as in `table_of_tsv`, errors as in `objects_of_json`."""
    records, num_empty = objects_of_json(content, path)
    return _table_of_objects(records, wanted, num_empty=num_empty)


def objects_of_json(content: str, path: Path) -> tuple[list[tuple[str, dict[str, object]]], int]:
    """Place and object of every element of a JSON file with a list of objects, or with JSON Lines.

    Args:
        content: Its decoded text.
        path: Its path, for messages.
    Returns:
        Places and objects, and the number of empty lines between JSON Lines.
    Raises:
        ValueError: If it is not JSON, or an element is not an object.
        NoTableError: If it contains something other than a list of objects.
    """
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        if "Extra data" in str(error):  # many published files with the suffix .json are JSON Lines
            return objects_of_json_lines(content, path)
        raise ValueError(f"{path} is not JSON ({_reason(error)}).") from error
    if not isinstance(document, list) or not any(isinstance(record, dict) for record in document):
        raise NoTableError(f"{path} contains no list of objects, such as [{{'text': ..., 'label': ...}}, ...].")
    for number, record in enumerate(document, start=1):
        if not isinstance(record, dict):
            raise ValueError(f"Element {number} of {path.name} is {quoted(record)}, not an object.")
    return [(f"element {number} of {path.name}", record) for number, record in enumerate(document, start=1)], 0


def _reason(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg}, line {error.lineno}" if error.lineno > 1 else error.msg
    return "it is nested too deeply" if isinstance(error, RecursionError) else str(error)


def _table_of_objects(
    records: Sequence[tuple[str, dict[str, object]]], wanted: Columns, *, num_empty: int = 0
) -> Table:
    # If only some objects lack a column, their values are reported as missing; here all objects lack it.
    columns = list(dict.fromkeys(key for _, record in records for key in record))
    has_all = {*wanted.names} <= {*columns}
    rows = [Row(tuple(map(r.get, wanted.texts)), r.get(wanted.label), place) for place, r in records] if has_all else []
    return Table(columns, rows, len(records), num_empty=num_empty)
