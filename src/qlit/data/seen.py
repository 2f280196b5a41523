"""Recognise equal sentences: hashes of sentences that a model has seen, and duplicates in a split."""

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from qlit.data.notices import Notice
from qlit.data.pairs import is_pair, noun, paired, sentences_of

KEY_DIGITS = 16  # 64 bits, so that ten thousand sentences have different hashes


def folded(text: str) -> str:
    """Normalise a sentence or a pair for comparison: ignore case, and replace any white space by single spaces."""
    if is_pair(text):
        first, second = map(folded, sentences_of(text))
        return paired(first, second)
    return " ".join(text.split()).casefold()


def sentence_key(text: str) -> str:
    """Hash of a sentence or a pair, 16 hex digits; case and white space do not change it."""
    return _hashed(folded(text))


def sentence_keys(texts: Iterable[str]) -> frozenset[str]:
    """Hashes of sentences, as by `sentence_key`."""
    return frozenset(map(sentence_key, texts))


def counted(count: int) -> str:
    """A count with its verb: "1 is", "2 are"."""
    return f"{count:,} {'is' if count == 1 else 'are'}"


def are_seen(texts: Sequence[str], seen: Collection[str]) -> NDArray[np.bool_]:
    """Whether the hash of each of N sentences is in `seen`, shape (N,).

    The hash of the unnormalised text counts as well, because records written by an older qlit contain those.
    """
    if not seen:
        return np.zeros(len(texts), dtype=np.bool_)
    return np.fromiter((sentence_key(text) in seen or _hashed(text) in seen for text in texts), np.bool_, len(texts))


def duplicate_notices(
    texts: Sequence[str], labels: Sequence[int], train: Iterable[int], validation: Iterable[int], test: Iterable[int]
) -> list[Notice]:
    """Notices about sentences that a split both trains on and scores, and about sentences with several labels.

    Args:
        texts: N sentences of the data set.
        labels: Their N classes.
        train, validation, test: Indices of the split's parts.
    """
    same = [folded(text) for text in texts]
    parts = [list(part) for part in (train, validation, test)]
    trained, validated = ({same[k] for k in part} for part in parts[:2])
    exact = {texts[k] for part in parts[:2] for k in part}
    leaked = [k for k in parts[2] if same[k] in trained or same[k] in validated]
    notices = []
    if leaked:
        nearly = sum(texts[k] not in exact for k in leaked)
        remark = f" ({nearly:,} of them with other case or white space)" if nearly else ""
        notices.append(
            Notice(
                "duplicates",
                f"Of the {len(parts[2]):,} test {noun(texts)}, {counted(len(leaked))} also trained or validated on"
                f"{remark}; `data.unseen_only: true` leaves them out.",
            )
        )
    if repeated := sum(same[k] in trained for k in parts[1]):
        notices.append(
            Notice(
                "validation_duplicates",
                f"Of the {len(parts[1]):,} validation {noun(texts)}, {counted(repeated)} also trained on.",
            )
        )
    return notices + _contradictions(same, labels, noun(texts))


def _contradictions(same: Sequence[str], labels: Sequence[int], name: str) -> list[Notice]:
    if len(set(same)) == len(same):
        return []
    found: dict[str, set[int]] = defaultdict(set)
    for text, label in zip(same, labels, strict=True):
        found[text].add(label)
    contradicting = {text for text, of_text in found.items() if len(of_text) > 1}
    if not contradicting:
        return []
    rows = sum(text in contradicting for text in same)
    number = f"1 {name[:-1]} that occurs" if len(contradicting) == 1 else f"{len(contradicting):,} {name} that occur"
    return [
        Notice(
            "contradicting_labels",
            f"The data has {number} with different labels, in {rows:,} of its {len(same):,} rows.",
        )
    ]


def _hashed(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:KEY_DIGITS]
