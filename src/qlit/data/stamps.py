"""File stamps: by what a file is taken for unchanged, so that its content need not be read again."""

import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

_SETTLED_NS = 2_000_000_000  # file systems count time in steps of up to 2 s


class FileStamp(NamedTuple):
    """By what a file is taken for unchanged. A copy with the time of change of another file has its own `ctime_ns`."""

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
    """Whether files changed long enough ago that any later change gives them another stamp."""
    newest = max((max(stamp.mtime_ns, stamp.ctime_ns) for stamp in stamps), default=0)
    return time.time_ns() - newest > _SETTLED_NS
