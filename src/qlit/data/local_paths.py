"""Distinguish local paths from names on the Hugging Face hub."""

import re
from pathlib import Path

from qlit.data.folders import expanded
from qlit.data.quoting import quoted

_PART = r"[A-Za-z0-9](?:[\w.-]{0,94}\w)?"
_HUB_NAME = re.compile(rf"{_PART}(?:/{_PART})?(?::[^/\\]+)?", re.ASCII)


def is_hub_name(name: str) -> bool:
    r"""Whether a name is valid on the hub: `owner/name` or `name`, with or without `:config`.

    my/data/, my\data, ./data, ~/data and a/b/c can only be paths; my/data can be either.
    """
    return _HUB_NAME.fullmatch(name) is not None


def existing_path(name: str) -> Path | None:
    """Path of an existing file or folder, with `~` expanded; None if it does not exist.

    Raises:
        ValueError: If there is no home folder for a `~`.
        OSError: If the system refuses to say whether it exists, for example without permission for its folder.
    """
    path = expanded(name, "data.source")
    try:
        return path if path.exists() else None
    except OSError as error:
        raise OSError(f"{source_in_words(name)} cannot be read ({error.strerror}).") from error


def source_in_words(name: str) -> str:
    """Describe a path and the working folder for messages: "my/data (in /home/me)"."""
    plain = len(name) <= 200 and name.isprintable() and name == name.strip() and "\\" not in name
    return f"{name if plain else quoted(name)} (in {Path.cwd()})"


def shown_name(path: Path) -> str:
    """Last part of a path as valid text; bytes that are not UTF-8 become question marks."""
    return path.name.encode("utf-8", "replace").decode()
