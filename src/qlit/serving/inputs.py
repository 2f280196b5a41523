"""Check what Python code gives to a model: sentences, or their embeddings.

Shapes: N sentences, D features.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qlit.data.pairs import paired
from qlit.data.quoting import quoted
from qlit.data.sentences import check_is_text

_IN_PAIR = 2


def checked_sentences(sentences: object, *, are_pairs: bool = False) -> list[str]:
    """The sentences of a list, array or column, of which none is blank; or its pairs, as of `qlit.data.pairs`.

    Args:
        sentences: Sentences, or pairs such as tuples of two sentences.
        are_pairs: Whether the model takes pairs.
    Raises:
        ValueError: If there are none, one is not text, or a pair does not have two sentences.
    """
    if are_pairs:
        return _checked_pairs(sentences)
    if isinstance(sentences, str):
        raise ValueError(f"A list of sentences is needed, but got one string: write [{quoted(sentences)}].")
    if not isinstance(sentences, Iterable):
        raise ValueError(f"A list of sentences is needed, but got {quoted(sentences)}.")
    found: list[Any] = list(sentences)
    if not found:
        raise ValueError("A list of at least one sentence is needed, but got an empty one.")
    for number, sentence in enumerate(found, 1):
        if not isinstance(sentence, str):
            raise ValueError(
                f"Every sentence must be text, but sentence {number} is {quoted(sentence)}. Embeddings are an array of "
                "floats of shape (N, D)."
            )
        if not sentence.strip():
            raise ValueError(f"Every sentence must be text that is not blank, but sentence {number} is blank.")
        check_is_text(sentence, f"sentence {number}")
    return found


def _checked_pairs(pairs: object) -> list[str]:
    found: list[Any] = list(pairs) if isinstance(pairs, Iterable) and not isinstance(pairs, str) else []
    if not found:
        raise ValueError(
            "The model was trained on pairs of sentences: a list of at least one pair is needed, such as "
            f'[("first", "second")], but got {quoted(pairs)}.'
        )
    texts = []
    for number, pair in enumerate(found, 1):
        if isinstance(pair, str) or not isinstance(pair, Iterable) or len(both := list(pair)) != _IN_PAIR:
            raise ValueError(
                "The model was trained on pairs of sentences, so every element must have two, such as "
                f'("first", "second"), but element {number} is {quoted(pair)}.'
            )
        for sentence in both:
            if not isinstance(sentence, str) or not sentence.strip():
                raise ValueError(
                    f"Sentences of pairs must be text that is not blank, but pair {number} has {quoted(sentence)}."
                )
            check_is_text(sentence, f"pair {number}")
        texts.append(paired(*both))
    return texts


def check_embeddings(embeddings_ND: NDArray[np.floating[Any]]) -> None:
    """Raise a ValueError unless embeddings have the shape (N, D), N >= 1, and are finite."""
    if embeddings_ND.ndim != 2 or not len(embeddings_ND):
        raise ValueError(f"Embeddings must have the shape (N, D) with N >= 1, but got {embeddings_ND.shape}.")
    broken = np.flatnonzero(~np.isfinite(embeddings_ND).all(axis=1))
    if len(broken):
        raise ValueError(
            f"The embeddings contain NaN or infinity in {len(broken):,} of {len(embeddings_ND):,} rows, the first is "
            f"row {broken[0]}: remove these rows."
        )
