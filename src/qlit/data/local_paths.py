"""Names that may be paths on this machine or names on the Hugging Face hub."""

import re
from pathlib import Path

from qlit.data.folders import expanded
from qlit.data.quoting import quoted

_PART = r"[A-Za-z0-9](?:[\w.-]{0,94}\w)?"
_HUB_NAME = re.compile(rf"{_PART}(?:/{_PART})?(?::[^/\\]+)?", re.ASCII)


def is_hub_name(name: str) -> bool:
    r"""Whether a name can be one on the hub: `owner/name` or `name`, with or without `:config`.

    my/data/, my\data, ./data, ~/data and a/b/c can only be paths; my/data can be both.
    """
    return _HUB_NAME.fullmatch(name) is not None


def existing_path(name: str) -> Path | None:
    """The path of that name, with the home folder in place of `~`, if a file or folder is there.

    Raises:
        ValueError: If there is no home folder for a `~`.
        OSError: If the system does not say whether it is there, such as for a folder that may not be looked into.
    """
    path = expanded(name, "data.source")
    try:
        return path if path.exists() else None
    except OSError as error:
        raise OSError(f"{source_in_words(name)} can not be read ({error.strerror}).") from error


def source_in_words(name: str) -> str:
    """A path and the folder from which it is looked for, as messages need them: "my/data (in /home/me)"."""
    plain = len(name) <= 200 and name.isprintable() and name == name.strip() and "\\" not in name
    return f"{name if plain else quoted(name)} (in {Path.cwd()})"


def shown_name(path: Path) -> str:
    """The last part of a path as text that can be stored; bytes that are not UTF-8 become question marks."""
    return path.name.encode("utf-8", "replace").decode()
