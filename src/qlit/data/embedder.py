"""Embeddings from a body that stays in memory, without a cache on disk."""

from collections.abc import Sequence

import numpy as np

from qlit.data.body import BodyFolder, load_body
from qlit.data.cache import Embeddings, check_finite, encoded, of_pairs
from qlit.data.lengths import lengths_of
from qlit.data.pairs import all_sentences_of, is_pair


class BodyEmbedder:
    """Loads a body once and embeds sentences, of which nothing is stored.

    Args:
        body: From `resolve_body`.
        device: Torch device of the body.
    Raises:
        ValueError: If the body cannot be loaded.
    """

    def __init__(self, body: BodyFolder, device: str = "cpu") -> None:
        self._body, self._model = body, load_body(body, device)

    def embed(self, texts: Sequence[str], *, batch_size: int = 64) -> Embeddings:
        """Embeddings and lengths of N >= 1 sentences or pairs, in their order, on the CPU.

        They equal those of `EmbeddingCache` up to float32 rounding, which depends on the composition of a batch.

        Args:
            texts: N sentences or N pairs.
            batch_size: Sentences per forward pass.
        Raises:
            ValueError: If the body fails, or an embedding has a value that is not finite.
        """
        if is_pair(texts[0]):
            return of_pairs(self.embed(all_sentences_of(texts), batch_size=batch_size), texts)
        import torch

        order = sorted(range(len(texts)), key=lambda row: len(texts[row]), reverse=True)  # little padding
        batches = [order[first : first + batch_size] for first in range(0, len(order), batch_size)]
        parts = [encoded(self._model, [texts[row] for row in batch], self._body.name) for batch in batches]
        vectors = np.concatenate(parts)[np.argsort(order)]
        check_finite(vectors, texts, self._body.name)
        return Embeddings(torch.from_numpy(vectors), lengths_of(self._model, list(texts)))
