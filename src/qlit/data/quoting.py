"""Shorten values from users' files for messages, whose length must not grow with the data."""

from collections.abc import Sequence

_MAX_CHARS = 60
_MAX_ITEMS = 10


def quoted(value: object) -> str:
    """`repr` of a value; a long value is cut and ends with "..."."""
    if isinstance(value, str) and len(value) > _MAX_CHARS:
        return f"{value[: _MAX_CHARS // 2]!r}... ({len(value):,} characters)"
    shown = repr(value)
    return shown if len(shown) <= 2 * _MAX_CHARS else f"{shown[:_MAX_CHARS]}..."


def quoted_list(values: Sequence[object]) -> str:
    """`repr` of a list of column or label names: at most ten of them, long ones shortened."""
    shown = ", ".join(quoted(value) for value in values[:_MAX_ITEMS])
    return f"[{shown}]" if len(values) <= _MAX_ITEMS else f"[{shown}, ... and {len(values) - _MAX_ITEMS:,} more]"


def joined(names: Sequence[str]) -> str:
    """Join names as "a, b, c": at most ten of them, long ones shortened."""
    shown = ", ".join(name if len(name) <= _MAX_CHARS else f"{name[:_MAX_CHARS]}..." for name in names[:_MAX_ITEMS])
    return shown if len(names) <= _MAX_ITEMS else f"{shown}, ... and {len(names) - _MAX_ITEMS:,} more"


def enumerated(phrases: Sequence[str]) -> str:
    """Join phrases as "a, b and c": at most ten of them."""
    if len(phrases) > _MAX_ITEMS:
        return f"{', '.join(phrases[:_MAX_ITEMS])} and {len(phrases) - _MAX_ITEMS:,} more"
    return " and ".join(filter(None, [", ".join(phrases[:-1]), *phrases[-1:]]))


def error_text(error: Exception, limit: int = 200) -> str:
    """A library's error message on one line, cut after `limit` characters."""
    said = " ".join(str(error).split())
    return said if len(said) <= limit else f"{said[:limit]}..."
