"""Fit the preprocessing of a head to the training split, before its first step."""

import torch

from qlit.data.quoting import quoted
from qlit.heads import Head
from qlit.training.datamodule import SentenceDataModule


def fit_preprocessing(head: Head, data: SentenceDataModule) -> None:
    """Fit the preprocessing of a head, if it has one, to the embeddings of the training split.

    Every process of a training has all embeddings, and fits to the same ones.

    Raises:
        ValueError: If an embedding of the training split is not finite; the message gives its sentence. And as
            `Preprocessing.fit`.
    """
    embeddings_ND, sentences = data.part("train")
    if embeddings_ND is None:  # of a trainable body, which change; `check_head` has refused what is fitted to them
        return
    if head.preprocessing is not None:
        rows = torch.nonzero(~embeddings_ND.isfinite().all(dim=1))[:, 0].tolist()
        if rows:
            raise ValueError(
                f"{type(head.preprocessing).__name__} is fitted to finite embeddings, but {len(rows):,} of "
                f"{len(sentences):,} training sentences have others, the first being {quoted(sentences[rows[0]])}: "
                "leave them out, or use another body."
            )
    head.fit_preprocessing(embeddings_ND)
