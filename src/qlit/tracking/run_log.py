"""Log of a run: every event that the run sends to MLflow, and how many of them MLflow has."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from enum import IntEnum
from pathlib import Path

from filelock import FileLock, Timeout

from qlit.runtime.retry import OutageError, retry_while_disk_is_full, say, write_whole
from qlit.tracking import earlier_outboxes
from qlit.tracking.cursor import Cursor
from qlit.tracking.records import Record, from_line, is_of_file, merged, to_line
from qlit.tracking.unsent_files import UnsentFiles

_CURSOR, _RESERVE = "log.cursor", ".reserve"
_RESERVE_BYTES = 131072  # disk space for the last events of a run
_EARLIER_SCRATCH = ".scratch-*"  # folders of earlier versions


class Lane(IntEnum):
    """Kinds of events that are sent independently: a failing artifact store must not delay the metrics."""

    RECORDS = 0
    FILES = 1


class RunLog:
    """Events of one run, in order, one per line of `log.jsonl`; a line is complete or absent.

    One process at a time writes or sends a log; call `take` first.

    Args:
        folder: Local folder of the run.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.file = folder, folder / "log.jsonl"
        self.files = UnsentFiles(folder)
        self.has_lost = False
        """Whether an event could not be written."""
        self._cursor = Cursor(folder / _CURSOR, len(Lane))
        self._lock: FileLock | None = None
        self._is_begun = False  # whether a cursor exists, and the log ends with a line end
        self._size = 0
        self._sent, self._ends = [0, 0], [0, 0]  # for each lane: what MLflow has, and the end of the last event

    @staticmethod
    def waiting_folders(root: Path) -> list[Path]:
        """Folders of the runs below the root of a store whose logs may have events that MLflow lacks."""
        names = (_CURSOR, *earlier_outboxes.NAMES)
        return sorted({path.parent for name in names for path in root.glob(f"runs/*/{name}")})

    def take(self, timeout_s: float = 0.0) -> bool:
        """Lock the log for this process, and clean up after a killed one.

        On a file system without locks nothing stops other processes.

        Args:
            timeout_s: Seconds to wait for another process.
        Returns:
            Whether this process has the log; False if another process keeps it.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.folder / "lock", timeout=timeout_s)
        try:
            lock.acquire()
        except Timeout:
            return False
        except (OSError, NotImplementedError):
            pass
        else:
            self._lock = lock
        self.clean_up()
        self._is_begun = False
        self._size = self.file.stat().st_size if self.file.exists() else 0
        self._sent, self._ends = self._cursor.read(self._size), [self._size, self._size]
        self._take_over_outboxes()
        return True

    def _take_over_outboxes(self) -> None:
        """Append the events of earlier outboxes; if the process is killed meanwhile, they are appended twice."""
        for outbox in earlier_outboxes.outboxes_of(self.folder):
            for record in earlier_outboxes.records_of(outbox):
                self.append(self.files.moved(record))
            if not self.has_lost:
                outbox.unlink()

    def release(self) -> None:
        """Unlock the log."""
        self.free_reserve()
        if self._lock is not None:
            self._lock.release()

    def clean_up(self) -> None:
        """Remove what a killed process left beside the log."""
        for scratch in self.folder.glob(_EARLIER_SCRATCH):
            shutil.rmtree(scratch, ignore_errors=True)
        self.free_reserve()

    def set_reserve(self) -> None:
        """Reserve disk space, so that the end of the run can be written to a full disk."""
        with suppress(OSError):
            (self.folder / _RESERVE).write_bytes(bytes(_RESERVE_BYTES))

    def free_reserve(self) -> None:
        """Free the reserved disk space."""
        with suppress(OSError):
            (self.folder / _RESERVE).unlink(missing_ok=True)

    def append(self, record: Record) -> None:
        """Write an event; retry while the disk is full. If that fails, say so and set `has_lost`."""
        line = to_line(record)
        try:
            retry_while_disk_is_full(lambda: self._write(line))
        except (OSError, OutageError) as error:
            if not self.has_lost:
                say(
                    f"{self.file} cannot be written ({error}): this record is LOST: {json.dumps(record)[:200]} "
                    "Further ones may be lost too."
                )
            self.has_lost = True

    def _write(self, line: bytes) -> None:
        if not self._is_begun:
            self._cursor.write(self._sent)
            self._is_begun = True
            if not self._ends_with_line_end():  # the last writer was killed while it wrote a line
                self._write(b"\n")
        with self.file.open("ab", buffering=0) as stream:
            write_whole(stream, line)
        self._size += len(line)
        self._ends[Lane.FILES if is_of_file(line) else Lane.RECORDS] = self._size

    def _ends_with_line_end(self) -> bool:
        if not self._size:
            return True
        with self.file.open("rb") as stream:
            stream.seek(-1, os.SEEK_END)
            return stream.read() == b"\n"

    def has_waiting(self, lane: Lane) -> bool:
        """Whether MLflow may lack events."""
        return self._sent[lane] < self._ends[lane]

    def waiting(self, lane: Lane) -> Iterator[tuple[Record, int]]:
        """Events that MLflow lacks, metrics in batches, with the position to `mark` once MLflow has them."""
        return merged(self._read(lane))

    def num_waiting(self) -> int:
        """Number of events that MLflow lacks."""
        return sum(1 for lane in Lane if self.has_waiting(lane) for _ in self._read(lane))

    def _read(self, lane: Lane) -> Iterator[tuple[Record, int]]:
        end = self._sent[lane]
        with self.file.open("rb") as stream:
            stream.seek(end)
            for line in stream:
                end += len(line)
                if is_of_file(line) == (lane is Lane.FILES) and (record := from_line(line)):
                    yield record, end

    def points(self) -> Iterator[tuple[str, float, int, int]]:
        """All metrics of the log: (name, value, time in ms since 1970, step)."""
        if self.file.exists():
            with self.file.open("rb") as stream:
                for record in map(from_line, stream):
                    if record.get("kind") == "metrics":
                        yield from ((name, float(value), when, step) for name, value, when, step in record["values"])

    def mark(self, lane: Lane, end: int | None = None) -> None:
        """Note that MLflow has all events of a lane up to a position; None is the end of the log."""
        self._sent[lane] = self._size if end is None else end
        with suppress(OSError):  # then they are sent again
            self._cursor.write(self._sent)

    def reject(self, record: Record, reason: str = "") -> Path:
        """Copy an event that MLflow refuses, or that is damaged, to `rejected.jsonl`; that file."""
        rejected = self.folder / "rejected.jsonl"
        kept = self.files.set_aside(record) if record["kind"] == "file" else record
        line = json.dumps({**kept, "reason": reason} if reason else kept)

        def write() -> None:
            with rejected.open("ab", buffering=0) as stream:
                write_whole(stream, f"{line}\n".encode())

        retry_while_disk_is_full(write)
        return rejected

    def finish(self) -> bool:
        """Remove cursor and copies if MLflow has every event; whether it has."""
        if any(self.has_waiting(lane) for lane in Lane):
            return False
        self._is_begun, self._sent = False, [self._size, self._size]
        self.files.remove_all()
        self._cursor.remove()
        return True
