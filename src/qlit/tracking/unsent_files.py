"""Copies of the files that a run sends to MLflow, kept until MLflow has them."""

import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from qlit.runtime.retry import is_full_disk
from qlit.tracking.records import Record

_PREFIX = "copy-"


class UnsentFiles:
    """Copies of files, because the originals may change or vanish before they are sent.

    Args:
        run_folder: Local folder of the run. Copies lie in its folders `unsent` and, if MLflow refuses them, `rejected`.
    """

    def __init__(self, run_folder: Path) -> None:
        self._run, self._copies = run_folder, run_folder / "unsent"

    def add_content(self, content: bytes, name: str) -> Path:
        """Write a file to send, in the run's folder or, if that disk is full, in the system's temporary folder."""
        for place in (self._copies, None):
            try:
                return self._add(place, name, lambda path: path.write_bytes(content))
            except OSError as error:
                if place is None or not is_full_disk(error):
                    raise
        raise AssertionError(name)

    def add_file(self, source: Path, name: str) -> Path:
        """Copy a file to send; the copy stays as it is if the file is replaced."""
        if source.parent == self._run:  # checkpoints are replaced by a rename, never overwritten
            with suppress(OSError):  # a file system without links
                return self._add(self._copies, name, lambda path: os.link(source, path))
        return self._add(self._copies, name, lambda path: shutil.copyfile(source, path))

    def _add(self, place: Path | None, name: str, write: Callable[[Path], object]) -> Path:
        if place is not None:
            place.mkdir(exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=place))
        try:
            write(folder / name)
        except OSError:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return folder / name

    def record_of(self, copy: Path, artifact_folder: str, **more: bool) -> Record:
        """The event that a copy is to be sent. Its path is relative, so that the run's folder may be moved."""
        path = copy.relative_to(self._run) if copy.is_relative_to(self._run) else copy
        return {"kind": "file", "path": str(path), "name": copy.name, "folder": artifact_folder, **more}

    def path_of(self, record: Record) -> Path:
        """The copy that the event of a file names."""
        return self._run / str(record["path"])

    def moved(self, record: Record) -> Record:
        """The event of a file with the place of its copy now; earlier versions wrote absolute paths."""
        if record["kind"] != "file" or self.path_of(record).exists():
            return record
        path = Path(record["path"])
        now = self._copies / path.parent.name / path.name
        return {**record, "path": str(now.relative_to(self._run))} if now.exists() else record

    def remove(self, record: Record) -> None:
        """Remove the copy of a file that was sent."""
        if self._is_copy(path := self.path_of(record)):
            shutil.rmtree(path.parent, ignore_errors=True)

    def set_aside(self, record: Record) -> Record:
        """Move the copy of a file that MLflow refuses to the folder `rejected`; its event with that place."""
        path = self.path_of(record)
        if not self._is_copy(path) or not path.exists():
            return record
        place = self._run / "rejected" / path.parent.name
        place.parent.mkdir(exist_ok=True)
        path.parent.replace(place)
        return {**record, "path": str((place / path.name).relative_to(self._run))}

    def remove_all(self) -> None:
        """Remove the folder of the copies, because no file waits."""
        shutil.rmtree(self._copies, ignore_errors=True)

    def _is_copy(self, path: Path) -> bool:
        return path.parent.parent == self._copies or path.parent.name.startswith(_PREFIX)
