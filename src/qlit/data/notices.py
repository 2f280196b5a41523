"""Notices: what a user should know about a result, such as rows that were left out."""

from typing import NamedTuple


class Notice(NamedTuple):
    """One fact about the data or the training, printed once in the summary and kept in the run.

    Args:
        key: Short name; the run has the text as its tag `notice.<key>`.
        text: One sentence, with counts.
    """

    key: str
    text: str
