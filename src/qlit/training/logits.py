"""Logits of a trained model, batch by batch.

Shapes: N rows, B a batch, D features, k classes.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from qlit.training.module import SentenceClassifier

BATCH_SIZE = 256
"""Rows per forward pass of the head."""


@torch.inference_mode()
def logits_in_batches(
    module: SentenceClassifier,
    num_rows: int,
    inputs_of: Callable[[slice], Any],
    seed: Callable[[slice], None],
    *,
    batch_size: int = BATCH_SIZE,
) -> Tensor:
    """Logits of N >= 1 rows, shape (N, 1) or (N, k), on the CPU.

    Args:
        module: The model in evaluation mode.
        num_rows: N.
        inputs_of: Function from the rows of a batch to embeddings, shape (B, D), on the device of the model.
        seed: Function that fixes the head's randomness for the rows of a batch.
        batch_size: Rows per forward pass, at least 1.
    """
    parts = []
    for first in range(0, num_rows, batch_size):
        batch = slice(first, min(first + batch_size, num_rows))
        seed(batch)
        parts.append(module.logits(inputs_of(batch)).cpu())
    return torch.cat(parts)


def probabilities_of(logits: Tensor) -> Tensor:
    """Probabilities of all classes, float64, shape (N, k), for logits of shape (N, 1) or (N, k)."""
    if logits.shape[1] > 1:
        return logits.double().softmax(dim=1)
    positive = logits.double().sigmoid()
    return torch.cat((1 - positive, positive), dim=1)
