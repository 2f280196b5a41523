"""Check what Python code gives to a model: sentences, or their embeddings.

Shapes: N sentences, D features.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qlit.data.quoting import quoted
from qlit.data.sentences import check_is_text


def checked_sentences(sentences: object) -> list[str]:
    """The sentences of a list, array or column, of which none is blank.

    Raises:
        ValueError: If there are none, or one is not text.
    """
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
