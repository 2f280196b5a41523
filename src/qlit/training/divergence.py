"""Detect diverged trainings once per epoch. They stop at that epoch and never count as a result."""

import math
from dataclasses import dataclass
from itertools import chain

import torch
from torch import Tensor, nn

from qlit.data import Notice

OVERFLOW = 1e19
"""Products of two weights of at least this size overflow in 32 bits."""

NOTICE = "diverged"
"""Key of the notice."""


@dataclass(frozen=True)
class Divergence:
    """First number of a training that was not finite.

    Args:
        epoch: Epoch, counted from 0.
        text: Description and advice, in one or two sentences.
    """

    epoch: int
    text: str

    @property
    def notice(self) -> Notice:
        """Notice for the summary and the run."""
        return Notice(NOTICE, self.text)


def divergence_of_fit(epoch: int, what: str, *, is_any_before: bool, lr: float | None) -> Divergence:
    """Describe the divergence of a training.

    Args:
        epoch: The epoch.
        what: The number that is not finite: `the validation loss`.
        is_any_before: Whether an earlier epoch had finite numbers.
        lr: The learning rate; None for a head that is fitted in one step.
    """
    if lr is None:
        return Divergence(epoch, f"The fit diverged: {what} is not a finite number. Check the settings of the head.")
    earlier = "the checkpoints are from earlier epochs" if is_any_before else "there is no earlier epoch to use"
    return Divergence(
        epoch,
        f"The training diverged in epoch {epoch} (counted from 0): {what} is not a finite number. It was stopped "
        f"there, and {earlier}. Lower the learning rate (`model.lr`, here {lr:g}).",
    )


def divergence_of_evaluation(epoch: int, part: str) -> Divergence:
    """Describe the divergence of an evaluation with finite weights; `part` is `validation` or `test`."""
    return Divergence(
        epoch,
        f"The model diverged: its loss on the {part} sentences is not a finite number, so it has no {part} scores. "
        "Train it with a lower learning rate (`model.lr`).",
    )


def nan_logits(module: nn.Module, like: Tensor) -> Tensor:
    """NaN in the shape of `like`, as a function of all trainable parameters, so that a backward pass works."""
    weights = [parameter.sum() for parameter in module.parameters() if parameter.requires_grad]
    return like + torch.nan * sum(weights, like.new_ones(()))


@torch.no_grad()
def weight_beyond(limit: float, **modules: nn.Module | None) -> str | None:
    """Name of the first parameter or buffer with NaN or an absolute value of at least `limit`; None if there is none.

    Args:
        limit: Limit of the absolute value; infinity finds only numbers that are not finite.
        modules: Modules by name; None is skipped.
    Cost: one pass over all tensors, about 3 us per tensor of a small head.
    """
    for name, module in modules.items():
        if module is None:
            continue
        for key, tensor in chain(module.named_parameters(), module.named_buffers()):
            if not tensor.is_floating_point() or (limit == math.inf and math.isfinite(tensor.sum().item())):
                continue  # if the sum is finite, so are all numbers; this test is three times cheaper
            if not (tensor.abs() < limit).all():
                return f"{name}.{key}"
    return None
