"""Check the classes that a config names, after it is parsed and before anything is instantiated.

Every key of a config accepts subclasses of its type. jsonargparse accepts more: functions in place of a class or a
factory, objects of modules, and any class for an untyped key.
"""

import inspect
import re
import sys
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from enum import Enum
from os import PathLike
from typing import Any
from uuid import UUID

import torch
from jsonargparse import Namespace, set_parsing_settings
from jsonargparse import _common as jsonargparse_settings
from jsonargparse import _typehints as jsonargparse_types

from qlit.jobs.config.checkpoint_classes import object_paths
from qlit.runtime.allowed import OPTION, is_allowed, is_dotted_name
from qlit.runtime.errors import UsageError
from qlit.runtime.yaml_text import shortened

# For a key of type `Any`, jsonargparse imports every `class_path` in a value, and no setting prevents that. Here such a
# value stays plain.
assert callable(jsonargparse_types.adapt_classes_any)
jsonargparse_types.adapt_classes_any = lambda value, *_, **__: value
# Without a list of ours, jsonargparse only warns about names on its own list (os, subprocess, pickle, ...).
set_parsing_settings(import_path_denylist=[], instantiate_subclass_spec_in_any=False)

PlainValue = bool | int | float | str | None
"""Type of an option that a command ignores."""
PlainSection = dict[str, bool | int | float | str | list | dict | None]  # type: ignore[type-arg]
"""Type of a section that a command ignores: nothing in it is imported."""

_PLAIN = (
    *(type(None), bool, int, float, complex, str, bytes, Enum, timedelta, date, Decimal, UUID, range, PathLike),
    *(re.Pattern, torch.device, torch.dtype),
)


def check_classes(config: Namespace, sections: Mapping[str, type] | None = None) -> None:
    """Refuse a parsed config that names anything other than classes of the types of its keys.

    Args:
        config: A config, or some of its sections.
        sections: Classes by section; None for those of a training.
    Raises:
        UsageError: If a class has another type than its key; or if a function, an object, or a class for an untyped key
            is named and the command line does not allow it.
    """
    for name, owner in (_sections_of_training() if sections is None else sections).items():
        section = config.get(name)
        if isinstance(section, Namespace):
            _check_arguments(owner, section, name)
    for path in object_paths(config.get("model")):
        if is_dotted_name(path) and (denied := jsonargparse_settings.denying_import_path_entry(path)) is not None:
            raise UsageError(
                f"The config names {shortened(path)}, but nothing of the module {denied} may be named here."
                if denied != "*"
                else f"The config names {shortened(path)}, which a checkpoint may not; {OPTION} takes modules that may "
                "be named."
            )


def _sections_of_training() -> dict[str, type]:
    from lightning.pytorch import Trainer  # Lightning takes a second of CPU, and predictions do not need it

    from qlit.tracking.tracker import MLflowTracker
    from qlit.training.datamodule import SentenceDataModule
    from qlit.training.module import SentenceClassifier

    return {"model": SentenceClassifier, "data": SentenceDataModule, "tracking": MLflowTracker, "trainer": Trainer}


def _check_arguments(owner: type, arguments: Namespace | Mapping[str, Any], place: str) -> None:
    for key, value in (vars(arguments) if isinstance(arguments, Namespace) else arguments).items():
        if not _is_plain(value):
            _check_value(value, owner, str(key), f"{place}.{key}")


def _check_value(value: Any, owner: type, key: str, place: str) -> None:
    """Check the value of a constructor's argument.

    Args:
        value: Parsed value, not instantiated.
        owner: Class of the constructor.
        key: Name of the argument.
        place: Key in the config, for messages.
    """
    if _is_plain(value):
        return
    if isinstance(value, list | tuple | set | frozenset):
        for inner in value:
            _check_value(inner, owner, key, place)
    elif isinstance(value, Namespace | Mapping) and "class_path" in value:
        _check_class(value, owner, key, place)
    elif isinstance(value, Namespace | Mapping):
        for inner in (vars(value) if isinstance(value, Namespace) else value).values():
            _check_value(inner, owner, key, place)
    else:
        _check_object(value, owner, key, place)


def _check_class(given: Namespace | Mapping[str, Any], owner: type, key: str, place: str) -> None:
    name = str(given["class_path"])
    found, wanted = _found(name), _classes(owner, key)
    if not inspect.isclass(found) and (wanted or callable(found)):
        kind = "a function" if callable(found) else "no class"
        raise UsageError(f"{place} takes {_wanted(owner, key)}, but {shortened(name)} is {kind}: name a class.")
    if not any(issubclass(found, each) for each in wanted) and not is_allowed(name):
        raise UsageError(
            f"{place} takes {_wanted(owner, key)}, but got {shortened(name)}. If its code may run, type "
            f"{OPTION} {shortened(name.rpartition('.')[0])} on the command line."
        )
    if inspect.isclass(found):
        _check_arguments(found, given.get("init_args") or {}, place)


def _check_object(value: Any, owner: type, key: str, place: str) -> None:
    """Check a value that is a type, a function or an object of a module."""
    if inspect.isclass(value):
        if any(issubclass(value, each) for hint in _hints(owner, key) for each in _types(hint)):
            return
    elif _default(owner, key) is value:
        return
    of = value if hasattr(value, "__qualname__") else type(value)
    name = f"{of.__module__}.{of.__qualname__}"
    if is_allowed(name):
        return
    kind = "the class" if inspect.isclass(value) else "the function" if value is of else "an object of"
    raise UsageError(
        f"{place} names {kind} {shortened(name)}, which a config may not. If its code may run, type "
        f"{OPTION} {shortened(str(of.__module__))} on the command line."
    )


def _is_plain(value: Any) -> bool:
    return isinstance(value, _PLAIN)


def _found(name: str) -> Any:
    """The object with a dotted name in the imported modules; None if there is none."""
    parts = name.split(".")
    for count in range(len(parts) - 1, 0, -1):
        found: Any = sys.modules.get(".".join(parts[:count]))
        if found is None:
            continue
        for part in parts[count:]:
            found = getattr(found, part, None)
        return found
    return None


def _parameter(owner: type, key: str) -> tuple[Any, inspect.Parameter] | None:
    """The first constructor among a class and its bases that names an argument, and its parameter."""
    for each in owner.__mro__:
        constructor = each.__dict__.get("__init__") or each.__dict__.get("__new__")
        if inspect.isfunction(constructor):
            parameter = inspect.signature(constructor).parameters.get(key)
            if parameter is not None:
                return constructor, parameter
    return None


def _default(owner: type, key: str) -> Any:
    found = _parameter(owner, key)
    return inspect.Parameter.empty if found is None else found[1].default


def _hints(owner: type, key: str) -> Sequence[Any]:
    """The type of a constructor's argument; empty if it is unknown."""
    found = _parameter(owner, key)
    if found is None:
        return []
    constructor, parameter = found
    try:
        return [typing.get_type_hints(constructor)[key]]
    except (NameError, KeyError, AttributeError, TypeError):  # for example a name that only type checkers import
        return [] if isinstance(parameter.annotation, str) else [parameter.annotation]


def _classes(owner: type, key: str) -> list[type]:
    """Classes whose instances, or factories of instances, an argument accepts."""
    return [found for hint in _hints(owner, key) for found in _of_objects(hint)]


def _of_objects(hint: Any) -> Iterator[type]:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is type:
        return
    if origin is Callable:
        yield from _of_objects(arguments[-1]) if arguments else ()
    elif inspect.isclass(hint) and origin is None:
        if hint is not object and not issubclass(hint, _PLAIN) and not getattr(hint, "_is_protocol", False):
            yield hint
    elif isinstance(hint, typing.TypeVar):
        for bound in (hint.__bound__, *hint.__constraints__):
            yield from _of_objects(bound) if bound is not None else ()
    else:
        for each in arguments:
            yield from _of_objects(each)


def _types(hint: Any) -> Iterator[type]:
    """Classes whose subclasses, not instances, an argument accepts."""
    if typing.get_origin(hint) is type:
        yield from _of_objects(typing.get_args(hint)[0])
    elif typing.get_origin(hint) is not Callable:
        for each in typing.get_args(hint):
            yield from _types(each)


def _wanted(owner: type, key: str) -> str:
    names = dict.fromkeys(each.__name__ for each in _classes(owner, key))
    return " or ".join(names) if names else "no class"
