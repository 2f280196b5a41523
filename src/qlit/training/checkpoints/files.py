"""Write checkpoints atomically, and detect damaged ones."""

import errno
import os
import pickle
import zipfile
import zlib
from pathlib import Path
from shutil import disk_usage
from typing import Any

import torch

from qlit.runtime.errors import is_out_of_memory
from qlit.runtime.part_file import part_of
from qlit.runtime.retry import retry_while_disk_is_full

_LEFT_OVER = 65536  # bytes; file systems reserve a part of a full disk
_ZIP = b"PK\x03\x04"
_FOLDER = 0x10
# Errors of `zipfile` for archives with damaged records; UnicodeDecodeError is a ValueError.
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OverflowError, RuntimeError, ValueError)
_NO_CHECKPOINT = (pickle.UnpicklingError, EOFError, LookupError, ValueError, TypeError, AttributeError, AssertionError)


class DamagedCheckpointError(ValueError):
    """A file is not a checkpoint, or was changed after it was written."""


def write_checkpoint(checkpoint: dict[str, Any], target: Path) -> None:
    """Write a checkpoint atomically; wait for up to three minutes if the disk is full."""

    def save() -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = part_of(target)
        try:
            # Torch gets a path, because a signal during its write to a Python file object would be lost.
            torch.save(checkpoint, temporary)
            temporary.replace(target)
        except RuntimeError as error:
            # Torch reports a position, but not the reason why the write failed; its partial file still exists.
            if disk_usage(temporary.parent).free < _LEFT_OVER:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(temporary)) from error
            raise
        finally:
            temporary.unlink(missing_ok=True)

    retry_while_disk_is_full(save)


def load_intact(path: Path, map_location: Any = "cpu") -> Any:
    """Check and load a checkpoint; only tensors and plain values are unpickled.

    A checkpoint is a zip archive with a CRC-32 of every record. Torch writes these checksums but does not check them.

    Args:
        path: An existing file, from this or an older version of qlit.
        map_location: As in `torch.load`.
    Raises:
        DamagedCheckpointError: If it is damaged, or is not a checkpoint.
    Cost: reads the file twice, which takes about 1 s more for 1 GB.
    """
    # The file stays open, so that a checkpoint renamed over it by another process is not read.
    with path.open("rb") as stream:
        if stream.read(len(_ZIP)) != _ZIP:
            raise _unreadable(path)
        try:
            with zipfile.ZipFile(stream) as archive:
                is_whole = archive.testzip() is None
                # Torch would not read a record marked as a folder, but return uninitialised memory.
                is_whole = is_whole and not any(each.external_attr & _FOLDER for each in archive.infolist())
        except _DAMAGE as error:
            raise _damaged(path) from error
        except OSError as error:
            if error.errno != errno.EINVAL:  # EINVAL comes from an impossible position in the file
                raise
            raise _damaged(path) from error
        if not is_whole:
            raise _damaged(path)
        stream.seek(0)
        try:
            return torch.load(stream, map_location=map_location, weights_only=True)
        except RuntimeError as error:  # raised by torch's archive reader
            if is_out_of_memory(error):
                raise
            raise _damaged(path) from error
        except _NO_CHECKPOINT as error:
            raise _unreadable(path) from error


def _damaged(path: Path) -> DamagedCheckpointError:
    return DamagedCheckpointError(
        f"The checkpoint {path} is damaged: it was truncated or changed after it was written. Copy it again from an "
        "intact copy, or use another checkpoint of its run."
    )


def _unreadable(path: Path) -> DamagedCheckpointError:
    return DamagedCheckpointError(f"{path} is not a checkpoint of qlit: it cannot be read as one.")
