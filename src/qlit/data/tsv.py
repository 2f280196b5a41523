"""Tab-separated values."""

from collections.abc import Sequence
from typing import NamedTuple


class Record(NamedTuple):
    """One line of a table, or several if a field holds line breaks.

    Args:
        line: Number of its first line, from 1.
        fields: Its fields.
    """

    line: int
    fields: Sequence[str]


def read_tsv(content: str) -> list[Record]:
    """All records of a TSV file, empty lines included; a quote is a character of the sentence.

    Args:
        content: The decoded file. Lines end with LF or CRLF; with CR, if no other line end occurs.
    """
    if "\n" not in content.rstrip("\n"):
        content = content.replace("\r", "\n")
    lines = enumerate(content.split("\n"), start=1)
    return [Record(line, text.removesuffix("\r").split("\t")) for line, text in lines]
