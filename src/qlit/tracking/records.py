"""Records of the outbox: what a run logs, as lines of JSON."""

import json
import math
from collections.abc import Iterable, Iterator
from typing import Any

Record = dict[str, Any]
"""One thing to log, as JSON: its `kind` (metrics, params, tags, file, reopen, status) and that kind's fields."""

DAMAGED = "damaged"
"""Kind of a line of the outbox that is no record; its `line` is the text."""

METRICS_PER_BATCH = 1000  # the most that MLflow takes at once


def parsed(lines: Iterable[str]) -> Iterator[Record]:
    """One record per line: an empty one for a blank line, a `DAMAGED` one for a line that is cut off or wrong."""
    for line in lines:
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            record = None
        if _is_record(record):
            yield record
        else:
            yield {"kind": DAMAGED, "line": line.rstrip("\n")} if line.strip() else {}


def _is_record(value: Any) -> bool:
    """Whether a value has the fields of its kind, as `deliver` reads them."""
    if not isinstance(value, dict):
        return False
    values, rest = value.get("values"), value.get("remove")
    match value.get("kind"):
        case "metrics":
            return isinstance(values, list) and all(map(_is_point, values))
        case "params" | "tags":
            return _is_texts(values)
        case "reopen":
            return _is_texts(values) and isinstance(rest, list) and all(isinstance(each, str) for each in rest)
        case "file":
            is_named = isinstance(value.get("path"), str) and isinstance(value.get("name"), str)
            return is_named and "folder" in value and isinstance(value["folder"], str | None)
        case "status":
            return isinstance(value.get("status"), str) and isinstance(value.get("end_time"), int | None)
    return False


def _is_texts(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(each, str) for each in value.values())


def _is_point(row: Any) -> bool:
    if not isinstance(row, list) or len(row) != 4 or not isinstance(row[0], str):
        return False
    is_value = isinstance(row[1], int | float) or row[1] in ("nan", "inf", "-inf")
    return is_value and isinstance(row[2], int) and isinstance(row[3], int)


def merged(records: Iterable[Record]) -> Iterator[tuple[Record, int]]:
    """Records with the number of lines they stand for: neighbouring metrics become one batch of at most 1000."""
    batch: Record = {}
    num_lines = 0
    for record in records:
        is_metrics = record.get("kind") == "metrics"
        if batch and is_metrics and len(batch["values"]) + len(record["values"]) <= METRICS_PER_BATCH:
            batch["values"] += record["values"]
            num_lines += 1
            continue
        if batch:
            yield batch, num_lines
        batch, num_lines = (record, 1) if is_metrics else ({}, 0)
        if not is_metrics:
            yield record, 1
    if batch:
        yield batch, num_lines


def metrics_record(values: Iterable[tuple[str, float, int, int]]) -> Record:
    """A record of (name, value, time in ms since 1970, step); NaN and infinities become text, which JSON can hold."""
    rows = [[key, value if math.isfinite(value) else str(value), when, step] for key, value, when, step in values]
    return {"kind": "metrics", "values": rows}
