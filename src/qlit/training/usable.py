"""Find sentences whose embeddings a head cannot use, before the training or scoring starts."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from qlit.data.quoting import quoted
from qlit.heads import Head


def check_usable(head: Head, parts: Mapping[str, tuple[Tensor, Sequence[str]]]) -> None:
    """Raise a ValueError if a head cannot use some embeddings, such as zeros in amplitude encoding.

    Args:
        head: Head after `fit_preprocessing`, or with a checkpoint's weights.
        parts: Embeddings, shape (N, D), and their N sentences, by the name of the part; may be empty.
    Raises:
        ValueError: If there are such embeddings; the message gives the first sentence and their number.
    Cost: one pass over the embeddings.
    """
    unusable, num_sentences = list[tuple[str, str]](), 0
    for name, (embeddings, sentences) in parts.items():
        num_sentences += len(sentences)
        rows = torch.nonzero(head.unusable(embeddings))[:, 0].tolist()
        unusable += [(sentences[row], f" ({name})" if name else "") for row in rows]
    if unusable:
        sentence, part = unusable[0]
        raise ValueError(
            f"{type(head).__name__} needs {head.needs}, but {len(unusable):,} of {num_sentences:,} sentences have "
            f"others, the first being {quoted(sentence)}{part}: leave them out, or use another body or head."
        )
