"""Logits of a trained model, batch by batch.

Shapes: N rows, B a batch, D features, k classes.
"""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from qlit.heads import Head
from qlit.training.sentence_model import Classifies

BATCH_SIZE = 256
"""Rows per forward pass of the head."""


@torch.inference_mode()
def logits_in_batches(module: Classifies, seeds: Sequence[int], inputs_of: Callable[[slice], Any]) -> Tensor:
    """Logits of N >= 1 rows, shape (N, 1) or (N, k), on the CPU.

    Args:
        module: The model in evaluation mode.
        seeds: Seed of the head's randomness for every row, N of them.
        inputs_of: Function from the rows of a batch to embeddings, shape (B, D), on the device of the model.
    """
    size = 1 if _seeds_batches_alone(module.head) else BATCH_SIZE
    parts = []
    for first in range(0, len(seeds), size):
        batch = slice(first, min(first + size, len(seeds)))
        if size == 1:
            module.head.seed_shots(seeds[first], 0, 1)
        else:
            module.head.seed_rows(seeds[batch])
        parts.append(module.logits(inputs_of(batch)).cpu())
    return torch.cat(parts)


def seed_of_row(row_D: NDArray[Any], seed: int = 0) -> int:
    """Seed of the shots and gate noise of an embedding, 63 bits, from its values and the seed of the call."""
    return int.from_bytes(hashlib.blake2b(f"{seed} ".encode() + row_D.tobytes(), digest_size=8).digest(), "little") >> 1


def _seeds_batches_alone(head: Head) -> bool:
    """Whether a head of the user's own can seed a batch but not its rows, which it then gets one by one."""
    return type(head).seed_rows is Head.seed_rows and type(head).seed_shots is not Head.seed_shots


def probabilities_of(logits: Tensor) -> Tensor:
    """Probabilities of all classes, float64, shape (N, k), for logits of shape (N, 1) or (N, k)."""
    if logits.shape[1] > 1:
        return logits.double().softmax(dim=1)
    positive = logits.double().sigmoid()
    return torch.cat((1 - positive, positive), dim=1)
