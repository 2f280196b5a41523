"""Finite shots: estimates of expectation values from S repeated measurements.

Shapes: B batch, W measured wires, V = 2**W joint outcomes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from qlit.engines.statevector import outcome_signs

Sampler = Literal["gaussian", "multinomial", "device"]
MAX_SHOTS = 10**9
"""Largest number of shots per sample; drawn one by one, so many take minutes."""
_DRAWS_AT_ONCE = 2**22  # outcomes in memory at once, before they are counted: 32 MiB


@dataclass(frozen=True)
class Shots:
    """Estimation of an expectation value from measurements.

    Args:
        num_shots: S, measurements per sample, at least 1.
        sampler: "gaussian" is the reparameterised approximation of the counts: differentiable, the noise is added
            outside the differentiable path. "multinomial" draws the counts themselves and has no gradient. "device"
            leaves measuring to an engine that samples.

    Raises:
        ValueError: If `num_shots < 1` or the sampler is unknown.
    Source: arXiv:2504.08732, sec. IV.D, Eqs. 1 and 2, Figs. 6 and 7.
    """

    num_shots: int
    sampler: Sampler = "gaussian"

    def __post_init__(self) -> None:
        if self.num_shots < 1:
            raise ValueError(
                f"`shots >= 1` must hold, but got shots={self.num_shots}; for exact expectation values set it to null."
            )
        if self.num_shots > MAX_SHOTS:
            raise ValueError(
                f"`shots <= {MAX_SHOTS:,}` must hold, but got shots={self.num_shots}; null means exact expectation "
                "values."
            )
        if self.sampler not in get_args(Sampler):
            raise ValueError(f"The sampler must be one of {', '.join(get_args(Sampler))}, but got {self.sampler!r}.")

    def estimate(
        self, probabilities_BV: Tensor, *, generator: torch.Generator | None = None, noise_BV: Tensor | None = None
    ) -> Tensor:
        """<Z> of each measured wire, estimated from `num_shots` measurements of all of them together.

        Args:
            probabilities_BV: Exact joint probabilities, shape (B, 2**W), rows summing to 1 (not checked).
            generator: Source of randomness; torch's default one if None.
            noise_BV: Standard normal numbers to use instead of drawing them (gaussian only), shape (B, 2**W).

        Returns:
            Estimates, no unit, in [-1, 1], shape (B, W).

        Raises:
            ValueError: If a gradient is wanted through the multinomial sampler.
        """
        assert self.sampler != "device", (
            "an engine that samples returns estimates, so there are no probabilities to estimate from"
        )
        num_wires = probabilities_BV.shape[1].bit_length() - 1
        if self.sampler == "multinomial":
            counts_BV = self._multinomial(probabilities_BV, generator)
        else:
            counts_BV = self._gaussian(probabilities_BV, generator, noise_BV)
        # Rectified Gaussian counts need not add up to S; divided by their own sum they are frequencies again.
        frequencies_BV = counts_BV / counts_BV.sum(dim=1, keepdim=True)
        return frequencies_BV @ outcome_signs(num_wires, dtype=probabilities_BV.dtype, device=probabilities_BV.device)

    def check_differentiable(self) -> None:
        """Raise a ValueError if estimates have no gradient."""
        if self.sampler == "multinomial":
            raise ValueError(
                "The multinomial sampler blocks gradients, so it cannot be used in training. "
                "Train with `sampler: gaussian` (or `shots: null`) and switch to multinomial for the test."
            )

    def _multinomial(self, probabilities_BV: Tensor, generator: torch.Generator | None) -> Tensor:
        if torch.is_grad_enabled() and probabilities_BV.requires_grad:
            self.check_differentiable()
        # Counted as integers: float32 stops counting at 2**24.
        counts_BV = torch.zeros_like(probabilities_BV, dtype=torch.int64)
        one = counts_BV.new_ones(())
        for rows, num_shots in _portions(len(probabilities_BV), self.num_shots):
            drawn = torch.multinomial(probabilities_BV[rows], num_shots, replacement=True, generator=generator)
            counts_BV[rows].scatter_add_(1, drawn, one.expand_as(drawn))
        return counts_BV.to(probabilities_BV.dtype)

    def _gaussian(self, probabilities_BV: Tensor, generator: torch.Generator | None, noise_BV: Tensor | None) -> Tensor:
        if noise_BV is None:
            noise_BV = torch.randn(
                probabilities_BV.shape,
                generator=generator,
                dtype=probabilities_BV.dtype,
                device=probabilities_BV.device,
            )
        # sqrt(p) * e - p * (sqrt(p) . e) has covariance diag(p) - p p^T for standard normal e: no V x V matrix needed.
        # The gradient omits that this noise depends on p: the term has order 1 / sqrt(S), and is singular at p = 0.
        with torch.no_grad():
            scaled_BV = probabilities_BV.sqrt() * noise_BV
            spread_BV = scaled_BV - probabilities_BV * scaled_BV.sum(dim=1, keepdim=True)
        counts_BV = self.num_shots * probabilities_BV + self.num_shots**0.5 * spread_BV
        rectified_BV: Tensor = counts_BV.clamp(min=0)
        return rectified_BV


def _portions(batch_size: int, num_shots: int) -> Iterator[tuple[slice, int]]:
    """Rows, and their number of shots, to draw at once.

    Torch's CPU generator gives a row all its numbers before the next row gets any, so portions of whole rows, or of one
    row, draw the same outcomes as a single call. On a GPU, more than `_DRAWS_AT_ONCE` outcomes differ
    from those of a single call, but have the same distribution.
    """
    if num_shots <= _DRAWS_AT_ONCE:
        num_rows = _DRAWS_AT_ONCE // num_shots
        for first in range(0, batch_size, num_rows):
            yield slice(first, first + num_rows), num_shots
        return
    num_parts = -(-num_shots // _DRAWS_AT_ONCE)
    for row in range(batch_size):
        for part in range(num_parts):  # of almost equal size: torch uses another algorithm for a single shot
            yield slice(row, row + 1), num_shots * (part + 1) // num_parts - num_shots * part // num_parts
