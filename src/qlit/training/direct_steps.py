"""Steps of Adam without the calls around them.

`Optimizer.step` enters a profiler context, looks for hooks and collects the same tensors again in every step. For a
small model on the CPU this takes as long as the update itself.
"""

from typing import Any, final

import torch
from torch import Tensor
from torch.optim import Adam, Optimizer
from torch.optim import optimizer as torch_optimizer
from torch.optim.adam import adam


@final
class DirectSteps:
    """Makes the steps of an optimiser, with the same results as `optimizer.step()`, bit for bit.

    Steps are direct for a fused Adam on the CPU that has no hooks.

    Args:
        optimizer: Any optimiser.
    """

    def __init__(self, optimizer: Optimizer) -> None:
        self._optimizer = optimizer
        self._groups: list[_Group] = []
        self._is_first = True

    def step(self) -> None:
        """Make one step. The first one is the optimiser's own, which also creates its state."""
        if self._groups and all(group.has_gradients() for group in self._groups):
            with torch.no_grad():
                for group in self._groups:
                    group.step()
            return
        self._optimizer.step()
        if self._is_first and _can_be_direct(self._optimizer):
            self._groups = [_Group(self._optimizer, group) for group in self._optimizer.param_groups]
        self._is_first = False


class _Group:
    """A parameter group, with its parameters and their state."""

    def __init__(self, optimizer: Optimizer, group: dict[str, Any]) -> None:
        self._group, self._parameters = group, group["params"]
        states = [optimizer.state[parameter] for parameter in self._parameters]
        self._averages: list[Tensor] = [state["exp_avg"] for state in states]
        self._squares: list[Tensor] = [state["exp_avg_sq"] for state in states]
        self._steps: list[Tensor] = [state["step"] for state in states]

    def has_gradients(self) -> bool:
        return all(parameter.grad is not None for parameter in self._parameters)

    def step(self) -> None:
        group = self._group
        beta1, beta2 = group["betas"]
        adam(
            self._parameters,
            [parameter.grad for parameter in self._parameters],
            self._averages,
            self._squares,
            [],
            self._steps,
            fused=True,
            amsgrad=False,
            beta1=beta1,
            beta2=beta2,
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            maximize=group["maximize"],
        )


def _can_be_direct(optimizer: Optimizer) -> bool:
    """Whether the steps of an optimiser, after its first one, are those of a plain fused Adam of real numbers."""
    if type(optimizer) is not Adam or _has_hooks(optimizer):
        return False
    groups = optimizer.param_groups
    parameters = [parameter for group in groups for parameter in group["params"]]
    return (
        all(group["fused"] and not group["amsgrad"] for group in groups)
        and all(each.device.type == "cpu" and not each.is_complex() for each in parameters)
        and all("exp_avg" in optimizer.state[parameter] for parameter in parameters)
    )


def _has_hooks(optimizer: Optimizer) -> bool:
    own_step = vars(optimizer).get("step")  # a learning-rate scheduler sets one, which only notes that there was a step
    return (
        (own_step is not None and not hasattr(own_step, "_wrapped_by_lr_sched"))
        or any((optimizer._optimizer_step_pre_hooks, optimizer._optimizer_step_post_hooks))
        or any((torch_optimizer._global_optimizer_pre_hooks, torch_optimizer._global_optimizer_post_hooks))
        or getattr(optimizer, "grad_scale", None) is not None
    )
