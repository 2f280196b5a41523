"""Cost of a head before a long run: memory from the declarations of its engines, time from a few real steps.

Shapes: B batch, D features of an embedding.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import psutil
import torch

from qlit.engines.memory import check_free
from qlit.heads import AmplitudeEncoder, Encoder, Head
from qlit.jobs.estimates.circuits import circuits_of

BUDGET_S = 2.0  # for all measurements, unless one step alone takes longer
_SHARE_OF_STEPS = 0.7
_MOST_REPEATS = 200
_FORWARD_SHARE = 1 / 3  # time of a forward pass as a share of a step, for choosing the rows of an inference batch
_NUM_FEATURES = 768  # D of the paper's body; the time hardly depends on D, as the encoder fixes the width of states


@dataclass(frozen=True)
class Measured:
    """Median durations of real steps of a head, in seconds.

    Args:
        step_s: Duration of a training step: forward and backward of one batch.
        num_steps: Number of timed steps.
        inference_s: Duration of the inference of one batch, without gradients.
        inference_batch_size: Rows of that batch; fewer than requested if those take too much time or memory.
        num_inference_batches: Number of timed batches.
        num_features: D of the random embeddings.
    """

    step_s: float
    num_steps: int
    inference_s: float
    inference_batch_size: int
    num_inference_batches: int
    num_features: int


def bytes_per_step(head: Head, batch_size: int, device: torch.device) -> int | None:
    """Peak memory of the statevectors of a training step on a device; None if an engine does not declare it.

    0 without circuits. Every circuit keeps its final states for the backward pass, and one circuit at a time is at the
    peak of its engine. Not included: about 10 MiB for libraries; 2 MiB per encoder in float32 for initial states, if
    circuits run together (`Capabilities.encoder_amplitudes`); and gaps that an allocator leaves between small blocks
    (glibc: blocks below 32 MiB), which can take twice as much again.
    """
    kept, peak = 0, 0
    circuits = circuits_of(head, device)
    if not circuits:
        return 0
    for circuit, engine, runs in circuits.values():
        states_at_peak = engine.capabilities.states_at_peak
        if states_at_peak is None:
            return None
        amplitudes = batch_size * runs * 2**circuit.num_qubits * (1 if circuit.is_real else 2)
        kept += amplitudes
        peak = max(peak, states_at_peak * amplitudes)
    return (kept + peak) * next(head.parameters()).dtype.itemsize


def bytes_free(device: torch.device) -> int:
    """Free memory of a device, in bytes."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return int(psutil.virtual_memory().available)


def measure(
    head: Head, *, batch_size: int, eval_batch_size: int, device: torch.device, budget_s: float | None = None
) -> Measured:
    """Time a few real training steps and inference batches on random embeddings, in about `BUDGET_S` or `budget_s`.

    The head is moved to the device, its centring is fitted to the random embeddings, and its gradients are dropped.
    A step must fit into memory; compare `bytes_per_step` with `bytes_free` first.

    Args:
        head: The head.
        batch_size: Rows of a training batch.
        eval_batch_size: Maximum number of rows of an inference batch.
        device: Device to measure.
        budget_s: Seconds for all measurements, unless one step alone takes longer; None for `BUDGET_S`.
    Raises:
        ValueError: If the head cannot be trained with its settings; a fit raises the same error.
    """
    budget_s = BUDGET_S if budget_s is None else budget_s
    num_features = _num_features(head)
    dtype = next(head.parameters()).dtype
    generator = torch.Generator().manual_seed(0)
    head.to(device)

    def embeddings(num_rows: int) -> torch.Tensor:
        check_free(8 * num_rows * num_features, f"The embeddings of a batch of {num_rows}", "Take a smaller batch.")
        return torch.randn(num_rows, num_features, generator=generator).to(device=device, dtype=dtype)

    trained_BD = embeddings(batch_size)
    head.check_features(num_features)
    num_fitted = batch_size if head.preprocessing is None else max(batch_size, num_features + 1)
    head.fit_preprocessing(embeddings(num_fitted))

    def step() -> None:
        head.seed_shots(0, 0, batch_size)
        head(trained_BD).square().sum().backward()
        head.zero_grad()

    head.train()
    head.seed_shots(0, 0, 2)
    # Not timed: engines compile their plans. Batch normalisation needs at least two rows.
    head(trained_BD[:2]).sum().backward()
    step_s, num_steps = _median_s(step, _SHARE_OF_STEPS * budget_s, device)

    inference_budget_s = (1 - _SHARE_OF_STEPS) * budget_s
    in_time = inference_budget_s / (step_s * _FORWARD_SHARE)
    needed = bytes_per_step(head, batch_size, device)  # inference needs less, but engines do not declare how much
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
    """Number of training batches to evaluate at once; at least one, because a training step of one succeeded."""
    return max(1, int(min(limits)))


def _num_features(head: Head) -> int:
    """Number of features of the head; if it has no fixed number, that of the paper, limited by the encoders.

    Behind a preprocessing, these limits concern its outputs.
    """
    if head.preprocessing is not None and head.num_features is None and _takes(head, _NUM_FEATURES):
        return _NUM_FEATURES
    for module in head.modules():  # outermost first, because a projection determines the input of the encoder after it
        if isinstance(module, Head | Encoder) and module.num_features is not None:
            return module.num_features
    encoders = [module for module in head.modules() if isinstance(module, AmplitudeEncoder)]
    return min([_NUM_FEATURES, *(1 << each.num_qubits for each in encoders)])


def _takes(head: Head, num_features: int) -> bool:
    try:
        head.check_features(num_features)
    except ValueError:
        return False
    return True


def _median_s(run: Callable[[], None], budget_s: float, device: torch.device) -> tuple[float, int]:
    """Median duration of a call, and the number of timed calls: as many as fit into the budget, at least one."""
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
