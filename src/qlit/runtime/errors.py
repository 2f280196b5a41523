"""Report errors to the user: bad input as one sentence, a bug with its traceback."""

import difflib
import dis
import errno
import os
import signal
import sqlite3
import sys
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path

from qlit.runtime.interrupts import StoppedBySignal
from qlit.runtime.sqlite_file import DAMAGED
from qlit.runtime.streams import lost_output, prepare_streams

PACKAGE = Path(__file__).resolve().parents[1]
"""Folder of qlit's own code."""


class UsageError(Exception):
    """Invalid command line; the message says what would be valid."""


def nearest(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` for the known word closest to `word`, or ""; leading dashes are ignored."""
    by_name = {each.lstrip("-"): each for each in known}
    close = difflib.get_close_matches(word.lstrip("-"), by_name, n=1, cutoff=0.6)
    return f"; did you mean {by_name[close[0]]!r}?" if close else ""


def in_one_sentence(name: str, command: Callable[[], int]) -> int:
    """Run a command and return its exit status; print an error about its input as one sentence.

    An error is about the input if a `raise` statement of qlit raised it, or if the system refused a file or memory. Any
    other error is a bug and prints its traceback, even if a library or the interpreter raised it in a line of qlit
    (`int("x")`). With QLIT_TRACEBACK set, every error prints its traceback.
    """
    prepare_streams()
    try:
        try:
            status = command()
        except SystemExit as stop:  # usually --help of a command
            if stop.code or (lost := lost_output()) is None:
                raise
            raise lost from None
        if (lost := lost_output()) is not None and not status:
            raise lost
        return status
    except UsageError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 2
    except StoppedBySignal as stop:
        print(f"{name}: {stop}", file=sys.stderr)
        return 128 + stop.signal
    except KeyboardInterrupt:
        print(f"{name}: interrupted", file=sys.stderr)
        return 128 + signal.SIGINT
    except BrokenPipeError:
        return 128 + signal.SIGPIPE  # the reader of the output has ended (`| head`)
    except Exception as error:
        if os.environ.get("QLIT_TRACEBACK") or not is_about_input(error):
            traceback.print_exc()
            return 1
        print(f"{name}: {_sentence(error)}", file=sys.stderr)
        return 1


_ADVICE = {
    errno.EROFS: "use a writable folder",
    errno.EACCES: "use a file or folder that this user may read and write",
    errno.EPERM: "use a file or folder that this user may read and write",
    errno.ENOSPC: "free space there",
    errno.EDQUOT: "free space there",
    errno.EFBIG: "raise the limit on the size of files (ulimit -f)",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.ENFILE: "end other programs, which have too many files open",
    errno.EIO: "check the disk or the terminal",
}
"""Advice for errors of the system whose reason is outside the process."""


def is_about_input(error: Exception) -> bool:
    """Whether an error comes from a command's input or environment, and not from a bug."""
    if isinstance(error, UsageError):
        return True
    if isinstance(error, OSError) and error.errno is not None:
        if error.filename is not None or error.errno in _ADVICE:
            return True
        if isinstance(error, FileNotFoundError) and (_is_without_folder() or _is_without_temporary_folder(error)):
            return True
    if _database_error(error) is not None or is_out_of_memory(error) or _is_bad_yaml(error):
        return True
    return isinstance(error, ValueError | OSError | RuntimeError) and _is_raised_by_us(error)


def _is_raised_by_us(error: BaseException) -> bool:
    """Whether a `raise` statement in qlit's code raised an error."""
    frames = traceback.extract_tb(error.__traceback__)
    is_ours = bool(frames) and Path(frames[-1].filename).resolve().is_relative_to(PACKAGE)
    return is_ours and is_raised_on_purpose(error)


def is_raised_on_purpose(error: BaseException) -> bool:
    """Whether a `raise` statement raised an error, and not an operation or a function without Python code."""
    trace = error.__traceback__
    if trace is None:
        return False
    while trace.tb_next is not None:
        trace = trace.tb_next
    instruction = trace.tb_frame.f_code.co_code[trace.tb_lasti]
    return dis.opname[instruction] == "RAISE_VARARGS"


def _is_without_folder() -> bool:
    """Whether the working folder was deleted."""
    try:
        Path.cwd()
    except FileNotFoundError:
        return True
    return False


def _is_without_temporary_folder(error: FileNotFoundError) -> bool:
    return str(error.strerror).startswith("No usable temporary directory")


def _database_error(error: BaseException | None) -> str | None:
    """SQLite's message about a damaged, unreadable or unwritable file, if that caused an error; else None."""
    while error is not None:
        if isinstance(error, sqlite3.DatabaseError):
            text = str(error)
            about_file = ("readonly", "unable to open", "disk I/O", "disk is full", "is locked", *DAMAGED)
            return text if any(words in text for words in about_file) else None
        error = error.__cause__ or error.__context__
    return None


def is_out_of_memory(error: Exception) -> bool:
    """Whether Python or torch ran out of memory."""
    if isinstance(error, MemoryError):
        return True
    return isinstance(error, RuntimeError) and (
        type(error).__name__ == "OutOfMemoryError" or "DefaultCPUAllocator: can't allocate memory" in str(error)
    )


def _is_bad_yaml(error: Exception) -> bool:
    return any(f"{kind.__module__}.{kind.__name__}" == "yaml.error.YAMLError" for kind in type(error).__mro__)


def _sentence(error: Exception) -> str:
    if isinstance(error, FileNotFoundError) and _is_without_folder():
        return "the current folder was deleted; change to an existing folder (cd), and run the command again."
    if isinstance(error, OSError) and error.filename is not None and error.args and isinstance(error.args[0], int):
        advice = _ADVICE.get(error.args[0])
        return f"{error.strerror}: {error.filename}" + (f"; {advice}." if advice else "")
    if isinstance(error, FileNotFoundError) and _is_without_temporary_folder(error):
        return (
            "no folder for temporary files is writable (TMPDIR, /tmp, /var/tmp, the current folder); set TMPDIR to a "
            "writable folder."
        )
    if isinstance(error, OSError) and error.errno in _ADVICE and isinstance(error.args[0], int):
        return f"{error.strerror}; {_ADVICE[error.errno]}."
    # Our own ValueErrors say more than SQLite does: which file, and what to do.
    is_worded = isinstance(error, ValueError) and _is_raised_by_us(error)
    if not is_worded and (said := _database_error(error)) is not None:
        return (
            f"SQLite says `{said}` about a database (mlruns/mlflow.db, unless you named another); it must be "
            "undamaged, readable, writable and on a disk with free space."
        )
    text = " ".join(str(error).split())
    if is_out_of_memory(error):
        said = f" ({text.partition('.')[0]})" if text else ""
        return f"there is not enough memory{said}; a smaller data.batch_size or model needs less."
    return f"a file or value is not YAML: {text}" if _is_bad_yaml(error) else text
