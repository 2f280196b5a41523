"""The parameter-shift rule: derivatives from measurements alone, for all samples and gates in one job.

An expectation value of RY(t) is a + b cos t + c sin t, so its derivative is half the difference of its values at
t + pi/2 and t - pi/2, exactly, with or without channels; the same holds for RX and RZ. That of a controlled rotation
also has terms in cos(t / 2) and sin(t / 2), so its derivative needs the values at four angles, t +- pi/2 and
t +- 3 pi/2. If several gates read an angle, their derivatives add up.
Source: arXiv:1811.11184; four terms arXiv:2104.05695.

Shapes: B batch, R rotations of the circuit, O measured values; V bound circuits of a job.
"""

import math
from collections.abc import Callable, Collection, Sequence
from typing import Any

import torch
from torch import Tensor

# Angles of V bound circuits, shape (V, R), and which of the B samples each belongs to, shape (V,); returns (V, O).
Evaluate = Callable[[Tensor, Tensor], Tensor]
# Angles, shape (B, R), and the gradient of the values, shape (B, O); returns the gradient of the angles, shape (B, R).
Differentiate = Callable[[Tensor, Tensor], Tensor]


def measured(angles_BR: Tensor, evaluate: Evaluate, differentiate: Differentiate) -> Tensor:
    """Values of a batch of bound circuits, differentiable by their angles with a given rule.

    Args:
        angles_BR: Angle of every rotation of every sample, radians, shape (B, R).
        evaluate: Measures circuits; called once now.
        differentiate: Computes gradients; called once if autograd asks for one.

    Returns:
        Values, shape (B, O).
    """
    values_BO: Tensor = _Measured.apply(angles_BR, evaluate, differentiate)  # type: ignore[no-untyped-call]
    return values_BO


class _Measured(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, angles_BR: Tensor, evaluate: Evaluate, differentiate: Differentiate) -> Tensor:
        ctx.differentiate = differentiate
        ctx.save_for_backward(angles_BR)
        return evaluate(angles_BR, torch.arange(len(angles_BR)))

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, by_value_BO: Tensor) -> tuple[Tensor, None, None]:
        (angles_BR,) = ctx.saved_tensors
        return ctx.differentiate(angles_BR, by_value_BO), None, None


# Shifts of an angle, and the weights of the values there.
_PLAIN = ((math.pi / 2, 1 / 2), (-math.pi / 2, -1 / 2))
_NEAR, _FAR = (math.sqrt(2) + 1) / (4 * math.sqrt(2)), (math.sqrt(2) - 1) / (4 * math.sqrt(2))
_CONTROLLED = (
    (math.pi / 2, _NEAR),
    (-math.pi / 2, -_NEAR),
    (3 * math.pi / 2, -_FAR),
    (-3 * math.pi / 2, _FAR),
)


def num_shifted(num_rotations: int, num_controlled: int = 0) -> int:
    """Number of circuits per sample for derivatives: two per plain rotation, four per controlled one."""
    return len(_PLAIN) * num_rotations + len(_CONTROLLED) * num_controlled


def shift_rule(
    angles_BR: Tensor,
    by_value_BO: Tensor,
    rotations: Sequence[int],
    evaluate: Evaluate,
    *,
    most_at_once: int,
    controlled: Collection[int] = (),
) -> Tensor:
    """The gradient of the angles by the parameter-shift rule.

    Args:
        angles_BR: Angles, radians, shape (B, R).
        by_value_BO: Gradient of the measured values, shape (B, O).
        rotations: Rotations whose gradients are wanted; all others are 0.
        evaluate: Measures circuits.
        most_at_once: Largest number of bound circuits in a job, for limited memory; a job has at least one rotation.
        controlled: Rotations that have a control.

    Returns:
        Gradient, shape (B, R).
    Cost: 2 B circuits per wanted plain rotation, 4 B per controlled one.
    """
    batch_size = len(angles_BR)
    by_angle_BR = torch.zeros_like(angles_BR)
    for rule, with_control in ((_PLAIN, False), (_CONTROLLED, True)):
        wanted = [rotation for rotation in rotations if (rotation in controlled) == with_control]
        at_once = max(1, most_at_once // (len(rule) * max(1, batch_size)))
        for first in range(0, len(wanted), at_once):
            shifted = wanted[first : first + at_once]
            positions = torch.arange(len(shifted))
            bound = angles_BR.repeat(len(shifted), len(rule), 1, 1)  # (shifted, shifts, B, R)
            for side, (shift, _) in enumerate(rule):
                bound[positions, side, :, shifted] += shift
            rows = torch.arange(batch_size).repeat(len(shifted) * len(rule))
            values = evaluate(bound.flatten(0, 2), rows).reshape(len(shifted), len(rule), batch_size, -1)
            weights = values.new_tensor([weight for _, weight in rule])
            slopes = torch.einsum("sk...,k->s...", values, weights)  # (shifted, B, O)
            by_angle_BR[:, shifted] = (slopes * by_value_BO).sum(dim=2).T
    return by_angle_BR
