"""What the readers of files and of hub data sets return: rows by file or split, before anything is checked."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from qlit.data.notices import Notice


class Row(NamedTuple):
    """One row as it was found.

    Args:
        text: The sentence.
        label: The label's value.
        place: Where it stands, for messages: "line 3 of train.tsv".
    """

    text: object
    label: object
    place: str


class Part(NamedTuple):
    """The rows of one file of a folder, or of one split of a hub data set.

    Args:
        name: As messages name it: "train.tsv" or "split 'train'".
        rows: Its rows, in order.
    """

    name: str
    rows: Sequence[Row]


class Unlabelled(NamedTuple):
    """Rows without labels, which are left out.

    Args:
        name: Their file or split, as messages name it.
        num_rows: Number of rows.
        reason: How they are recognised: "all labelled -1".
    """

    name: str
    num_rows: int
    reason: str


@dataclass(frozen=True)
class Found:
    """All that a source holds.

    Args:
        parts: Files or splits with a label column, in the order in which they are pooled.
        unlabelled: Files or splits without a label column.
        notices: What a user should know about the reading, such as files that were left out.
        class_names: Names of the classes 0, 1, ... if the source has them.
    """

    parts: Sequence[Part]
    unlabelled: Sequence[Unlabelled] = ()
    notices: Sequence[Notice] = ()
    class_names: Sequence[str] | None = None
