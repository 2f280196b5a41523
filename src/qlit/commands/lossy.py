"""Standard output and error of a process that goes on where they cannot be written."""

import io
import sys
from typing import Any


class _LossyFile(io.FileIO):
    """Drops what cannot be written: a log on a full disk is no reason to lose a training."""

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data) or 0
        except OSError:
            return memoryview(data).nbytes


def make_output_lossy() -> None:
    """From now on, what this process prints and cannot be written is dropped, without an error."""
    for name in ("stdout", "stderr"):
        number = getattr(sys, name).fileno()
        raw = _LossyFile(number, "w", closefd=False)
        # Written through: a buffer would try again at the end, and its error would become the exit status.
        lossy = io.TextIOWrapper(raw, encoding="utf-8", errors="backslashreplace", write_through=True)
        setattr(sys, name, lossy)
