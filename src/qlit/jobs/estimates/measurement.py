"""What a head costs, told before a long run: memory as its engines declare it, time as a few real steps take it.

Shapes: B batch, D features of an embedding.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import psutil
import torch
from torch import nn

from qlit.engines.memory import check_free
from qlit.heads import Encoder, Head, SimulatedQuantumEncoder
from qlit.jobs.estimates.circuits import circuits_of

BUDGET_S = 2.0  # what measuring may take in all, unless one step alone takes longer
_SHARE_OF_STEPS = 0.7
_MOST_REPEATS = 200
_FORWARD_SHARE = 1 / 3  # of a step, to choose how many rows an inference batch may have
_NUM_FEATURES = 768  # D of the paper's body; what D is costs little, since states are as wide as the encoder


@dataclass(frozen=True)
class Measured:
    """Durations of a head's real work, medians, seconds.

    Args:
        step_s: A training step: forward and backward of one batch.
        num_steps: Steps that were timed.
        inference_s: Inference of one batch, without gradients.
        inference_batch_size: Rows of that batch: fewer than asked for where those would take long or much memory.
        num_inference_batches: Such batches that were timed.
        num_features: D of the random embeddings.
    """

    step_s: float
    num_steps: int
    inference_s: float
    inference_batch_size: int
    num_inference_batches: int
    num_features: int


def bytes_per_step(head: Head, batch_size: int, device: torch.device) -> int | None:
    """Memory of the statevectors of a training step on a device at its peak; None if an engine does not tell.

    0 without circuits. Every circuit keeps its final states for the backward pass, and one circuit at a time is at its
    engine's peak. Not in it: about 10 MiB for libraries; initial states that live longer where circuits run in one go,
    2 MiB an encoder in float32 (`Capabilities.encoder_amplitudes`); and what an allocator leaves in gaps between small
    blocks (glibc: blocks below 32 MiB), which may be twice as much again.
    """
    kept, peak = 0, 0
    circuits = circuits_of(head, device)
    if not circuits:
        return 0
    for circuit, engine, runs in circuits.values():
        states_at_peak = engine.capabilities.states_at_peak
        if states_at_peak is None:
            return None
        amplitudes = batch_size * runs * 2**circuit.num_qubits
        kept += amplitudes
        peak = max(peak, states_at_peak * amplitudes)
    return (kept + peak) * next(head.parameters()).dtype.itemsize


def bytes_free(device: torch.device) -> int:
    """Memory that a process may still take on a device."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return int(psutil.virtual_memory().available)


def measure(head: Head, *, batch_size: int, eval_batch_size: int, device: torch.device) -> Measured:
    """Time a few real training steps and inference batches on random embeddings, in about `BUDGET_S`.

    The head is moved to the device, its centring is fitted to the random embeddings, and its gradients are dropped.
    It must fit into memory; `bytes_per_step` tells beforehand.

    Raises:
        ValueError: If the head cannot be trained as it is configured; the message is that of a fit.
    """
    num_features = _num_features(head)
    dtype = next(head.parameters()).dtype
    generator = torch.Generator().manual_seed(0)
    head.to(device)

    def embeddings(num_rows: int) -> torch.Tensor:
        check_free(8 * num_rows * num_features, f"The embeddings of a batch of {num_rows}", "Take a smaller batch.")
        return torch.randn(num_rows, num_features, generator=generator).to(device=device, dtype=dtype)

    trained_BD = embeddings(batch_size)
    head.check_features(num_features)
    head.fit_center(trained_BD)

    def step() -> None:
        head.seed_shots(0, 0, batch_size)
        head(trained_BD).square().sum().backward()
        head.zero_grad()

    head.train()
    head.seed_shots(0, 0, 2)
    # Two rows, the least that batch normalisation takes, are enough for engines to make their plans: not timed.
    head(trained_BD[:2]).sum().backward()
    step_s, num_steps = _median_s(step, _SHARE_OF_STEPS * BUDGET_S, device)

    inference_budget_s = (1 - _SHARE_OF_STEPS) * BUDGET_S
    in_time = inference_budget_s / (step_s * _FORWARD_SHARE)
    needed = bytes_per_step(head, batch_size, device)  # inference needs less, but how much less no engine tells
    in_memory = bytes_free(device) / needed if needed else in_time
    num_rows = min(eval_batch_size, batch_size * _whole_batches(in_time, in_memory))
    evaluated_BD = embeddings(num_rows)

    def infer() -> None:
        with torch.inference_mode():
            head.seed_shots(0, 0, num_rows)
            head(evaluated_BD)

    head.eval()
    inference_s, num_inferences = _median_s(infer, inference_budget_s, device)
    return Measured(step_s, num_steps, inference_s, num_rows, num_inferences, num_features)


def _whole_batches(*limits: float) -> int:
    """Training batches that may be evaluated at once: one at least, which a step has shown to be possible."""
    return max(1, int(min(limits)))


def _num_features(head: nn.Module) -> int:
    """Features that the head was made for, or else the paper's, or as many as all encoders take."""
    for module in head.modules():  # the outermost comes first: a projection hides the encoder behind it
        if isinstance(module, Head | Encoder) and module.num_features is not None:
            return module.num_features
    encoders = [module for module in head.modules() if isinstance(module, SimulatedQuantumEncoder)]
    return min([_NUM_FEATURES, *(1 << each.num_qubits for each in encoders)])


def _median_s(run: Callable[[], None], budget_s: float, device: torch.device) -> tuple[float, int]:
    """Median duration of a call, and how many were timed: one, and more until the budget is used up."""
    durations: list[float] = []
    while not durations or (sum(durations) < budget_s and len(durations) < _MOST_REPEATS):
        _finish(device)
        start = time.perf_counter()
        run()
        _finish(device)
        durations.append(time.perf_counter() - start)
    return statistics.median(durations), len(durations)


def _finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
