"""Positions up to which MLflow has the events of a run's log, in a small file with a checksum."""

import os
import zlib
from contextlib import suppress
from pathlib import Path


class Cursor:
    """Reads and writes positions in a log, in bytes; the file exists while events may wait.

    Args:
        path: File of the positions.
        num_positions: How many there are.
    """

    def __init__(self, path: Path, num_positions: int) -> None:
        self._path, self._num_positions = path, num_positions

    def read(self, log_size: int) -> list[int]:
        """Positions, none beyond the end of the log.

        Without a file MLflow has the whole log. If the file is damaged, the whole log is sent again, which changes
        nothing in MLflow.

        Args:
            log_size: Size of the log in bytes. A power cut may have shortened the log.
        """
        try:
            numbers, _, checksum = self._path.read_text(errors="replace").rpartition(" ")
        except FileNotFoundError:
            return [log_size] * self._num_positions
        except OSError:
            return [0] * self._num_positions
        if checksum.strip() != _checksum(numbers):
            return [0] * self._num_positions
        return [min(int(number), log_size) for number in numbers.split()]

    def write(self, positions: list[int]) -> None:
        """Write positions in place, which needs no space on a disk that has become full.

        Raises:
            OSError: If the file cannot be written.
        """
        numbers = " ".join(f"{number:020d}" for number in positions)
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o666)
        try:
            os.write(descriptor, f"{numbers} {_checksum(numbers)}\n".encode())
        finally:
            os.close(descriptor)

    def remove(self) -> None:
        """Remove the file, because no event waits."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)


def _checksum(text: str) -> str:
    return f"{zlib.crc32(text.encode()):08x}"
