"""File stamps, which detect changed files without reading their content."""

import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

_SETTLED_NS = 2_000_000_000  # file systems record times in steps of up to 2 s


class FileStamp(NamedTuple):
    """Facts that change with a file's content. A copy that preserves the modification time has another `ctime_ns`."""

    path: str
    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int


def file_stamp(file: Path) -> FileStamp:
    """The stamp of an existing file."""
    found = file.stat()
    return FileStamp(str(file), found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)


def are_settled(stamps: Iterable[FileStamp]) -> bool:
    """Whether the last changes were long enough ago that another change would change a stamp."""
    newest = max((max(stamp.mtime_ns, stamp.ctime_ns) for stamp in stamps), default=0)
    return time.time_ns() - newest > _SETTLED_NS
