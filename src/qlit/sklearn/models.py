"""Make a model from the description of a head, sized for the data."""

import inspect
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import numpy as np

from qlit import heads
from qlit.heads import Head
from qlit.jobs.config.head_sizes import num_outputs_of
from qlit.jobs.config.models import model_of
from qlit.runtime.errors import UsageError
from qlit.training.module import SentenceClassifier

HeadLike = str | Mapping[str, Any] | Callable[..., Head]
"""A class name, a class with arguments as in a config, or a function that makes a head."""

_WAYS = (
    "a class name such as 'LinearHead', a mapping with `class_path` and `init_args` as in a config, or a class or "
    "function that returns a head"
)


def model_with(
    head: HeadLike, *, num_features: int, num_classes: int, **settings: Any
) -> tuple[SentenceClassifier, dict[str, Any] | None]:
    """A model with initial weights from torch's generator, and the section `model` of its config.

    Args:
        head: The head. `num_features` and `num_classes` are added where its class, its encoder or the function takes
            them and they are not given.
        num_features: D of the data.
        num_classes: k of the data.
        settings: Arguments of `SentenceClassifier`.
    Returns:
        The model, and its config; None for a function, which no config can name.
    Raises:
        ValueError: If the head cannot be made.
    """
    if isinstance(head, Head):
        raise ValueError(
            f"`head` must describe a head, but got a {type(head).__name__} that has its weights already, so that "
            f"`random_state` and the folds of a cross-validation could not start anew: give {_WAYS}."
        )
    if callable(head):
        return SentenceClassifier(_called(head, num_features, num_classes), **settings), None
    config = {"head": sized(described(head), num_features=num_features, num_classes=num_classes), **settings}
    try:
        with _environment_kept():
            return model_of({"model": config})[0], config
    except UsageError as error:
        raise ValueError(f"The head cannot be made: {error}") from error


@contextmanager
def _environment_kept() -> Iterator[None]:
    """Context whose changes of the environment are undone: the parser turns jsonargparse's warnings off there."""
    name = "JSONARGPARSE_DEPRECATION_WARNINGS"
    before = os.environ.get(name)
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(name, None)


def described(head: str | Mapping[str, Any]) -> dict[str, Any]:
    """A head as `class_path` and `init_args`, in a new dictionary.

    Raises:
        ValueError: If the description has another form.
    """
    if isinstance(head, str):
        head = {"class_path": head}
    if not isinstance(head, Mapping) or not isinstance(head.get("class_path"), str):
        raise ValueError(f"`head` must be {_WAYS}, but got {head!r}.")
    if unknown := sorted(map(str, head.keys() - {"class_path", "init_args"})):
        raise ValueError(f"`head` takes the keys class_path and init_args, but got {', '.join(unknown)}.")
    found: dict[str, Any] = _plain({"class_path": head["class_path"], "init_args": dict(head.get("init_args") or {})})
    return found


def sized(spec: dict[str, Any], *, num_features: int, num_classes: int) -> dict[str, Any]:
    """Add the sizes of the data to a description of a head and its encoders, where they are taken and not given."""
    arguments = spec.setdefault("init_args", {})
    if _takes(spec["class_path"], "num_classes"):
        arguments.setdefault("num_classes", num_classes)
    _add_features(spec, num_features)
    return spec


def _add_features(spec: dict[str, Any], num_features: int) -> None:
    preprocessing = (spec.get("init_args") or {}).get("preprocessing")
    if isinstance(preprocessing, dict) and "class_path" in preprocessing:
        _add_features(preprocessing, num_features)
    if _takes(str(spec["class_path"]), "num_features"):  # modules inside get what this one makes of the features
        spec["init_args"] = {"num_features": num_features, **(spec.get("init_args") or {})}
        return
    inner = {key: value for key, value in (spec.get("init_args") or {}).items() if key != "preprocessing"}
    for value in inner.values():
        if isinstance(value, dict) and "class_path" in value:
            _add_features(value, num_features if preprocessing is None else num_outputs_of(preprocessing, num_features))


def _plain(value: Any) -> Any:
    """A copy with import paths in place of names of `qlit.heads`, and Python's numbers in place of numpy's.

    A checkpoint may name classes by import paths alone; a search over parameters gives numpy's numbers.
    """
    if isinstance(value, Mapping):
        copied = {str(key): _plain(inner) for key, inner in value.items() if key != "class_path"}
        return {"class_path": _path_of(value["class_path"]), **copied} if "class_path" in value else copied
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, str) and value in heads.__all__:  # a class without arguments
        return {"class_path": _path_of(value)}
    return value.item() if isinstance(value, np.generic) else value


def _path_of(name: Any) -> Any:
    return f"qlit.heads.{name}" if isinstance(name, str) and name in heads.__all__ else name


def _takes(name: str, argument: str) -> bool:
    """Whether the constructor of a class takes an argument; false for names of nothing, which the parser refuses."""
    module, _, attribute = name.rpartition(".")
    try:
        found = getattr(import_module(module or "qlit.heads"), attribute)
        return argument in inspect.signature(found).parameters
    except (ImportError, AttributeError, TypeError, ValueError):
        return False


def _called(make: Callable[..., Head], num_features: int, num_classes: int) -> Head:
    sizes = {"num_features": num_features, "num_classes": num_classes}
    taken = inspect.signature(make).parameters
    name = getattr(make, "__name__", repr(make))
    try:
        made = make(**{key: value for key, value in sizes.items() if key in taken})
    except TypeError as error:
        raise ValueError(f"`head` cannot be made by {name} ({error}): give {_WAYS}.") from error
    if not isinstance(made, Head):
        raise ValueError(f"`head` must return a qlit.heads.Head, but {name} returns a {type(made).__name__}.")
    return made
