"""Checkpoints that are whole or not there, and damaged ones told from whole ones."""

import errno
import os
import pickle
import zipfile
import zlib
from pathlib import Path
from shutil import disk_usage
from typing import Any, final

import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO

from qlit.runtime.errors import is_out_of_memory
from qlit.runtime.part_file import part_of
from qlit.runtime.retry import when_there_is_space

_LEFT_OVER = 65536  # bytes; file systems keep a little of a full disk back
_ZIP = b"PK\x03\x04"
_FOLDER = 0x10
# What `zipfile` raises for archives whose records are damaged; UnicodeDecodeError is a ValueError.
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OverflowError, RuntimeError, ValueError)
_NO_CHECKPOINT = (pickle.UnpicklingError, EOFError, LookupError, ValueError, TypeError, AttributeError, AssertionError)


class DamagedCheckpointError(ValueError):
    """A file that is no checkpoint, or whose content is not what was written."""


@final
class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint beside its place and renames it into it, so that a kill leaves the previous one.

    Lightning's own way writes it to the system's temporary folder; where that is another file system, the last step is
    a copy, and a kill during it leaves half a checkpoint.

    A training that has taken hours does not end because the disk is full: space is waited for, up to three minutes.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:  # noqa: ARG002
        write_checkpoint(checkpoint, Path(path))

    def load_checkpoint(self, path: Any, map_location: Any = "cpu", weights_only: bool | None = None) -> dict[str, Any]:  # noqa: ARG002
        """Load a local, undamaged file. Lightning's own way also fetches addresses, and unpickles what they send."""
        if not Path(path).is_file():
            raise FileNotFoundError(f"There is no checkpoint {path}; check the path.")
        loaded: dict[str, Any] = load_intact(Path(path), map_location=map_location)
        return loaded


def write_checkpoint(checkpoint: dict[str, Any], target: Path) -> None:
    """Write a checkpoint to a file, whole or not at all; wait for space on the disk, up to three minutes."""

    def save() -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = part_of(target)
        try:
            # By its path: a signal that came while torch writes to a file of Python's would be lost.
            torch.save(checkpoint, temporary)
            temporary.replace(target)
        except RuntimeError as error:
            # Torch tells a position, but not why no more could be written; what it wrote is still there.
            if disk_usage(temporary.parent).free < _LEFT_OVER:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(temporary)) from error
            raise
        finally:
            temporary.unlink(missing_ok=True)

    when_there_is_space(save)


def load_intact(path: Path, map_location: Any = "cpu") -> Any:
    """Load a checkpoint whose content is what was written; nothing but tensors and plain values is unpickled.

    A checkpoint is a zip archive with a CRC-32 of every record. Torch writes these sums but does not check them.

    Args:
        path: An existing file, from this or an older version of qlit.
        map_location: As of `torch.load`.
    Raises:
        DamagedCheckpointError: If it is damaged, or is no checkpoint.
    Cost: reads the file twice, about 1 s more for 1 GB.
    """
    # One open file: a checkpoint that another process puts in its place meanwhile is not read.
    with path.open("rb") as stream:
        if stream.read(len(_ZIP)) != _ZIP:
            raise _unreadable(path)
        try:
            with zipfile.ZipFile(stream) as archive:
                is_whole = archive.testzip() is None
                # Torch would read nothing of a record that is marked as a folder, and take memory as it finds it.
                is_whole = is_whole and not any(each.external_attr & _FOLDER for each in archive.infolist())
        except _DAMAGE as error:
            raise _damaged(path) from error
        except OSError as error:
            if error.errno != errno.EINVAL:  # that of a position which the file cannot have
                raise
            raise _damaged(path) from error
        if not is_whole:
            raise _damaged(path)
        stream.seek(0)
        try:
            return torch.load(stream, map_location=map_location, weights_only=True)
        except RuntimeError as error:  # of torch's own reader of archives
            if is_out_of_memory(error):
                raise
            raise _damaged(path) from error
        except _NO_CHECKPOINT as error:
            raise _unreadable(path) from error


def _damaged(path: Path) -> DamagedCheckpointError:
    return DamagedCheckpointError(
        f"The checkpoint {path} is damaged: it was cut short or changed after it was written. Copy it again from where "
        "it is whole, or name another checkpoint of its run."
    )


def _unreadable(path: Path) -> DamagedCheckpointError:
    return DamagedCheckpointError(f"{path} is not a checkpoint of qlit: it cannot be read as one.")
