"""Unchecked rows by file or split, as the readers of files and hub data sets return them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from qlit.data.notices import Notice

Role = Literal["train", "validation", "test", ""]
"""Role of a file or split in its source; "" if its name states none."""

_ROLES: dict[str, Role] = {
    "train": "train",
    "dev": "validation",
    "validation": "validation",
    "valid": "validation",
    "test": "test",
}


def role_of(name: str) -> Role:
    """Role that a file name or split name states by its first word: "train" for train-00000-of-00001.parquet."""
    return _ROLES.get(re.split(r"[-_.]", name.lower())[0], "")


_TEXT_OPTIONS = ("text_column", "second_text_column")


class Columns(NamedTuple):
    """Names of the columns that are read.

    Args:
        text: Column of the sentences; of the first sentences of pairs.
        label: Column of the labels.
        second: Column of the second sentences of pairs; empty for single sentences.
    """

    text: str
    label: str
    second: str = ""

    @property
    def texts(self) -> tuple[str, ...]:
        """Columns of the sentences: one, or two for pairs."""
        return (self.text, self.second) if self.second else (self.text,)

    @property
    def names(self) -> tuple[str, ...]:
        """Columns of the sentences, then that of the labels."""
        return (*self.texts, self.label)

    @property
    def options(self) -> tuple[tuple[str, str], ...]:
        """Every column with the option that names it, for messages."""
        return tuple(zip(self.names, (*_TEXT_OPTIONS[: len(self.texts)], "label_column"), strict=True))

    def check_distinct(self) -> None:
        """Raise a ValueError if the second sentences of pairs have the column of something else."""
        for name, option in ((self.text, "text_column"), (self.label, "label_column")):
            if name == self.second:
                raise ValueError(
                    f"`data.second_text_column` and `data.{option}` both name the column {name!r}: name the column of "
                    "the second sentences, or leave `second_text_column` out for single sentences."
                )


class Row(NamedTuple):
    """One unchecked row.

    Args:
        texts: Values in the columns of the sentences: one, or two of a pair.
        label: Value in the label column.
        place: Position of the row, for messages: "line 3 of train.tsv".
    """

    texts: tuple[object, ...]
    label: object
    place: str


class Part(NamedTuple):
    """The rows of one file of a folder, or of one split of a hub data set.

    Args:
        name: Name in messages: "train.tsv" or "split 'train'".
        rows: Its rows, in order.
        role: Its role in the source.
    """

    name: str
    rows: Sequence[Row]
    role: Role = ""


class Unlabelled(NamedTuple):
    """Omitted rows without labels.

    Args:
        name: Their file or split, as in `Part`.
        num_rows: Number of rows.
        reason: Reason for counting them as unlabelled: "all labelled -1".
    """

    name: str
    num_rows: int
    reason: str


@dataclass(frozen=True)
class Found:
    """Content of a data source.

    Args:
        parts: Files or splits with a label column, in pooling order.
        unlabelled: Files or splits without a label column.
        notices: Facts about the reading that a user should know, such as omitted files.
        class_names: Names of the classes 0, 1, ... if the source has them.
    """

    parts: Sequence[Part]
    unlabelled: Sequence[Unlabelled] = ()
    notices: Sequence[Notice] = ()
    class_names: Sequence[str] | None = None
