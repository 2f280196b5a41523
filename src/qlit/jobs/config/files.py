"""How jsonargparse reads config files and values: as UTF-8, within bounds, and without quoting a wrong file."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import yaml
from jsonargparse import get_loader, set_loader
from jsonargparse._paths import Path

from qlit.runtime.yaml_text import YamlTextError, check_yaml, loaded, read_text, shortened

_SECTIONS = {"model", "data", "tracking", "trainer", "contrastive"}


@cache
def use_bounded_yaml() -> None:
    """Let jsonargparse read YAML by this module, from the first call on."""
    plain = get_loader("yaml")

    def load(text: str) -> Any:
        if isinstance(text, _FileText):
            return text.content
        name = f"the value {shortened(text)!r}"
        check_yaml(text, name)
        content = plain(text)
        check_class_paths(content, name)
        return content

    def read(path: Path) -> str:
        name = f"the config {path.relative}"
        is_local = not (path.is_url or path.is_fsspec or path.relative == "-")
        text = read_text(path.absolute, name) if is_local else whole(path)
        content = loaded(text, name, plain)
        # The trainer's callbacks and the like are lists.
        if not isinstance(content, Mapping | list):
            raise YamlTextError(f"{name} must be keys with values, but it {_what(content, text)}; check the path.")
        check_class_paths(content, name)
        if isinstance(content, Mapping):
            _check_sections(content, name)
        if isinstance(content, Mapping) and (twice := next(_given_twice(content), None)) is not None:
            raise YamlTextError(f"In {name}, the key {shortened(twice)!r} is given twice: once with dots; keep one.")
        return _FileText(text, content)

    set_loader("yaml", load, (yaml.YAMLError,))
    # There is no setting for how files are read: jsonargparse takes the locale's encoding, waits for pipes without end,
    # and quotes the whole of a file that is no config.
    whole = Path.read_text
    Path.read_text = read  # type: ignore[method-assign, assignment]


def check_class_paths(content: Any, name: str, place: str = "") -> None:
    """Raise a YamlTextError if a `class_path` is no text, or `init_args` are not keys with values."""
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
    """The text of a file, with its content, so that it is parsed once."""

    content: Any

    def __new__(cls, text: str, content: Any) -> "_FileText":
        made = super().__new__(cls, text)
        made.content = content
        return made


def _check_sections(content: Mapping[Any, Any], name: str) -> None:
    """Refuse a section that is a number or a list: options after it would replace it without a word."""
    for section in _SECTIONS & content.keys():
        if not isinstance(content[section], Mapping | str | None):  # a text names another file
            raise YamlTextError(
                f"In {name}, {section} must be keys with values, but got {shortened(str(content[section]))}."
            )


def _what(content: Any, text: str) -> str:
    if not text.strip():
        return "is empty"
    return "holds nothing but comments" if content is None else f"is of type {type(content).__name__}"


def _given_twice(config: Mapping[Any, Any]) -> Iterator[str]:
    """Keys that a config gives with dots (`model.lr`) and nested, or twice with dots."""
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
