"""Errors about a key that takes a final class without class_path, or any torch module with one: the PQC of a head."""

import re
from typing import Any, NoReturn

from jsonargparse import _typehints as jsonargparse_types
from jsonargparse._namespace import subclasses_disabled_meta_key
from torch import nn

_UNION = re.compile(
    r"^( *)Subtypes: \[<class '[\w.]+\.ReuploadingPQC'>, <class 'torch\.nn\.modules\.module\.Module'>\]$"
)


def about_one_class(message: str) -> str:
    """The message about the class that the config means, without those about other classes that the key takes.

    Args:
        message: Message of jsonargparse, with several lines.
    """
    lines = message.split("\n")
    found = next((k for k, line in enumerate(lines) if _UNION.match(line)), None)
    if found is None:
        return message
    indent = len(lines[found]) - len(lines[found].lstrip())
    end = next((k for k in range(found, len(lines)) if lines[k].startswith(" " * indent + "Given value type")), None)
    items: list[list[str]] = []
    for line in lines[found + 2 : end]:
        if line.startswith(" " * (indent + 2) + "- "):
            items.append([" " * indent + line[indent + 4 :]])
        elif items:
            items[-1].append(line)
    meant = next((item for item in items if "Subclasses are disabled for" not in item[0]), None)
    if meant is None:
        return message
    if meant[0].lstrip().startswith("Not a valid subclass of ") and end is not None:
        # jsonargparse gives the value of a union once, behind all errors.
        value = " ".join(" ".join(lines[end + 1 :]).split()).removeprefix("Given value: ")
        meant = [f"{meant[0]}. Got value: {value}", *meant[1:]]
    start = next((k for k in range(found, -1, -1) if lines[k].lstrip().startswith("Parser key ")), found - 2)
    return "\n".join([*lines[: start + 1], *meant])


# jsonargparse tries the types of a union one after the other, also when it creates the object, and makes one message of
# all errors. Here an error of a constructor remains what it is.
assert callable(jsonargparse_types.raise_union_unexpected_value)
_raise_all = jsonargparse_types.raise_union_unexpected_value


def _raise_of_constructor(subtypes: Any, val: Any, exceptions: list[Exception]) -> NoReturn:
    if nn.Module in subtypes:
        for error in exceptions:
            if not _is_of_jsonargparse(error):
                raise error
    _raise_all(subtypes, val, exceptions)


jsonargparse_types.raise_union_unexpected_value = _raise_of_constructor


# A value without class_path is marked, so that none is written for it. If a later config names another class for the
# key, the mark remained, and that class_path was lost.
assert callable(jsonargparse_types._subclasses_disabled_mark)
_mark = jsonargparse_types._subclasses_disabled_mark


def _mark_anew(value: Any, typehint: Any) -> Any:
    value.pop(subclasses_disabled_meta_key, None)
    return _mark(value, typehint)  # type: ignore[no-untyped-call]


jsonargparse_types._subclasses_disabled_mark = _mark_anew


def _is_of_jsonargparse(error: Exception) -> bool:
    """Whether jsonargparse raised an error itself, or a module could not be imported for it."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    name = "" if trace is None else str(trace.tb_frame.f_globals.get("__name__", ""))
    return name.partition(".")[0] in ("", "jsonargparse", "importlib") or isinstance(error, ImportError)
