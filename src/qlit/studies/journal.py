"""Optuna's journal file, whose lines are whole, also where a disk was full or a writer was killed within one."""

import io
import json
import os
from pathlib import Path
from typing import Any

from filelock import FileLock
from optuna.storages.journal import JournalFileBackend

from qlit.runtime.retry import write_whole

_BEGIN = b'{"op_code":'


class WholeLinesBackend(JournalFileBackend):
    """A journal file that a failed write does not spoil.

    Optuna reads past a last line that is not whole, but its own backend would append the next record to it, and the two
    in one line make the file unreadable for ever. This one takes what it could not write away again; and what a killed
    writer left, before it writes: nobody has read that, as a record counts from its line's end on.

    Args:
        path: The file; made if there is none.
    Raises:
        ValueError: If the file begins as no journal does.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        # Optuna's own lock, a symbolic link, stays after a kill, and holds every writer for 30 s.
        self._lines_lock = FileLock(f"{path}.append.lock")
        super().__init__(str(path))
        with path.open("rb") as stream:
            begin = stream.read(len(_BEGIN))
        if not _BEGIN.startswith(begin):
            raise ValueError("this is no journal")

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Write records, each a line; all of them, or none and an OSError."""
        data = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs).encode()
        with self._lines_lock, self._path.open("r+b", buffering=0) as stream:
            end = _end_of_lines(stream)
            stream.truncate(end)
            stream.seek(end)
            write_whole(stream, data)
            os.fsync(stream.fileno())


def _end_of_lines(stream: io.FileIO) -> int:
    """Size of a file without a last line that is not whole."""
    size, step = stream.seek(0, os.SEEK_END), 1  # mostly the last byte tells; a part of a line is some hundred bytes
    while size:
        start = max(0, size - step)
        stream.seek(start)
        found = stream.read(size - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        size, step = start, 4096
    return 0
