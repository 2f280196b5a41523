"""JSON and JSON Lines files as tables."""

import io
import json
from collections.abc import Sequence
from pathlib import Path

from qlit.data.quoting import quoted
from qlit.data.rows import Row
from qlit.data.tables import NoTableError, Table


def table_of_json_lines(content: str, path: Path, text_column: str, label_column: str) -> Table:
    """The table of a JSON Lines file; arguments as `table_of_tsv`.

    Raises:
        ValueError: If it is empty, or a line is no JSON object.
    """
    records: list[tuple[str, dict[str, object]]] = []
    num_lines = 0
    for number, line in enumerate(io.StringIO(content, newline=""), start=1):
        if not line.strip():
            continue
        num_lines = number
        try:
            record = json.loads(line.removeprefix("\ufeff"))  # a byte order mark of a file that was appended
        except (ValueError, RecursionError) as error:
            raise ValueError(
                f"Line {number} of {path.name} is not JSON ({_reason(error)}); put one object a line."
            ) from error
        if not isinstance(record, dict):
            raise ValueError(f"Line {number} of {path.name} is no JSON object; put one object a line.")
        records.append((f"line {number} of {path.name}", record))
    if not records:
        raise ValueError(f"{path} is empty; it needs an object with a sentence and a label in every line.")
    return _table_of_objects(records, text_column, label_column, num_empty=num_lines - len(records))


def table_of_json(content: str, path: Path, text_column: str, label_column: str) -> Table:
    """The table of a JSON file, a list of objects or JSON Lines; arguments as `table_of_tsv`.

    Raises:
        ValueError: If it is not JSON, or one of the elements no object.
        NoTableError: If it holds something else than a list of objects.
    """
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        if "Extra data" in str(error):  # JSON Lines by another name, as of many published reviews
            return table_of_json_lines(content, path, text_column, label_column)
        raise ValueError(f"{path} is not JSON ({_reason(error)}).") from error
    if not isinstance(document, list) or not any(isinstance(record, dict) for record in document):
        raise NoTableError(f"{path} holds no list of objects, such as [{{'text': ..., 'label': ...}}, ...].")
    for number, record in enumerate(document, start=1):
        if not isinstance(record, dict):
            raise ValueError(f"Element {number} of {path.name} is {quoted(record)}, no object.")
    records = [(f"element {number} of {path.name}", record) for number, record in enumerate(document, start=1)]
    return _table_of_objects(records, text_column, label_column)


def _reason(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg}, line {error.lineno}" if error.lineno > 1 else error.msg
    return "it is nested too deeply" if isinstance(error, RecursionError) else str(error)


def _table_of_objects(
    records: Sequence[tuple[str, dict[str, object]]], text_column: str, label_column: str, *, num_empty: int = 0
) -> Table:
    # A column that only some objects lack is a missing value, reported with its row; here it is one that all lack.
    columns = list(dict.fromkeys(key for _, record in records for key in record))
    has_both = text_column in columns and label_column in columns
    rows = [Row(r.get(text_column), r.get(label_column), place) for place, r in records] if has_both else []
    return Table(columns, rows, len(records), num_empty=num_empty)
