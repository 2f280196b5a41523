"""Events of a run's log, as lines of JSON with a checksum."""

import json
import math
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

from qlit.runtime.checked_line import DamagedLineError, body_of, checked_line

Record = dict[str, Any]
"""One event, as JSON: its `kind` (metrics, params, tags, inputs, file, reopen, status) first, then its fields."""

DAMAGED = "damaged"
"""Kind of a line that is no event; its `line` is the text."""

METRICS_PER_BATCH = 1000  # limit of MLflow
_FILE = b'{"kind": "file"'


def to_line(record: Record) -> bytes:
    """Line of the log for a record."""
    return checked_line(json.dumps(record).encode())


def from_line(line: bytes) -> Record:
    """The record of a line: an empty one for a blank line, a `DAMAGED` one for a line that is cut off or changed."""
    with suppress(DamagedLineError):
        if (body := body_of(line)) is not None:
            record: Record = json.loads(body)
            return record
    return {"kind": DAMAGED, "line": line.decode(errors="replace").rstrip("\n")} if line.strip() else {}


def is_of_file(line: bytes) -> bool:
    """Whether a line holds a record of the kind `file`."""
    return line.startswith(_FILE)


def merged(records: Iterable[tuple[Record, int]]) -> Iterator[tuple[Record, int]]:
    """Records with their end positions; neighbouring metrics become one batch of at most 1000."""
    batch: Record = {}
    batch_end = 0
    for record, end in records:
        is_metrics = record["kind"] == "metrics"
        if batch and is_metrics and len(batch["values"]) + len(record["values"]) <= METRICS_PER_BATCH:
            batch["values"] += record["values"]
            batch_end = end
            continue
        if batch:
            yield batch, batch_end
        batch, batch_end = (record, end) if is_metrics else ({}, 0)
        if not is_metrics:
            yield record, end
    if batch:
        yield batch, batch_end


def metrics_record(values: Iterable[tuple[str, float, int, int]]) -> Record:
    """A record of (name, value, time in ms since 1970, step); NaN and infinities become text, which JSON can hold."""
    rows = [[key, value if math.isfinite(value) else str(value), when, step] for key, value, when, step in values]
    return {"kind": "metrics", "values": rows}
