"""Letters for models whose names are too long for a table or a figure."""

from collections.abc import Sequence

MOST_CHARS = 18
"""Longest name that is used as it is: a table with two of them fits 80 columns."""


def short_names(names: Sequence[str], most_chars: int = MOST_CHARS) -> dict[str, str]:
    """A short name for every name: itself, or A, B, ... for all of them if one is longer than `most_chars`."""
    if all(len(name) <= most_chars for name in names):
        return {name: name for name in names}
    return {name: _letters(number) for number, name in enumerate(dict.fromkeys(names))}


def _letters(number: int) -> str:
    """A, B, ..., Z, AA, AB, ..., as the columns of a spreadsheet."""
    number, last = divmod(number, 26)
    return (_letters(number - 1) if number else "") + chr(ord("A") + last)
