"""Load YAML and JSON of users after checks of size, depth, aliases and repeated keys."""

import os
import select
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

MAX_BYTES = 2**20
"""Largest file, in bytes; enough for a table of 10,000 rows."""
MAX_DEPTH = 64
MAX_VALUES = 50_000
"""Most keys and values in a file; the content of an alias counts at every use."""
MAX_SCALAR_CHARS = 20_000
MAX_DIGITS = 100

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_PIPE_WAIT_S = 5.0
# Errors of PyYAML's constructors for a value that does not match its tag or its form: `!!int x`, 2024-13-41.
_OF_CONSTRUCTORS = (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError)
_SHOWN_CHARS = 60


class YamlTextError(ValueError):
    """A file or value is too large, too deep, ambiguous, or not YAML."""


def read_text(path: str | Path, name: str) -> str:
    """Read a small UTF-8 file, with or without a byte order mark.

    Args:
        path: File or pipe.
        name: Name in messages, such as "the config a.yaml".
    Raises:
        YamlTextError: If it is neither a file nor a pipe, is larger than `MAX_BYTES`, or is not UTF-8 text.
        OSError: If it cannot be opened.
    """
    # Without blocking, because a pipe without a writer would block forever.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        mode = os.fstat(descriptor).st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
            raise YamlTextError(f"{name} is a {'folder' if stat.S_ISDIR(mode) else 'device'}, not a file.")
        content = _content(descriptor, name)
    finally:
        os.close(descriptor)
    if len(content) > MAX_BYTES:
        raise YamlTextError(f"{name} is larger than {MAX_BYTES // 2**20} MiB, which no config, study or table needs.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise YamlTextError(f"{name} is not UTF-8 text (byte {error.start}); save it as UTF-8.") from error
    if "\0" in text:
        raise YamlTextError(f"{name} is not text: it has a NUL character.")
    return text


def read_yaml(path: str | Path, name: str) -> Any:
    """Load a YAML or JSON file; arguments and errors as in `read_text` and `load_yaml`."""
    return load_yaml(read_text(path, name), name)


def load_yaml(text: str, name: str) -> Any:
    """Load YAML or JSON as plain values: null, booleans, numbers, strings, lists, and dictionaries with string keys.

    Args:
        text: Text in YAML 1.1.
        name: Name in messages.
    Raises:
        YamlTextError: If it is not YAML, or fails `check_yaml`, or has other values or keys, such as dates.
    """
    value = loaded(text, name, safe_load)
    _check_plain(value, name)
    return value


def safe_load(text: str) -> Any:
    """`yaml.safe_load`, with libyaml if PyYAML has it."""
    return yaml.load(text, _Loader)


def loaded(text: str, name: str, load: Callable[[str], Any]) -> Any:
    """Apply `check_yaml` and then `load` to a text; errors as in `load_yaml`."""
    try:
        check_yaml(text, name)
        return load(text)
    except yaml.YAMLError as error:
        raise YamlTextError(f"{name} is not YAML: {problem_of(error)}.") from error
    except YamlTextError:
        raise
    except _OF_CONSTRUCTORS as error:
        said = f": {shortened(str(error))}" if isinstance(error, ValueError) else ""
        raise YamlTextError(f"{name} has a value that does not match its tag or its form{said}.") from error


def problem_of(error: yaml.YAMLError) -> str:
    """PyYAML's description of a problem and its line, without the text around it, which may be confidential."""
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "it cannot be read"
    return f"{shortened(str(problem))}{_line(mark)}"


def _line(mark: Any) -> str:
    return "" if mark is None else f" in line {mark.line + 1}"


def check_yaml(text: str, name: str) -> None:
    """Check that loading a text needs little time and memory and loses nothing.

    Raises:
        YamlTextError: If it is too deep, or has too many values, an alias inside its own content, several documents, or
            a repeated key.
        yaml.YAMLError: If it is not YAML.
    """
    if len(text) <= MAX_DIGITS and text.isalnum():
        return
    counted = _Counted(name)
    documents = 0
    for event in yaml.parse(text, _Loader):
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise YamlTextError(f"{name} has several documents (`---`{_line(event.start_mark)}); keep one.")
        elif isinstance(event, yaml.NodeEvent | yaml.CollectionEndEvent):
            counted.take(event)


class _Counted:
    """Open collections and the number of values so far."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._open: list[_Collection] = []
        self._sizes: dict[str, int] = {}
        self._num_values = 0

    def take(self, event: Any) -> None:
        if isinstance(event, yaml.CollectionEndEvent):
            closed = self._open.pop()
            if closed.anchor is not None:
                self._sizes[closed.anchor] = self._num_values - closed.before
            return
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent):
            if any(each.anchor == event.anchor for each in self._open):
                raise YamlTextError(
                    f"In {self._name}, *{shortened(str(event.anchor))} in line {line} is inside the value it names."
                )
            self._count(self._sizes.get(str(event.anchor), 1), line)
        else:
            self._count(1, line)
        if self._open:
            self._open[-1].take(event, line, self._name)
        if isinstance(event, yaml.CollectionStartEvent):
            is_mapping = isinstance(event, yaml.MappingStartEvent)
            self._open.append(_Collection(event.anchor, self._num_values - 1, is_mapping=is_mapping))
            if len(self._open) > MAX_DEPTH:
                raise YamlTextError(f"{self._name} has more than {MAX_DEPTH} nested levels, in line {line}.")
        elif isinstance(event, yaml.ScalarEvent):
            if event.anchor is not None:
                self._sizes[event.anchor] = 1
            if len(event.value) > MAX_DIGITS and event.value.lstrip("+-").isdigit():
                raise YamlTextError(
                    f"In {self._name}, {self._place()} has more than {MAX_DIGITS} digits, in line {line}."
                )
            if len(event.value) > MAX_SCALAR_CHARS or event.value.count("[") + event.value.count("{") > MAX_DEPTH:
                raise YamlTextError(f"In {self._name}, {self._place()} is too long or too deep, in line {line}.")
            if "\0" in event.value:  # written as an escape; paths and names must not contain it
                raise YamlTextError(f"In {self._name}, {self._place()} has a NUL character, in line {line}.")

    def _place(self) -> str:
        """Keys of the current value, joined by dots."""
        keys = [each.key for each in self._open if each.key is not None]
        return shortened(".".join(keys)) or "a value"

    def _count(self, number: int, line: int) -> None:
        self._num_values += number
        if self._num_values > MAX_VALUES:
            raise YamlTextError(
                f"{self._name} has more than {MAX_VALUES:,} values, counting those of aliases, in line {line}."
            )


class _Collection:
    """An open list or mapping; for a mapping, its keys with their lines."""

    def __init__(self, anchor: str | None, before: int, *, is_mapping: bool) -> None:
        self.anchor, self.before = anchor, before
        self._lines: dict[str, int] | None = {} if is_mapping else None
        self._is_key = True
        self.key: str | None = None

    def take(self, event: Any, line: int, name: str) -> None:
        if self._lines is None:
            return
        if self._is_key and isinstance(event, yaml.ScalarEvent) and event.value != "<<":
            if (first := self._lines.get(event.value)) is not None:
                raise YamlTextError(
                    f"In {name}, the key {shortened(event.value)!r} is given twice, in lines {first} and {line}; "
                    "keep one."
                )
            self._lines[event.value] = line
            self.key = event.value
        self._is_key = not self._is_key


def _content(descriptor: int, name: str) -> bytes:
    """Read an open file, but at most one byte more than `MAX_BYTES`."""
    content = b""
    while len(content) <= MAX_BYTES:
        try:
            chunk = os.read(descriptor, MAX_BYTES + 1 - len(content))
        except BlockingIOError:
            if not select.select([descriptor], [], [], _PIPE_WAIT_S)[0]:
                raise YamlTextError(f"{name} is a pipe that delivered nothing for {_PIPE_WAIT_S:g} s.") from None
            continue
        if not chunk:
            break
        content += chunk
    return content


def _check_plain(value: Any, name: str) -> None:
    if isinstance(value, dict):
        for key, inner in value.items():
            _check_plain(key, name)
            _check_plain(inner, name)
    elif isinstance(value, list):
        for inner in value:
            _check_plain(inner, name)
    elif not isinstance(value, str | int | float | None):
        raise YamlTextError(
            f"{name} has a value of type {type(value).__name__}, {shortened(str(value))}; if it is a text, quote it."
        )


def shortened(text: str, most: int = _SHOWN_CHARS) -> str:
    """A text on one line of at most `most` characters; a longer one has "..." in place of its middle."""
    ends = text if len(text) <= 4 * most else text[: 2 * most] + text[-2 * most :]
    line = " ".join(ends.split())
    if len(line) <= most and ends is text:
        return line
    last = (most - 3) // 3
    return f"{line[: most - 3 - last]}...{line[-last:]}"
