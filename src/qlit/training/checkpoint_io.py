"""Checkpoints that are whole or not there."""

import errno
import os
from pathlib import Path
from shutil import disk_usage
from typing import Any, final

import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO

from qlit.runtime.part_file import part_of
from qlit.runtime.retry import when_there_is_space

_LEFT_OVER = 65536  # bytes; file systems keep a little of a full disk back


@final
class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint beside its place and renames it into it, so that a kill leaves the previous one.

    Lightning's own way writes it to the system's temporary folder; where that is another file system, the last step is
    a copy, and a kill during it leaves half a checkpoint.

    A training that has taken hours does not end because the disk is full: space is waited for, up to three minutes.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:  # noqa: ARG002
        write_checkpoint(checkpoint, Path(path))


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
