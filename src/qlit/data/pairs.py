"""Pairs of sentences, held as one text: the only module that knows how.

Everything that compares, hashes, draws or records sentences works on pairs without a change: two pairs are equal if
both of their sentences are, in the same order. Only embedding and showing take a pair apart.
"""

from collections.abc import Sequence

_BETWEEN = "\ud800"  # half of a character (a lone surrogate), which is refused in every sentence that is read
_SHOWN_BETWEEN = " | "


def paired(first: str, second: str) -> str:
    """A pair as one text. Neither sentence may contain half of a character; this is checked where sentences enter."""
    return f"{first}{_BETWEEN}{second}"


def is_pair(text: str) -> bool:
    """Whether a text is a pair."""
    return _BETWEEN in text


def sentences_of(text: str) -> list[str]:
    """The two sentences of a pair; the text itself if it is one sentence."""
    return text.split(_BETWEEN) if is_pair(text) else [text]


def all_sentences_of(pairs: Sequence[str]) -> list[str]:
    """The 2 N sentences of N pairs: all first ones, then all second ones."""
    both = [sentences_of(pair) for pair in pairs]
    return [pair[number] for number in range(2) for pair in both]


def shown(text: str) -> str:
    """A sentence or a pair for people."""
    return text.replace(_BETWEEN, _SHOWN_BETWEEN)


def noun(texts: Sequence[str]) -> str:
    """The word for these texts: "pairs" or "sentences"."""
    return "pairs" if texts and is_pair(texts[0]) else "sentences"
