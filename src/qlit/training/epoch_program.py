"""The steps of an epoch as one static program: the same operations on the same tensors in every step.

Embeddings and labels lie on the device. A step gathers its rows by the epoch's order, from a row number that it also
keeps on the device, and writes its logits and losses into tensors of the epoch. So a CUDA graph can record a step, and
the host reads nothing until the epoch ends.

Shapes: N samples, b rows of a batch, D features, V outcomes of the shots.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, final

import torch
from torch import Tensor, nn

from qlit.heads.encoders import unchecked_norms
from qlit.training.batches import Batch, BatchLoader
from qlit.training.module import SentenceClassifier
from qlit.training.seeds import seed_of
from qlit.training.step_graphs import StepGraphs

_MOST_NORMALS = 2**26  # of an epoch's shots: 256 MiB in float32
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


@final
class EpochProgram:
    """Training steps of a `SentenceClassifier` with a frozen body on one device.

    Weights, Adam's states, scores and checkpoints are those of steps that are run one by one: on a CPU bit for bit. On
    a GPU, Adam reads its learning rate from a tensor in float32, which rounds it.

    Args:
        module: The classifier; `can_program` holds for it.
        optimizer: Its fused Adam.
        loader: The training batches.
    """

    def __init__(self, module: SentenceClassifier, optimizer: torch.optim.Adam, loader: BatchLoader) -> None:
        self._module, self._optimizer = module, optimizer
        self._device = device = module.device
        self._source, self._inputs, self._labels = loader.inputs, loader.inputs.to(device), loader.labels.to(device)  # type: ignore[union-attr]
        self._parameters: list[nn.Parameter] = optimizer.param_groups[0]["params"]
        num_samples, self._batch_size = len(loader.labels), loader.batch_size
        self._order = torch.zeros(num_samples, dtype=torch.int64, device=device)
        self._first_rows = torch.arange(min(loader.batch_size, num_samples), device=device)
        self._row = torch.zeros(1, dtype=torch.int64, device=device)
        self._lr = torch.zeros((), dtype=torch.float64 if device.type == "cpu" else torch.float32, device=device)
        self._normals: Tensor | None = None
        self._logits: Tensor | None = None  # of the epoch, as are the losses; made by the first step
        self._losses: Tensor | None = None
        self._graphs = StepGraphs(self._step, device)
        self._addresses = self._tensors()
        self.num_run = 0
        """Steps of the last `run` that were run."""

    @property
    def failure(self) -> str | None:
        """Why steps are not recorded on a GPU; None if they are."""
        return self._graphs.failure

    def wait(self) -> None:
        """Return when the device has finished the steps."""
        self._graphs.wait()

    def fits(self, optimizer: torch.optim.Optimizer, loader: BatchLoader) -> bool:
        """Whether this program still reads and writes the tensors of the training."""
        same = optimizer is self._optimizer and loader.inputs is self._source
        return same and loader.batch_size == self._batch_size and self._addresses == self._tensors()

    def _tensors(self) -> list[int]:
        """Addresses of weights and of Adam's states, once it has them."""
        states = [self._optimizer.state.get(parameter, {}) for parameter in self._parameters]
        kept = [tensor.data_ptr() for state in states for tensor in state.values()]
        return [
            *(tensor.data_ptr() for tensor in (*self._module.head.parameters(), *self._module.head.buffers())),
            *kept,
        ]

    def begin(self, loader: BatchLoader, epoch: int, num_batches: int) -> None:
        """Prepare an epoch: the order of its samples, and the normal numbers of its shots."""
        loader.first_batch = 0  # the program is told the first one
        self._order.copy_(loader.sampler.indices())
        seeds = [seed_of("train", epoch, number, run_seed=self._module.run_seed) for number in range(num_batches)]
        drawn = [self._module.head.normals(seed, self._size(number)) for number, seed in enumerate(seeds)]
        if drawn and drawn[0] is not None:
            normals = torch.cat(drawn)  # type: ignore[arg-type]
            if self._normals is None:
                dtype = self._parameters[0].dtype
                self._normals = torch.zeros(len(self._order), normals.shape[1], dtype=dtype, device=self._device)
            self._normals[: len(normals)] = normals.to(self._normals)

    def run(self, first: int, number: int) -> None:
        """Run `number` steps from batch `first` of the epoch, and collect their scores."""
        self.num_run = 0
        first_row = first * self._batch_size
        self._row.fill_(first_row)
        try:
            with self._graphs.running(), self._tensor_lr(), unchecked_norms():
                for step in range(first, first + number):
                    self._graphs.run(self._size(step))
                    self.num_run += 1
        finally:
            self._addresses = self._tensors()  # the first step made Adam's states
            self._collect(first_row, first_row + sum(self._size(first + k) for k in range(self.num_run)))

    def _size(self, batch: int) -> int:
        return min(self._batch_size, len(self._order) - batch * self._batch_size)

    def _collect(self, first: int, last: int) -> None:
        if last > first and self._logits is not None and self._losses is not None:
            labels = self._labels[self._order[first:last]]
            # Copies, because the next epoch writes into the same tensors.
            self._module.scores_of("train").add(
                self._logits[first:last].clone(), labels, self._losses[first:last].clone()
            )

    @contextmanager
    def _tensor_lr(self) -> Iterator[None]:
        """Context in which Adam reads its learning rate from a tensor, so that recorded steps follow a schedule."""
        (group,) = self._optimizer.param_groups
        before: dict[str, Any] = {"lr": group["lr"], "capturable": group["capturable"]}
        self._lr.fill_(group["lr"])
        group.update(lr=self._lr, capturable=self._device.type == "cuda")
        try:
            yield
        finally:
            group.update(before)

    def _step(self, size: int) -> None:
        """One training step; all it reads and writes are tensors that stay where they are."""
        rows = self._row + self._first_rows[:size]
        chosen = self._order.index_select(0, rows)
        batch = Batch(self._inputs.index_select(0, chosen), self._labels.index_select(0, chosen), 0, size, 0)
        if self._normals is not None:
            self._module.head.use_normals(self._normals.index_select(0, rows))
        with torch.enable_grad():
            logits, losses = self._module.evaluated("train", batch)
            loss = losses.sum() * (1 / size)
        gradients = torch.autograd.grad(loss, self._parameters, allow_unused=True)
        for parameter, gradient in zip(self._parameters, gradients, strict=True):
            parameter.grad = gradient
        self._optimizer.step()
        if self._logits is None or self._losses is None:
            self._logits = logits.new_zeros(len(self._order), logits.shape[1])
            self._losses = losses.new_zeros(len(self._order))
        self._logits.index_copy_(0, rows, logits.detach())
        self._losses.index_copy_(0, rows, losses.detach())
        self._row.add_(size)


def can_program(module: SentenceClassifier, optimizer: torch.optim.Optimizer, loader: Any) -> bool:
    """Whether an `EpochProgram` gives what single steps give, for a trainer without hooks in a step."""
    head, group = module.head, optimizer.param_groups[0]
    if not isinstance(loader, BatchLoader) or not isinstance(loader.inputs, Tensor) or loader.world_size > 1:
        return False
    if type(optimizer) is not torch.optim.Adam or len(optimizer.param_groups) > 1 or not group["fused"]:
        return False
    if torch.is_anomaly_enabled() or not head.is_replayable(module.device.type):
        return False
    if head.preprocessing is not None and not head.preprocessing.is_replayable():
        return False
    if any(getattr(part, hooks, None) for part in module.modules() for hooks in _HOOKS):
        return False  # a recorded step calls no Python
    normals = head.normals(0, 1)
    return normals is None or len(loader.labels) * normals.shape[1] <= _MOST_NORMALS
