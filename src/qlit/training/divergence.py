"""Trainings whose numbers are no longer finite: noticed once an epoch, ended there, and never counted as a result."""

import math
from dataclasses import dataclass
from itertools import chain

import torch
from torch import Tensor, nn

from qlit.data import Notice

OVERFLOW = 1e19
"""From weights of this size on, products of two overflow in 32 bits."""

NOTICE = "diverged"
"""Key of the notice."""


@dataclass(frozen=True)
class Divergence:
    """What was not finite first.

    Args:
        epoch: In which epoch, counted from 0.
        text: That in a sentence or two, with what to do.
    """

    epoch: int
    text: str

    @property
    def notice(self) -> Notice:
        """For the summary and the run."""
        return Notice(NOTICE, self.text)


def divergence_of_fit(epoch: int, what: str, *, is_any_before: bool, lr: float | None) -> Divergence:
    """The divergence of a training.

    Args:
        epoch: The epoch.
        what: What is not a finite number: `the validation loss`.
        is_any_before: Whether an earlier epoch had finite numbers.
        lr: The learning rate; None of a head that is fitted once.
    """
    if lr is None:
        return Divergence(epoch, f"The fit diverged: {what} is not a finite number. Check the settings of the head.")
    earlier = "what is kept is of earlier epochs" if is_any_before else "there is no earlier epoch to keep"
    return Divergence(
        epoch,
        f"The training diverged in epoch {epoch} (counted from 0): {what} is not a finite number. It was ended there, "
        f"and {earlier}. Lower the learning rate (`model.lr`, here {lr:g}).",
    )


def divergence_of_evaluation(epoch: int, part: str) -> Divergence:
    """The divergence of an evaluation of weights that are finite themselves; `part` is `validation` or `test`."""
    return Divergence(
        epoch,
        f"The model diverged: its loss on the {part} sentences is not a finite number, so it has no {part} scores. "
        "Train it with a lower learning rate (`model.lr`).",
    )


def nan_logits(module: nn.Module, like: Tensor) -> Tensor:
    """NaN in the shape of `like`, which depends on all trainable parameters of a module as its logits do."""
    weights = [parameter.sum() for parameter in module.parameters() if parameter.requires_grad]
    return like + torch.nan * sum(weights, like.new_ones(()))


@torch.no_grad()
def weight_beyond(limit: float, **modules: nn.Module | None) -> str | None:
    """The name of the first parameter or buffer with a number of `limit` or more, or NaN; None without any.

    Args:
        limit: On the absolute value; infinity asks for numbers that are not finite.
        modules: Modules by name; None is skipped.
    Cost: one pass over all of them, some 3 us a tensor of a small head.
    """
    for name, module in modules.items():
        if module is None:
            continue
        for key, tensor in chain(module.named_parameters(), module.named_buffers()):
            if not tensor.is_floating_point() or (limit == math.inf and math.isfinite(tensor.sum().item())):
                continue  # a sum tells it at a third of the cost, but for large finite numbers
            if not (tensor.abs() < limit).all():
                return f"{name}.{key}"
    return None
