"""Check the output files and folders of a command before it starts its work."""

from collections.abc import Sequence
from pathlib import Path


def check_output(path: str | None, *, suffixes: Sequence[str] = ()) -> None:
    """Raise an error if an output file cannot be written.

    Args:
        path: The file; None if there is none.
        suffixes: Allowed suffixes; empty allows all.
    Raises:
        FileNotFoundError: If its folder does not exist.
        ValueError: If it has another suffix.
    """
    if path is None:
        return
    if suffixes and Path(path).suffix.lower() not in suffixes:
        raise ValueError(f"The name of {path} must end with one of {', '.join(suffixes)}, which selects the format.")
    if not Path(path).resolve().parent.is_dir():
        raise FileNotFoundError(f"There is no folder for the output {path} (in {Path.cwd()}); create it first.")


def check_new_folder(folder: Path, way_out: str = "name another") -> None:
    """Raise a ValueError if an output folder exists and is not empty.

    Args:
        folder: The folder.
        way_out: How to choose another one, for the message.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"The folder {folder} is not empty; {way_out}, so that nothing is overwritten.")
