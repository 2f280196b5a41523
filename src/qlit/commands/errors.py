"""How errors reach a person: bad input in one sentence, a bug with its traceback."""

import difflib
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]


class UsageError(Exception):
    """A command line that cannot be understood; the message says what would be."""


def nearest(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` for the known word closest to `word`, or nothing; dashes in front do not count."""
    by_name = {each.lstrip("-"): each for each in known}
    close = difflib.get_close_matches(word.lstrip("-"), by_name, n=1, cutoff=0.6)
    return f"; did you mean {by_name[close[0]]!r}?" if close else ""


def in_one_sentence(name: str, command: Callable[[], int]) -> int:
    """Run a command; print what is wrong with its input as one sentence, and return its exit status.

    An error that qlit raised on purpose (a ValueError or OSError from its own code) is about the input. Any other is a
    bug and keeps its traceback, as does every error where QLIT_TRACEBACK is set.
    """
    try:
        status = command()
        sys.stdout.flush()  # a reader who has gone is noticed here, not at exit
        return status
    except UsageError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"{name}: interrupted", file=sys.stderr)
        return 128 + signal.SIGINT
    except BrokenPipeError:
        # Whoever read our output has gone (`| head`); nothing may be flushed into the closed pipe at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except Exception as error:
        if os.environ.get("QLIT_TRACEBACK") or not _is_about_input(error):
            traceback.print_exc()
            return 1
        print(f"{name}: {_sentence(error)}", file=sys.stderr)
        return 1


def _is_about_input(error: Exception) -> bool:
    if not isinstance(error, ValueError | OSError | RuntimeError):
        return False
    frames = traceback.extract_tb(error.__traceback__)
    return bool(frames) and Path(frames[-1].filename).resolve().is_relative_to(_PACKAGE)


def _sentence(error: Exception) -> str:
    return " ".join(str(error).split())
