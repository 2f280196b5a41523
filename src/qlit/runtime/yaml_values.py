"""Check the type and range of values in YAML files.

Every function raises a ValueError with one sentence that names the place (`where`) of an invalid value.
"""

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from qlit.runtime.yaml_text import shortened


def mapping(value: Any, where: str, known: Sequence[str] | None = None) -> dict[str, Any]:
    """Require a mapping, with no other keys than `known` if these are given."""
    if not isinstance(value, Mapping):
        raise ValueError(f"{where} must be keys with values, but got {shown(value)}.")
    if known is not None and (unknown := [key for key in value if key not in known]):
        raise ValueError(f"{where} has the unknown key {shown(unknown[0])}; known are {', '.join(known)}.")
    return dict(value)


def shown(value: Any) -> str:
    """A value for a message: at most 60 characters, null for None."""
    return "null" if value is None else shortened(repr(value))


def section(value: Any, where: str, known: Sequence[str] | None = None) -> dict[str, Any]:
    """`mapping`, or an empty one for null."""
    return {} if value is None else mapping(value, where, known)


def text(value: Any, where: str) -> str:
    """Require a non-empty text."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{where} must be a text, but got {shown(value)}.")
    return value


def plain_key(key: str) -> str:
    """A config key without `init_args`, which is optional, so that both spellings of a key are equal."""
    return key.replace(".init_args.", ".")


def listed(value: Any) -> list[Any]:
    """A list unchanged, or a single value as a list."""
    return list(value) if isinstance(value, list) else [value]


def numeric(value: Any) -> Any:
    """Convert text such as 1e-3 to a number, because YAML 1.1 reads it, without a dot, as text."""
    if isinstance(value, list):
        return [numeric(each) for each in value]
    is_number = isinstance(value, str) and re.fullmatch(r"[-+]?\d+[eE][-+]?\d+", value)
    return float(value) if is_number else value


def number(value: Any, where: str, least: float | None = None, most: float | None = None) -> Any:
    """Require a finite number between `least` and `most`."""
    return _checked(value, where, least, most, (int, float), "a number")


def whole(value: Any, where: str, least: int, most: int | None = None) -> int:
    """Require a whole number between `least` and `most`."""
    found: int = _checked(value, where, least, most, (int,), "a whole number")
    return found


def _checked(
    value: Any, where: str, least: float | None, most: float | None, kinds: tuple[type, ...], what: str
) -> Any:
    value = numeric(value)
    is_of_kind = isinstance(value, int | float) and isinstance(value, kinds) and not isinstance(value, bool)
    is_of_kind = is_of_kind and math.isfinite(value)
    if not is_of_kind or (least is not None and value < least):
        bound = "" if least is None else f" of at least {least}"
        raise ValueError(f"{where} must be {what}{bound}, but got {shown(value)}.")
    if most is not None and value > most:
        raise ValueError(f"{where} must be {what} of at most {most:,}, but got {shown(value)}.")
    return value


def home_expanded(value: Any) -> Path:
    """Expand `~` at the start of a path.

    Raises:
        ValueError: If this home folder does not exist.
    """
    try:
        return Path(str(value)).expanduser()
    except RuntimeError as error:
        raise ValueError(f"the home folder of {value} is not known; set HOME, or write the path in full.") from error
