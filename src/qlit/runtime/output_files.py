"""Files that a command writes, looked at before the work and not after it."""

from collections.abc import Sequence
from pathlib import Path


def check_output(path: str | None, *, suffixes: Sequence[str] = ()) -> None:
    """Raise if a file cannot be written there.

    Args:
        path: The file; None for none.
        suffixes: Endings that it may have; none means any.
    Raises:
        FileNotFoundError: If its folder does not exist.
        ValueError: If it ends otherwise.
    """
    if path is None:
        return
    if suffixes and Path(path).suffix.lower() not in suffixes:
        raise ValueError(f"The name of {path} must end with one of {', '.join(suffixes)}, which tells the format.")
    if not Path(path).resolve().parent.is_dir():
        raise FileNotFoundError(f"There is no folder for the output {path} (in {Path.cwd()}); make it first.")
