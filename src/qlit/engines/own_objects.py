"""Find classes, functions and objects of users by their import path."""

import importlib
from difflib import get_close_matches
from pathlib import Path
from typing import Any


def object_at(path: str, kind: str) -> Any:
    """The object that an import path names; its module is imported, which runs the module.

    Args:
        path: `module.name`, such as my_circuits.ansatz.
        kind: What it should be, with an article, for messages: "an engine".

    Raises:
        ValueError: If the path is none, or module or object cannot be found or imported.
    """
    module, _, name = path.rpartition(".")
    if not module or not all(part.isidentifier() for part in path.split(".")):
        raise ValueError(f"The import path of {kind} is MODULE.NAME, such as my_module.name, but got {path[:80]!r}.")
    try:
        found = importlib.import_module(module)
    except Exception as error:  # a module of a user may raise anything
        if isinstance(error, ModuleNotFoundError) and f"{module}.".startswith(f"{error.name}."):
            raise ValueError(
                f"There is no module {error.name!r}, which {path!r} names as {kind}, in the current folder "
                f"({Path.cwd()}) or among the installed packages: check its name, or change the folder."
            ) from error
        raise ValueError(
            f"The module of {kind}, {module!r}, cannot be imported: {type(error).__name__}: {_line(error)}"
        ) from error
    if not hasattr(found, name):
        close = get_close_matches(name, vars(found), n=1)
        hint = f"; did you mean {close[0]!r}?" if close else "."
        raise ValueError(f"The module {module!r} has no {name!r}, which {path!r} names as {kind}{hint}")
    return getattr(found, name)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
