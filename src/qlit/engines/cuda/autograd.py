"""Runs as functions that autograd differentiates.

Shapes: B batch, P parameters, A input angles, W measured wires, N = 2**num_qubits amplitudes.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from qlit.engines.cuda.run import Run


def evaluated(run: Run, *, differentiable: bool) -> Tensor:
    """Results of a run, shape (B, W) or (B, 2**W).

    Args:
        run: The run.
        differentiable: Whether autograd will ask for gradients.
    """
    if not differentiable:
        return run.forward(keep=False)
    inputs: list[Tensor | None] = [run.angles]
    for part in run.parts:
        inputs += (part.parameters, part.scale, part.state)
    result: Tensor = _Differentiable.apply(run, *inputs)  # type: ignore[no-untyped-call]
    return result


class _Differentiable(torch.autograd.Function):
    """Results of a run, with the adjoint sweep as its backward pass."""

    @staticmethod
    def forward(ctx: Any, run: Run, *inputs: Tensor | None) -> Tensor:
        """Results; `inputs` are the run's tensors again, by which autograd knows them."""
        results = run.forward(keep=True)
        # Autograd frees what it saves as soon as the graph is not needed any more, and then refuses a second pass. It
        # also refuses one after a change of the scales, which the backward pass reads.
        ctx.save_for_backward(*run.states, *[part.scale for part in run.parts[:-1]])
        run.states = []
        ctx.run = run
        ctx.shapes = [None if tensor is None else tensor.shape for tensor in inputs]
        return results

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, by_results: Tensor) -> Any:
        run: Run = ctx.run
        saved = ctx.saved_tensors
        run.states = list(saved[: len(run.parts)])
        _, wants_angles, *wants_of_parts = ctx.needs_input_grad
        like = by_results = by_results.contiguous()  # the gradient of a sum is one expanded number
        by_angles = like.new_empty(ctx.shapes[0]) if wants_angles else None
        by_parameters = [like.new_empty(part.parameters.shape) for part in run.parts]
        by_scales = [like.new_empty(()) for _ in run.parts[:-1]]
        by_states = [
            like.new_empty(shape) if wanted else None
            for shape, wanted in zip(ctx.shapes[3::3], wants_of_parts[2::3], strict=True)
        ]
        run.backward(by_results, by_parameters, by_scales, by_states, by_angles)
        run.states = []
        gradients: list[Tensor | None] = [None, by_angles]
        for parameters, scale, state in zip(by_parameters, [*by_scales, None], by_states, strict=True):
            gradients += (parameters, scale, state)
        return tuple(gradients)
