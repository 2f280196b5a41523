"""Values of a study file, as what they have to be.

Each function raises ValueError with one sentence that names the place (`where`) if a value is something else.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def mapping(value: Any, where: str, known: Sequence[str] | None = None) -> dict[str, Any]:
    """Keys with values; of the `known` keys alone, where they are given."""
    if not isinstance(value, Mapping):
        raise ValueError(f"{where} must be keys with values, but got {value!r}.")
    if known is not None and (unknown := [key for key in value if key not in known]):
        raise ValueError(f"{where} has no key {unknown[0]!r}; there are {', '.join(known)}.")
    return dict(value)


def listed(value: Any) -> list[Any]:
    """A list, or one of a single value."""
    return list(value) if isinstance(value, list) else [value]


def numeric(value: Any) -> Any:
    """A value, 1e-3 as a number: YAML 1.1 reads it, without a dot, as text, but who writes it means the number."""
    if isinstance(value, list):
        return [numeric(each) for each in value]
    is_number = isinstance(value, str) and re.fullmatch(r"[-+]?\d+[eE][-+]?\d+", value)
    return float(value) if is_number else value


def number(value: Any, where: str, least: float | None = None) -> Any:
    """A number, whole or not, of `least` at least."""
    return _checked(value, where, least, (int, float), "a number")


def whole(value: Any, where: str, least: int) -> int:
    """A whole number of `least` at least."""
    found: int = _checked(value, where, least, (int,), "a whole number")
    return found


def _checked(value: Any, where: str, least: float | None, kinds: tuple[type, ...], what: str) -> Any:
    value = numeric(value)
    is_of_kind = isinstance(value, kinds) and not isinstance(value, bool)
    if not is_of_kind or (least is not None and value < least):
        bound = "" if least is None else f" of {least} at least"
        raise ValueError(f"{where} must be {what}{bound}, but got {value!r}.")
    return value


def home_expanded(value: Any) -> Path:
    """A path with `~` at its beginning replaced by the home folder.

    Raises:
        ValueError: If there is no home folder of that name.
    """
    try:
        return Path(str(value)).expanduser()
    except RuntimeError as error:
        raise ValueError(f"the home folder of {value} is not known; set HOME, or write the path in full.") from error
