"""Let jsonargparse read config files and values as UTF-8 and within bounds, and never quote a wrong file."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import yaml
from jsonargparse import get_loader, set_loader
from jsonargparse._paths import Path

from qlit.runtime.yaml_text import YamlTextError, check_yaml, loaded, read_text, shortened

_SECTIONS = {"model", "data", "tracking", "trainer", "contrastive"}
_NULLS = {"null", "Null", "NULL"}
"""Values of options that mean null."""


@cache
def use_bounded_yaml() -> None:
    """Replace the YAML loader and the file reader of jsonargparse; only the first call does it."""
    plain = get_loader("yaml")

    def load(text: str) -> Any:
        if isinstance(text, _FileText):
            return text.content
        name = f"the value {shortened(text)!r}"
        check_yaml(text, name)
        content = plain(text)
        if content is None and text.strip() not in _NULLS:
            return text  # a file named #1.csv, or the folder ~: YAML takes both for null
        check_class_paths(content, name)
        return content

    def read(path: Path) -> str:
        name = f"the config {path.relative}"
        is_local = not (path.is_url or path.is_fsspec or path.relative == "-")
        text = read_text(path.absolute, name) if is_local else whole(path)
        content = loaded(text, name, plain)
        # Some files are lists: the trainer's callbacks, for example.
        if not isinstance(content, Mapping | list):
            raise YamlTextError(f"{name} must be keys with values, but it {_what(content, text)}; check the path.")
        check_class_paths(content, name)
        if isinstance(content, Mapping):
            _check_sections(content, name)
        if isinstance(content, Mapping) and (twice := next(_given_twice(content), None)) is not None:
            raise YamlTextError(f"In {name}, the key {shortened(twice)!r} is given twice: once with dots; keep one.")
        return _FileText(text, content)

    set_loader("yaml", load, (yaml.YAMLError,))
    # No setting changes how jsonargparse reads files: it uses the encoding of the locale, reads endless pipes, and
    # quotes a whole file that is not a config.
    whole = Path.read_text
    Path.read_text = read  # type: ignore[method-assign, assignment]


def check_class_paths(content: Any, name: str, place: str = "") -> None:
    """Raise a YamlTextError if a `class_path` is not a text, or `init_args` is not a mapping."""
    if isinstance(content, list):
        for inner in content:
            check_class_paths(inner, name, place)
    elif isinstance(content, Mapping):
        for key, inner in content.items():
            if key == "class_path" and not isinstance(inner, str):
                raise YamlTextError(f"In {name}, {place}class_path must name a class, but got {_shown(inner)}.")
            if key == "init_args" and not isinstance(inner, Mapping):
                raise YamlTextError(f"In {name}, {place}init_args must be keys with values, but got {_shown(inner)}.")
            check_class_paths(inner, name, place if key == "init_args" else f"{place}{key}.")


def _shown(value: Any) -> str:
    return "null" if value is None else shortened(str(value))


class _FileText(str):
    """Text of a file with its parsed content, so that it is parsed once."""

    content: Any

    def __new__(cls, text: str, content: Any) -> "_FileText":
        made = super().__new__(cls, text)
        made.content = content
        return made


def _check_sections(content: Mapping[Any, Any], name: str) -> None:
    """Refuse a section that is a number or a list, because later options would replace it silently."""
    for section in _SECTIONS & content.keys():
        if not isinstance(content[section], Mapping | str | None):  # a text is the name of another file
            raise YamlTextError(
                f"In {name}, {section} must be keys with values, but got {shortened(str(content[section]))}."
            )


def _what(content: Any, text: str) -> str:
    if not text.strip():
        return "is empty"
    return "contains only comments" if content is None else f"is of type {type(content).__name__}"


def _given_twice(config: Mapping[Any, Any]) -> Iterator[str]:
    """Yield keys that a config has both with dots (`model.lr`) and nested, or twice with dots."""
    seen: set[str] = set()
    for key in _paths(config):
        if key in seen:
            yield key
        seen.add(key)


def _paths(config: Mapping[Any, Any], prefix: str = "") -> Iterator[str]:
    for key, value in config.items():
        path = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            yield from _paths(value, f"{path}.")
        else:
            yield path
