"""Prepare the standard streams of a command, so that a closed or unwritable stream does not stop its work."""

import io
import os
import select
import sys
from typing import Any

_NAMES = ("stdin", "stdout", "stderr")


class _LossyFile(io.FileIO):
    """File that discards output it cannot write (full disk, closed pipe) and remembers the first error."""

    error: OSError | None = None

    def write(self, data: Any, /) -> int:
        left = memoryview(data).cast("B")
        size = len(left)
        try:
            while left:
                written = super().write(left)
                if written is None:  # another program made the terminal non-blocking
                    select.select([], [self], [])
                left = left[written or 0 :]
        except OSError as error:
            self.error = self.error or error
        return size


def prepare_streams() -> None:
    """Open closed standard streams on the null device, and ignore errors in writing to standard streams.

    Python sets a closed stream to None, which the progress bars of libraries do not expect. Moreover, the next file
    that the process opens would get the stream's number and receive the output of C libraries. For a stream that other
    code has replaced, such as a test, only the handling of encoding errors changes.
    """
    for number, name in enumerate(_NAMES):
        stream = getattr(sys, name)
        if stream is None:
            _open_null(number)
            setattr(sys, name, open(number, "w" if number else "r", encoding="utf-8", closefd=False))  # noqa: SIM115
        elif number and isinstance(stream, io.TextIOWrapper):
            if stream is getattr(sys, f"__{name}__"):
                setattr(sys, name, _lossy(number, stream))
            else:
                # A character that the terminal's encoding lacks must not end a training.
                stream.reconfigure(errors="backslashreplace")
            if (file := _lossy_file(getattr(sys, name))) is not None:
                file.error = None


def lost_output() -> OSError | None:
    """Flush standard output; return the first error with which output was lost, or None."""
    sys.stdout.flush()
    file = _lossy_file(sys.stdout)
    if file is None or file.error is None:
        return None
    return OSError(file.error.errno, file.error.strerror, "standard output")


def _open_null(number: int) -> None:
    """Open the null device with the number of a closed file."""
    try:
        os.fstat(number)
    except OSError:
        opened = os.open(os.devnull, os.O_RDWR)
        if opened != number:
            os.dup2(opened, number)
            os.close(opened)
        os.set_inheritable(number, True)  # child processes inherit their standard streams


def _lossy(number: int, stream: io.TextIOWrapper) -> io.TextIOWrapper:
    stream.flush()
    raw = _LossyFile(number, "w", closefd=False)
    return io.TextIOWrapper(
        raw if stream.write_through else io.BufferedWriter(raw),
        encoding=stream.encoding,
        errors="backslashreplace",
        newline="\n",
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


def _lossy_file(stream: Any) -> _LossyFile | None:
    buffer = getattr(stream, "buffer", None)
    raw = getattr(buffer, "raw", buffer)
    return raw if isinstance(raw, _LossyFile) else None
