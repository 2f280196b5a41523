"""Loss of every sentence of a batch."""

from torch import Tensor
from torch.nn import functional

from qlit.training.one_thread import MOST_NUMBERS, OneThread


def losses_of(logits: Tensor, labels: Tensor) -> Tensor:
    """Binary cross-entropy of logits of shape (B, 1), cross-entropy of shape (B, k).

    Args:
        logits: Logits.
        labels: Class indices, int64, shape (B,).

    Returns:
        Losses, shape (B,).
    """
    if logits.numel() > MOST_NUMBERS:
        return _losses(logits, labels)
    with OneThread():
        return _losses(logits, labels)


def _losses(logits: Tensor, labels: Tensor) -> Tensor:
    if logits.shape[1] > 1:
        return functional.cross_entropy(logits, labels, reduction="none")
    return functional.binary_cross_entropy_with_logits(logits[:, 0], labels.to(logits.dtype), reduction="none")
