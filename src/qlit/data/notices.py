"""Notices: facts about a result that a user should know, such as omitted rows."""

from typing import NamedTuple


class Notice(NamedTuple):
    """One fact about the data or the training; the summary prints it and the run stores it.

    Args:
        key: Short name; the run stores the text in its tag `notice.<key>`.
        text: One sentence, with counts.
    """

    key: str
    text: str
