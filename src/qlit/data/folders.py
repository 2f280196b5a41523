"""Folders in settings: expand `~`, skip hidden files, and choose the default cache folder."""

import os
from pathlib import Path


def expanded(path: str | Path, what: str) -> Path:
    """A path with `~` and `~user` replaced by the home folder.

    Args:
        path: The path as the user wrote it.
        what: The setting, for the message, such as "data.cache_dir".
    Raises:
        ValueError: If this home folder does not exist.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise ValueError(
            f"There is no home folder for the ~ in {what} {path}: write the full path"
            + (", or set HOME." if str(path) == "~" or str(path).startswith("~/") else ".")
        ) from error


def is_hidden(file: Path, folder: Path) -> bool:
    """Whether a file is hidden, or is in a hidden subfolder of `folder`, such as .git or .cache."""
    return any(part.startswith(".") for part in file.relative_to(folder).parts)


def default_cache_folder() -> Path:
    """$QLIT_CACHE, else $XDG_CACHE_HOME/qlit, else ~/.cache/qlit.

    Raises:
        ValueError: If none of these is defined, as in a container whose user has no HOME.
    """
    if own := os.environ.get("QLIT_CACHE"):
        return expanded(own, "QLIT_CACHE")
    if caches := os.environ.get("XDG_CACHE_HOME"):
        return expanded(caches, "XDG_CACHE_HOME") / "qlit"
    try:
        return Path.home() / ".cache/qlit"
    except RuntimeError as error:
        raise ValueError(
            "There is no home folder for the embedding cache (HOME is not set, and this user has no entry in the list "
            "of users): set HOME, or name a folder with QLIT_CACHE or data.cache_dir."
        ) from error
