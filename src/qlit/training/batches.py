"""Batches that do not depend on the number of processes.

A batch of B rows comes from a permutation that depends only on the seed and the epoch, and every process takes its
slice of it. Every sentence occurs exactly once per epoch, also if the last batch is smaller.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

_BATCHES_AT_ONCE = 64


class Batch(NamedTuple):
    """One process's part of a batch.

    Args:
        inputs: Embeddings, shape (b, D), or the inputs of the trainable body, by name.
        labels: Class indices, int64, shape (b,).
        first_row: Index, in the whole batch, of the first row of this part.
        num_rows: Rows of the whole batch, over all processes.
        number: Number of the batch in its epoch.
    """

    inputs: Any
    labels: Tensor
    first_row: int
    num_rows: int
    number: int


class EpochOrder:
    """Order of the samples in an epoch; Lightning sets the epoch.

    Args:
        num_samples: Number of samples.
        seed: Seed of the shuffling; None to keep the given order.
        is_fixed: Whether all epochs use the order of the first one.
    """

    def __init__(self, num_samples: int, seed: int | None, *, is_fixed: bool = False) -> None:
        self.num_samples, self.seed, self.is_fixed, self.epoch = num_samples, seed, is_fixed, 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = 0 if self.is_fixed else epoch

    def indices(self) -> Tensor:
        """Sample numbers in the epoch's order, shape (num_samples,)."""
        if self.seed is None:
            return torch.arange(self.num_samples)
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        return torch.randperm(self.num_samples, generator=generator)


class BatchLoader:
    """Iterator over one process's parts of all batches, which indexes tensors and needs no worker processes.

    Args:
        inputs: Embeddings, shape (N, D), or N texts for a trainable body.
        labels: Class indices, int64, shape (N,).
        batch_size: Rows of a whole batch, over all processes; the last batch may be smaller.
        seed: Seed of the shuffling; None to keep the given order.
        is_fixed: Whether to shuffle only once, not every epoch.
        rank: Number of this process.
        world_size: Number of processes.
        tokenize: Function from a list of texts to the body's inputs; required if `inputs` are texts.
    """

    def __init__(
        self,
        inputs: Tensor | Sequence[str],
        labels: Tensor,
        batch_size: int,
        *,
        seed: int | None = None,
        is_fixed: bool = False,
        rank: int = 0,
        world_size: int = 1,
        tokenize: Any = None,
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"`batch_size >= 1` must hold, but got {batch_size=}.")
        self.inputs, self.labels, self.batch_size = inputs, labels, batch_size
        self.rank, self.world_size, self.tokenize = rank, world_size, tokenize
        # Lightning sets the epoch of `.sampler`, as for a DataLoader; if it finds `.sampler` it expects this one, too.
        self.sampler, self.batch_sampler = EpochOrder(len(labels), seed, is_fixed=is_fixed), None
        self.first_batch = 0
        """Number of batches that the next epoch omits: those that a resumed training has made."""

    def __len__(self) -> int:
        return -(-len(self.labels) // self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        order, size = self.sampler.indices(), self.batch_size
        first_of_epoch, self.first_batch = self.first_batch, 0
        for first_number in range(first_of_epoch, len(self), _BATCHES_AT_ONCE):
            # Rows are gathered for several batches at once, so that a batch is a view.
            chunk = order[first_number * size : (first_number + _BATCHES_AT_ONCE) * size]
            labels = self.labels[chunk]
            inputs = self.inputs[chunk] if isinstance(self.inputs, Tensor) else None
            for start in range(0, len(chunk), size):
                num_rows = min(size, len(chunk) - start)
                first, last = self._part(num_rows)
                mine = slice(start + first, start + last)
                yield Batch(
                    self._tokens(chunk[mine]) if inputs is None else inputs[mine],
                    labels[mine],
                    first,
                    num_rows,
                    first_number + start // size,
                )

    def rows(self) -> Tensor:
        """Samples of this process in an epoch, in the order in which it sees them, shape (n,)."""
        parts = []
        for batch in torch.split(self.sampler.indices(), self.batch_size):
            first, last = self._part(len(batch))
            parts.append(batch[first:last])
        return torch.cat(parts)

    def texts_of(self, batch: Batch) -> list[str]:
        """Sentences of a batch of this epoch; for a trainable body."""
        first = batch.number * self.batch_size + batch.first_row
        return [str(self.inputs[k]) for k in self.sampler.indices()[first : first + len(batch.labels)].tolist()]

    def _part(self, num_rows: int) -> tuple[int, int]:
        """First row and end of this process's part of a batch."""
        return num_rows * self.rank // self.world_size, num_rows * (self.rank + 1) // self.world_size

    def _tokens(self, indices: Tensor) -> Any:
        return self.tokenize([self.inputs[k] for k in indices.tolist()])
