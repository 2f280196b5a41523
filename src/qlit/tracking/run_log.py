"""The log of a run: everything it keeps in MLflow, and how far MLflow has it."""

import json
import os
import shutil
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from enum import IntEnum
from pathlib import Path

from filelock import FileLock, Timeout

from qlit.runtime.retry import OutageError, is_full_disk, retry_while_disk_is_full, say, write_whole
from qlit.tracking.records import Record, from_line, from_old_line, is_of_file, merged, to_line

_OLD_SCRATCH, _COPY = ".scratch-", "copy-"
_RESERVE, _RESERVE_BYTES = ".reserve", 131072  # disk space for the last events of a run
_OLD_OUTBOXES = ("unsent.jsonl", "unsent_files.jsonl")  # in which older versions kept what MLflow lacked


class Lane(IntEnum):
    """What is sent independently: files may be kept elsewhere, and must not hold up the numbers."""

    RECORDS = 0
    FILES = 1


class RunLog:
    """Events of one run, in order, one to a line of `log.jsonl`; a line is complete or absent.

    `log.cursor` stores how many bytes of the log MLflow has, for each `Lane`. It exists while something may wait. If it
    is damaged, the whole log is sent again, which changes nothing in MLflow. Files to send are copied to the folder
    `unsent`, as the originals may change or vanish. What MLflow refuses is copied to `rejected.jsonl`.

    One process at a time writes or sends a log; call `take` first.

    Args:
        folder: Local folder of the run.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.file = folder, folder / "log.jsonl"
        self.has_lost = False
        """Whether an event could not be written."""
        self._cursor, self._copies = folder / "log.cursor", folder / "unsent"
        self._lock: FileLock | None = None
        self._is_begun = False  # whether a cursor exists, and the log ends with a line
        self._size, self._sent = 0, [0, 0]
        self._ends = [0, 0]  # of the last event of each lane

    @staticmethod
    def waiting_folders(root: Path) -> list[Path]:
        """Folders of the runs in a store's `root` of which something may wait."""
        names = ("log.cursor", *_OLD_OUTBOXES)
        return sorted({path.parent for name in names for path in root.glob(f"runs/*/{name}")})

    def take(self, timeout_s: float = 0.0) -> bool:
        """Let no other process write or send this log, and remove what a killed one left; False if another one has it.

        On a file system without locks nothing keeps other processes away.
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
        self.clear()
        self._is_begun = False
        self._size = self.file.stat().st_size if self.file.exists() else 0
        self._ends, self._sent = [self._size, self._size], self._read_cursor()
        self._take_over_outboxes()
        return True

    def clear(self) -> None:
        """Remove what a process that was killed left beside the log."""
        for left in self.folder.glob(f"{_OLD_SCRATCH}*"):  # of older versions
            shutil.rmtree(left, ignore_errors=True)
        self.free_reserve()

    def release(self) -> None:
        """Let other processes take this log."""
        self.free_reserve()
        if self._lock is not None:
            self._lock.release()

    def set_reserve(self) -> None:
        """Set disk space aside, so that a full disk takes the end of the run."""
        with suppress(OSError):
            (self.folder / _RESERVE).write_bytes(bytes(_RESERVE_BYTES))

    def free_reserve(self) -> None:
        """Free the disk space that was set aside."""
        with suppress(OSError):
            (self.folder / _RESERVE).unlink(missing_ok=True)

    def append(self, record: Record) -> None:
        """Write an event, waiting for space on a full disk; if that fails, say so and set `has_lost`."""
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
            self._write_cursor()
            self._is_begun = True
            if not self._ends_with_a_line():  # the last writer was killed within one
                self._write(b"\n")
        with self.file.open("ab", buffering=0) as stream:
            write_whole(stream, line)
        self._size += len(line)
        self._ends[Lane.FILES if is_of_file(line) else Lane.RECORDS] = self._size

    def _ends_with_a_line(self) -> bool:
        if not self._size:
            return True
        with self.file.open("rb") as stream:
            stream.seek(-1, os.SEEK_END)
            return stream.read() == b"\n"

    def content_copy(self, content: bytes, name: str) -> Path:
        """A new file to send: in the folder of the run, or where that disk is full, the system's temporary one."""
        for place in (self._copies, None):
            try:
                return self._copy(place, name, lambda path: path.write_bytes(content))
            except OSError as error:
                if place is None or not is_full_disk(error):
                    raise
        raise AssertionError(name)

    def file_copy(self, source: Path, name: str) -> Path:
        """A copy of a file to send, without another's content if the file is replaced meanwhile."""
        if source.parent == self.folder:  # checkpoints are renamed into their place, never overwritten
            with suppress(OSError):  # a file system without links
                return self._copy(self._copies, name, lambda path: os.link(source, path))
        return self._copy(self._copies, name, lambda path: shutil.copyfile(source, path))

    def _copy(self, place: Path | None, name: str, write: Callable[[Path], object]) -> Path:
        if place is not None:
            place.mkdir(exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=_COPY, dir=place))
        try:
            write(folder / name)
        except OSError:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return folder / name

    def file_record(self, copy: Path, folder: str, **more: bool) -> Record:
        """The event that a copy is to be sent; its path is relative, so that the run's folder may be moved."""
        path = copy.relative_to(self.folder) if copy.is_relative_to(self.folder) else copy
        return {"kind": "file", "path": str(path), "name": copy.name, "folder": folder, **more}

    def path_of(self, record: Record) -> Path:
        """The copy that a file's event names."""
        return self.folder / str(record["path"])

    def waits(self, lane: Lane) -> bool:
        """Whether there may be events that MLflow lacks."""
        return self._sent[lane] < self._ends[lane]

    def waiting(self, lane: Lane) -> Iterator[tuple[Record, int]]:
        """Events that MLflow lacks, metrics in batches, with the position to `mark` when it has one."""
        return merged(self._read(lane))

    def num_waiting(self) -> int:
        """Number of events that MLflow lacks."""
        return sum(1 for lane in Lane if self.waits(lane) for _ in self._read(lane))

    def _read(self, lane: Lane) -> Iterator[tuple[Record, int]]:
        end = self._sent[lane]
        with self.file.open("rb") as stream:
            stream.seek(end)
            for line in stream:
                end += len(line)
                if is_of_file(line) == (lane is Lane.FILES) and (record := from_line(line)):
                    yield record, end

    def points(self) -> Iterator[tuple[str, float, int, int]]:
        """All metrics of the log, as `metrics_record` takes them."""
        if self.file.exists():
            with self.file.open("rb") as stream:
                for record in map(from_line, stream):
                    if record.get("kind") == "metrics":
                        yield from ((name, float(value), when, step) for name, value, when, step in record["values"])

    def mark(self, lane: Lane, end: int | None = None) -> None:
        """Note that MLflow has all events of a lane up to a position; None is the end of the log."""
        self._sent[lane] = self._size if end is None else end
        with suppress(OSError):  # then they are sent again
            self._write_cursor()

    def discard(self, record: Record) -> None:
        """Remove the copy of a file that was sent."""
        if record["kind"] == "file" and self._is_copy(path := self.path_of(record)):
            shutil.rmtree(path.parent, ignore_errors=True)

    def reject(self, record: Record, reason: str) -> Path:
        """Keep what MLflow refuses, with its file, aside; the file in which it stands."""
        rejected, kept = self.folder / "rejected.jsonl", record if reason == "" else {**record, "reason": reason}
        if record["kind"] == "file" and self._is_copy(path := self.path_of(record)) and path.exists():
            place = self.folder / "rejected" / path.parent.name
            place.parent.mkdir(exist_ok=True)
            path.parent.replace(place)
            kept["path"] = str((place / path.name).relative_to(self.folder))

        def write() -> None:
            with rejected.open("ab", buffering=0) as stream:
                write_whole(stream, f"{json.dumps(kept)}\n".encode())

        retry_while_disk_is_full(write)
        return rejected

    def finish(self) -> bool:
        """Remove the cursor and copies if MLflow has everything; whether it has."""
        if any(self.waits(lane) for lane in Lane):
            return False
        self._is_begun, self._sent = False, [self._size, self._size]
        shutil.rmtree(self._copies, ignore_errors=True)
        with suppress(OSError):
            self._cursor.unlink(missing_ok=True)
        return True

    def _is_copy(self, path: Path) -> bool:
        return path.parent.parent == self._copies or path.parent.name.startswith(_COPY)

    def _read_cursor(self) -> list[int]:
        try:
            numbers, _, checksum = self._cursor.read_text(errors="replace").rpartition(" ")
        except FileNotFoundError:
            return [self._size, self._size]
        except OSError:
            return [0, 0]
        if checksum.strip() != _checksum(numbers):
            return [0, 0]
        # A power cut may have shortened the log.
        return [min(int(number), self._size) for number in numbers.split()]

    def _write_cursor(self) -> None:
        numbers = " ".join(f"{number:020d}" for number in self._sent)
        # In place, which takes no space of a disk that is full by now.
        descriptor = os.open(self._cursor, os.O_WRONLY | os.O_CREAT, 0o666)
        try:
            os.write(descriptor, f"{numbers} {_checksum(numbers)}\n".encode())
        finally:
            os.close(descriptor)

    def _take_over_outboxes(self) -> None:
        """Append what an older version could not send; a kill meanwhile lets it be appended, and sent, twice."""
        for name in _OLD_OUTBOXES:
            outbox = self.folder / name
            if not outbox.exists():
                continue
            with outbox.open(encoding="utf-8", errors="replace") as stream:
                for record in filter(None, map(from_old_line, stream)):
                    self.append(self._relative(record))
            if not self.has_lost:
                outbox.unlink()

    def _relative(self, record: Record) -> Record:
        """An older version's event of a file with the path of its copy as it is now."""
        if record["kind"] != "file" or self.path_of(record).exists():
            return record
        path = Path(record["path"])  # written before paths were relative, and moved since
        moved = self._copies / path.parent.name / path.name
        return {**record, "path": str(moved.relative_to(self.folder))} if moved.exists() else record


def _checksum(text: str) -> str:
    return f"{zlib.crc32(text.encode()):08x}"
