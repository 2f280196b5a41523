"""Refuse nulls and plain values where a config must not have them; jsonargparse accepts them."""

import inspect
import sys
import types
import typing
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

from jsonargparse import Namespace

from qlit.runtime.errors import UsageError
from qlit.runtime.yaml_text import shortened


class _Parameter(NamedTuple):
    hint: Any
    default: Any


FLAGS = {"seed_everything": "a seed", "test_after_fit": "true or false"}
"""Keys of a config outside the sections of classes, with a description of valid values."""


def check_nulls(config: Any, flags: Mapping[str, str] | None = None, /, **places: type) -> None:
    """Check that a parsed config has null only where the type allows it.

    Args:
        config: The config, nested.
        flags: Descriptions of valid values of further keys.
        places: Classes by section of the config.
    Raises:
        UsageError: If another key is null; the message names it.
    """
    for name, what in (flags or {}).items():
        if config.get(name) is None:
            raise UsageError(f"{name} must be {what}, but got null.")
    for place, kind in places.items():
        if config.get(place) is not None and not isinstance(config[place], Namespace | Mapping):
            raise UsageError(f"{place} must be keys with values, but got {shortened(str(config[place]))}.")
        for key, parameter in _nulls(config.get(place), kind, place):
            hint = "" if parameter.default is inspect.Parameter.empty else _leave_out(parameter.default)
            raise UsageError(f"{key} must be {_named(parameter.hint)}, but got null{hint}.")


def _nulls(value: Any, kind: Any, place: str) -> Iterator[tuple[str, _Parameter]]:
    if isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            yield from _nulls(inner, None, f"{place}.{number}")
    if not isinstance(value, Namespace | Mapping):
        return
    if "class_path" in value:
        yield from _nulls(value.get("init_args"), _class_at(value["class_path"]), place)
        return
    if typing.get_origin(kind) in (typing.Union, types.UnionType):  # without class_path it is the final class
        kind = next((each for each in typing.get_args(kind) if getattr(each, "__final__", False)), None)
    if not isinstance(kind, type):
        return
    for name, parameter in _parameters(kind).items():
        inner = value.get(name)
        if isinstance(inner, bool | int | float) and _is_section(parameter.hint):
            raise UsageError(f"{place}.{name} must be keys with values, but got {shortened(str(inner))}.")
        if inner is not None:
            yield from _nulls(inner, parameter.hint, f"{place}.{name}")
        elif name in value and not _takes_none(parameter):
            yield f"{place}.{name}", parameter


@cache
def _parameters(kind: type) -> dict[str, _Parameter]:
    """The annotated parameters of a class's constructor; empty if Python cannot find them."""
    try:
        hints = typing.get_type_hints(kind.__init__)  # type: ignore[misc]
        found = inspect.signature(kind).parameters
    except (NameError, TypeError, ValueError, AttributeError):
        return {}
    return {name: _Parameter(hints[name], each.default) for name, each in found.items() if name in hints}


def _is_section(hint: Any) -> bool:
    return isinstance(hint, type) and hint.__module__ not in ("builtins", "datetime") and bool(_parameters(hint))


def _takes_none(parameter: _Parameter) -> bool:
    if parameter.default is None or parameter.hint in (Any, object, None, type(None)):
        return True
    if typing.get_origin(parameter.hint) in (typing.Union, types.UnionType, typing.Literal):
        return any(_takes_none(_Parameter(each, ...)) for each in typing.get_args(parameter.hint))
    return isinstance(parameter.hint, typing.TypeVar)


def _class_at(class_path: Any) -> Any:
    """The class with a dotted name; its module was imported when the config was parsed."""
    module, _, name = str(class_path).rpartition(".")
    return getattr(sys.modules.get(module), name, None)


def _named(hint: Any) -> str:
    if typing.get_origin(hint) is typing.Literal:
        return f"one of {', '.join(map(str, typing.get_args(hint)))}"
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return " or ".join(dict.fromkeys(map(_named, typing.get_args(hint))))
    return getattr(hint, "__name__", str(hint))


def _leave_out(default: Any) -> str:
    is_plain = isinstance(default, bool | int | float | str)
    return f"; leave it out for {str(default).lower() if isinstance(default, bool) else default}" * is_plain
