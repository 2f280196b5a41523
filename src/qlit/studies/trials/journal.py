"""Backend for Optuna's journal file that never leaves partial lines after a full disk or a killed writer."""

import io
import json
import os
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from filelock import FileLock
from optuna.storages.journal import JournalFileBackend

from qlit.runtime.checked_line import body_of, checked_line
from qlit.runtime.retry import write_whole

_BEGIN = b'{"op_code":'
# Keys of Optuna's records by operation number; the last keys may be missing.
_STUDY, _TRIAL = {"study_id"}, {"trial_id"}
_KEYS: dict[int, tuple[set[str], set[str]]] = {
    0: ({"study_name", "directions"}, set()),
    1: (_STUDY, set()),
    2: (_STUDY | {"user_attr"}, set()),
    3: (_STUDY | {"system_attr"}, set()),
    4: (
        _STUDY | {"datetime_start"},
        {
            *("datetime_complete", "distributions", "params", "user_attrs", "system_attrs", "state", "value", "values"),
            "intermediate_values",
        },
    ),
    5: (_TRIAL | {"param_name", "param_value_internal", "distribution"}, set()),
    6: (_TRIAL | {"state", "values"}, {"datetime_start", "datetime_complete"}),
    7: (_TRIAL | {"step", "intermediate_value"}, set()),
    8: (_TRIAL | {"user_attr"}, set()),
    9: (_TRIAL | {"system_attr"}, set()),
}


class DamagedJournalError(ValueError):
    """A journal was truncated or changed after it was written."""


class WholeLinesBackend(JournalFileBackend):
    """Journal file that stays readable after failed writes.

    Optuna ignores a partial last line, but its own backend would append the next record to it, and the resulting line
    would make the file unreadable. This backend removes what it could not write completely. Before it writes, it also
    removes the partial line of a killed writer, which no process has read, because a record needs its line end.

    Every record ends with its CRC-32, which Optuna ignores, and a small file next to the journal records the journal's
    size, so that damage is detected. Lines of older versions and of other programs have no CRC-32; for them, the keys
    are checked.

    Args:
        path: The file; it is created if it does not exist.
    Raises:
        ValueError: If the file does not start like a journal.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._size_file = path.with_name(f".{path.name}.size")
        if not path.exists():  # the journal was moved or removed, so a new one starts
            self._size_file.unlink(missing_ok=True)
        # Optuna's own lock, a symbolic link, remains after a kill and would block every writer for 30 s.
        self._lines_lock = FileLock(f"{path}.append.lock")
        super().__init__(str(path))
        with path.open("rb") as stream:
            begin = stream.read(len(_BEGIN))
        if not _BEGIN.startswith(begin):
            raise ValueError("this is no journal")
        known = self._size()
        with path.open("rb", buffering=0) as stream:
            is_cut = _end_of_lines(stream) < known
        if is_cut:
            raise DamagedJournalError(
                f"The journal {path} is damaged: it was truncated. Restore a copy of it, or give the study another "
                f"`storage`; to continue with the rest, remove {self._size_file}."
            )

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:  # type: ignore[override]
        """Read the records from a number on.

        Raises:
            DamagedJournalError: If a line was changed after it was written.
        """
        with self._path.open("rb") as stream:
            size = os.fstat(stream.fileno()).st_size  # records appended during this read are read the next time
            first = log_number_from if log_number_from in self._log_number_offset else 0
            offset = stream.seek(self._log_number_offset[first])
            for number, line in enumerate(stream, start=first):
                if offset + len(line) > size:
                    return
                if not line.endswith(b"\n"):
                    return
                offset += len(line)
                record = self._record(line, number) if number >= log_number_from else None
                self._log_number_offset.setdefault(number + 1, offset)
                if record is not None:
                    yield record

    def _record(self, line: bytes, number: int) -> dict[str, Any]:
        try:
            body = body_of(line)
            record: dict[str, Any] = json.loads(line if body is None else body)
        except (ValueError, RecursionError) as error:
            raise self._damaged(number) from error
        if body is None and not _is_record(record):
            raise self._damaged(number)
        return record

    def _damaged(self, number: int) -> DamagedJournalError:
        return DamagedJournalError(
            f"The journal {self._path} is damaged: line {number + 1} was changed after it was written. Restore a copy "
            "of it, or give the study another `storage`."
        )

    def _size(self) -> int:
        """Smallest possible size of the journal in bytes; 0 if unknown."""
        try:
            size, crc = self._size_file.read_bytes().split()
            return int(size) if int(crc, 16) == zlib.crc32(size) else 0
        except (OSError, ValueError):
            return 0

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Write records, one per line: all of them, or none and an OSError."""
        data = b"".join(map(_line, logs))
        with self._lines_lock, self._path.open("r+b", buffering=0) as stream:
            end = _end_of_lines(stream)
            stream.truncate(end)
            stream.seek(end)
            write_whole(stream, data)
            os.fsync(stream.fileno())
            size = str(end + len(data)).encode()
            with suppress(OSError):  # on a full disk the former size stays, which is a valid lower bound
                self._size_file.write_bytes(b"%s %08x" % (size, zlib.crc32(size)))


def _line(log: dict[str, Any]) -> bytes:
    return checked_line(json.dumps(log, separators=(",", ":")).encode())


def _is_record(record: Any) -> bool:
    """Whether a line without a checksum is a record of Optuna, judged by its keys and the types of its numbers."""
    if not isinstance(record, dict) or type(record.get("op_code")) is not int or record["op_code"] not in _KEYS:
        return False
    needed, others = _KEYS[record["op_code"]]
    found = record.keys() - {"op_code", "worker_id"}
    is_complete = needed <= found <= needed | others and isinstance(record.get("worker_id"), str)
    numbers = [record[name] for name in ("study_id", "trial_id", "state", "step") if name in record]
    attributes = [record[name] for name in ("user_attr", "system_attr") if name in record]
    return (
        is_complete
        and all(type(number) is int for number in numbers)
        and all(isinstance(attribute, dict) and len(attribute) == 1 for attribute in attributes)
        and all(_is_result(value) for each in attributes for name, value in each.items() if name.startswith("result "))
    )


def _is_result(value: Any) -> bool:
    """Whether an attribute is a valid result of a replicate: its run, and scores or the reason of the divergence."""
    return isinstance(value, dict) and all(
        isinstance(each, str if name in ("run_id", "diverged") else int | float) for name, each in value.items()
    )


def _end_of_lines(stream: io.FileIO) -> int:
    """Size of a file without a partial last line."""
    size, step = (
        stream.seek(0, os.SEEK_END),
        1,
    )  # usually the last byte is a line end; a partial line has some hundred bytes
    while size:
        start = max(0, size - step)
        stream.seek(start)
        found = stream.read(size - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        size, step = start, 4096
    return 0
