"""Values of users' files in messages, shortened: a message must never grow with the data."""

from collections.abc import Sequence

_MAX_CHARS = 60
_MAX_ITEMS = 10


def quoted(value: object) -> str:
    """`repr` of a value, with "..." in place of its middle where it is longer than 60 characters or so."""
    if isinstance(value, str) and len(value) > _MAX_CHARS:
        return f"{value[: _MAX_CHARS // 2]!r}... ({len(value):,} characters)"
    shown = repr(value)
    return shown if len(shown) <= 2 * _MAX_CHARS else f"{shown[:_MAX_CHARS]}..."


def quoted_list(values: Sequence[object]) -> str:
    """`repr` of a list of column or label names: at most ten of them, every one shortened."""
    shown = ", ".join(quoted(value) for value in values[:_MAX_ITEMS])
    return f"[{shown}]" if len(values) <= _MAX_ITEMS else f"[{shown}, ... and {len(values) - _MAX_ITEMS:,} more]"


def joined(names: Sequence[str]) -> str:
    """Names as "a, b, c": at most ten of them, every one shortened."""
    shown = ", ".join(name if len(name) <= _MAX_CHARS else f"{name[:_MAX_CHARS]}..." for name in names[:_MAX_ITEMS])
    return shown if len(names) <= _MAX_ITEMS else f"{shown}, ... and {len(names) - _MAX_ITEMS:,} more"


def enumerated(phrases: Sequence[str]) -> str:
    """Phrases as "a, b and c": at most ten of them."""
    if len(phrases) > _MAX_ITEMS:
        return f"{', '.join(phrases[:_MAX_ITEMS])} and {len(phrases) - _MAX_ITEMS:,} more"
    return " and ".join(filter(None, [", ".join(phrases[:-1]), *phrases[-1:]]))


def error_text(error: Exception, limit: int = 200) -> str:
    """What a library says is wrong, in one line of at most `limit` characters."""
    said = " ".join(str(error).split())
    return said if len(said) <= limit else f"{said[:limit]}..."
