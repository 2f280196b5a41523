"""Outboxes in which earlier versions of qlit kept the events that MLflow lacked."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from qlit.tracking.records import DAMAGED, Record

NAMES = ("unsent.jsonl", "unsent_files.jsonl")
"""Files of a run's folder."""


def outboxes_of(run_folder: Path) -> list[Path]:
    """Outboxes in a run's folder, in the order in which they are sent."""
    return [path for name in NAMES if (path := run_folder / name).exists()]


def records_of(outbox: Path) -> Iterator[Record]:
    """Events of an outbox; a line that is no event is a `DAMAGED` one."""
    with outbox.open(encoding="utf-8", errors="replace") as stream:
        for line in stream:
            if line.strip():
                yield _record(line)


def _record(line: str) -> Record:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        record = None
    return {"kind": record["kind"], **record} if _is_record(record) else {"kind": DAMAGED, "line": line.rstrip("\n")}


def _is_record(value: Any) -> bool:
    """Whether a value has the fields of its kind: these lines have no checksum."""
    if not isinstance(value, dict):
        return False
    values, removed = value.get("values"), value.get("remove")
    match value.get("kind"):
        case "metrics":
            return isinstance(values, list) and all(map(_is_point, values))
        case "params" | "tags":
            return _is_texts(values)
        case "reopen":
            return _is_texts(values) and isinstance(removed, list) and all(isinstance(name, str) for name in removed)
        case "file":
            is_named = isinstance(value.get("path"), str) and isinstance(value.get("name"), str)
            return is_named and "folder" in value and isinstance(value["folder"], str | None)
        case "status":
            return isinstance(value.get("status"), str) and isinstance(value.get("end_time"), int | None)
    return False


def _is_texts(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(text, str) for text in value.values())


def _is_point(row: Any) -> bool:
    if not isinstance(row, list) or len(row) != 4 or not isinstance(row[0], str):
        return False
    is_value = isinstance(row[1], int | float) or row[1] in ("nan", "inf", "-inf")
    return is_value and isinstance(row[2], int) and isinstance(row[3], int)
