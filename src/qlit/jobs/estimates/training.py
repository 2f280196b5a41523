"""Estimates for a training: parameters, gates, memory and time of a config's model."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from jsonargparse import ArgumentParser, Namespace
from lightning.pytorch import Trainer
from torch import nn

from qlit.heads import CircuitPQC, EstimatorHead, Head
from qlit.jobs.callbacks.recorder import parameter_counts
from qlit.jobs.config.classes import PlainSection, PlainValue, check_classes
from qlit.jobs.config.current_folder import find_modules_in_current_folder
from qlit.jobs.config.head_sizes import fill_head_sizes
from qlit.jobs.config.models import model_parser
from qlit.jobs.config.nulls import check_nulls
from qlit.jobs.config.options import readable_errors, with_nulls
from qlit.jobs.distributed.cores import num_processes
from qlit.jobs.estimates.circuits import circuits_of
from qlit.jobs.estimates.measurement import bytes_free, bytes_per_step, measure
from qlit.jobs.estimates.sizes import fill_local_sizes, sizes_before_reading
from qlit.training.datamodule import SentenceDataModule
from qlit.training.module import SentenceClassifier

DTYPES = {"64": torch.float64, "64-true": torch.float64, "16-true": torch.float16, "bf16-true": torch.bfloat16}
# Time of a training outside its head, as multiples of the time for reading its config on one core: data, trainer, run,
# checkpoint, test, figures and predictions; and per epoch: scores, metrics and progress.
_START_AND_END = 25.0
_EPOCH = 0.3


def config_parser(prog: str) -> ArgumentParser:
    """Parser of `qlit describe`: model and data of a config; all other sections stay plain values."""
    parser = model_parser(
        prog=prog,
        description="Trainable parameters by module, gates, memory and time of a config's model. Time is measured: a "
        "few training steps and inference batches on random embeddings, about 2 seconds in all. Loads no body, and no "
        "data either, unless a circuit is for a device (engine pennylane:DEVICE): then it shows the circuits and shots "
        "of the training, and sends none.",
    )
    parser.add_argument("-c", "--config", action="config", help="config file; later ones win")
    for name in ("trainer", "tracking"):
        parser.add_argument(f"--{name}", type=PlainSection, default={}, help="as for qlit fit")
    for name in ("seed_everything", "test_after_fit", "ckpt_path"):
        parser.add_argument(f"--{name}", type=PlainValue, help="as for qlit fit; does not change the model")
    return parser


def read_config(
    parser: ArgumentParser, arguments: Sequence[str], *, fill_sizes: Callable[[Namespace], object]
) -> tuple[Namespace, Namespace]:
    """The parsed options, and the model and data module with these options.

    Args:
        parser: From `config_parser`.
        arguments: Words of a command line.
        fill_sizes: Function that sets sizes of the head that a config leaves out, such as `fill_head_sizes`.
    """
    find_modules_in_current_folder()
    with readable_errors():
        options = parser.parse_args(with_nulls(arguments))
        check_nulls(options, model=SentenceClassifier, data=SentenceDataModule, trainer=Trainer)
        check_classes(options)
        fill_sizes(options)
        return options, parser.instantiate(options)


def run_seconds(options: Sequence[str]) -> float | None:
    """Estimate the duration of `qlit fit` with these options in a running process; None if it is not known.

    Steps, validation and test of the head are timed. The time for reading the config measures the speed of this machine
    for everything else: see `_START_AND_END` and `_EPOCH`. Embedding is not included.

    Args:
        options: Words of a command line of `qlit fit`.
    Raises:
        UsageError: If the options are invalid.
        ValueError, FileNotFoundError, ConnectionError: As `SentenceDataModule.load_split`.
    """
    for _ in range(2):  # the first reading imports the modules of its classes
        begun = time.perf_counter()
        config, made = read_config(config_parser("qlit describe"), options, fill_sizes=fill_head_sizes)
        reading_s = time.perf_counter() - begun
    facts = _timed(config, made)
    if facts["timing"]["run_s"] is None:
        return None
    made.data.load_split()
    return _whole_run_s(facts, len(made.data.split.test), reading_s, num_processes("the config", config.trainer) or 1)


def planned_seconds(options: Sequence[str], *, num_test: int, budget_s: float = 0.2) -> float | None:
    """Estimate the same before the data is here, from fewer steps; None if it is not known.

    Args:
        options: Words of a command line of `qlit fit`.
        num_test: Assumed number of test sentences.
        budget_s: Seconds for all measurements, unless one step alone takes longer.
    Raises:
        UsageError: If the options are invalid.
    """
    begun = time.perf_counter()
    config, made = read_config(config_parser("qlit describe"), options, fill_sizes=fill_local_sizes)
    reading_s = time.perf_counter() - begun
    if isinstance(made.model.head, EstimatorHead):  # fitted once, within the time of start and end
        return reading_s * _START_AND_END
    facts = _timed(config, made, budget_s)
    return None if facts["timing"]["run_s"] is None else _whole_run_s(facts, num_test, reading_s, 1)


def _timed(config: Namespace, made: Namespace, budget_s: float | None = None) -> dict[str, Any]:
    head = made.model.head.to(DTYPES.get(str(config.trainer.get("precision")), torch.float32))
    device, count = device_of(config.trainer), num_processes("the config", config.trainer) or 1
    return estimate(head, made.data, config.trainer, device, timed=True, processes=count, budget_s=budget_s)


def _whole_run_s(facts: dict[str, Any], num_test: int, reading_s: float, count: int) -> float:
    """Seconds of a run: steps and validation, test, and everything else by the time for reading its config."""
    timing = facts["timing"]
    test_s = num_test * timing["inference_s_per_1000"] / 1000 / count
    found: float = timing["run_s"] + test_s + reading_s * (_START_AND_END + facts["max_epochs"] * _EPOCH)
    return found


def device_of(trainer: dict[str, Any]) -> torch.device:
    """Device of a training with these options of the trainer."""
    use_gpu = str(trainer.get("accelerator", "auto")) in ("auto", "gpu", "cuda") and torch.cuda.is_available()
    return torch.device("cuda" if use_gpu else "cpu")


def counts_of(module: SentenceClassifier) -> dict[str, Any]:
    """`parameter_counts`; a total of None if only a fit determines it."""
    head = module.head
    unknown = isinstance(head, EstimatorHead) and head.num_parameters is None
    return {"total": None} if unknown else parameter_counts(module)


def describe(
    head: Head, counts: dict[str, Any], batch_size: int, device: torch.device, *, num_features: int | None = None
) -> dict[str, Any]:
    """Counts of a head on a device as plain values.

    Args:
        head: The head.
        counts: From `counts_of`.
        batch_size: Rows of a training batch.
        device: Device of the training.
        num_features: D of the embeddings; None if it is not known.
    Returns:
        `remark` of the head; `parameters` by module and in `total`, None if only a fit determines it; `preprocessing`,
        its class and the number of values that it fits (`fitted_values`, None if D is not known); `circuits` with
        qubits, parameters, 1- and 2-qubit gates, engine, why `engine: auto` chose it (None for another setting), runs
        per sample in a training step, and the wires that `measured_wires: auto` chose; `batch_size`; `amplitudes`,
        statevector amplitudes of all circuits for one batch; and `bytes_per_step`, peak memory of the statevectors of
        a training step in bytes, None if not known.
    """
    circuits, modules = circuits_of(head, device), dict(head.named_modules())
    return {
        "remark": head.remark,
        "parameters": counts,
        "preprocessing": _fitted(head, num_features),
        "circuits": [
            {
                "name": name,
                "num_qubits": circuit.num_qubits,
                "num_parameters": circuit.num_parameters,
                "one_qubit_gates": circuit.num_one_qubit_gates,
                "two_qubit_gates": circuit.num_two_qubit_gates,
                "runs_a_sample": runs,
                "engine": engine.name,
                "reason": modules[name].engine.reason_on(device.type, circuit),
                **_measured(modules[name]),
            }
            for name, (circuit, engine, runs) in circuits.items()
        ],
        "batch_size": batch_size,
        "amplitudes": sum(batch_size * runs * 2**circuit.num_qubits for circuit, _, runs in circuits.values()),
        "bytes_per_step": bytes_per_step(head, batch_size, device),
    }


def _fitted(head: Head, num_features: int | None) -> dict[str, Any] | None:
    made, known = head.preprocessing, head.num_features or num_features
    if made is None:
        return None
    if not made.is_fitted_once():
        return {"name": type(made).__name__, "fitted_values": 0}
    return {"name": type(made).__name__, "fitted_values": None if known is None else made.num_fitted(known)}


def _measured(module: nn.Module) -> dict[str, Any]:
    if not isinstance(module, CircuitPQC) or not module.measures_auto:
        return {}
    return {"measured_wires": list(module.measured_wires), "measured": module.measured}


def estimate(
    head: Head,
    data: SentenceDataModule,
    trainer: dict[str, Any],
    device: torch.device,
    *,
    timed: bool,
    processes: int = 1,
    budget_s: float | None = None,
) -> dict[str, Any]:
    """Estimate the time of the head in a fit, from a few real steps of one process.

    Nothing is run if `timed` is false or a step does not fit into memory.

    Args:
        head: The head in the precision of the training; `measure` changes it.
        data: Data module; its sentences are loaded only for given splits.
        trainer: Options of the trainer; only `max_epochs` is read.
        device: Device of the training.
        timed: Whether to measure.
        processes: Number of processes that share a batch; their communication is not included.
        budget_s: As of `measure`.

    Returns:
        `device`, and its `bytes_free`; `steps_per_epoch`, `validated_per_epoch` (sentences), both None for given splits
        of data that is not here, `max_epochs` (None if not in the config); `timing`, seconds or None; and `not_timed`,
        the reason why nothing was timed, else None.

    Raises:
        ValueError: If a number of the data module is out of range.
        ValueError, FileNotFoundError, ConnectionError: With given splits, as `Sources.load` and `given_split`.
    """
    for name, size in (("batch_size", data.batch_size), ("eval_batch_size", data.eval_batch_size)):
        if size < 1:
            raise ValueError(f"`{name} >= 1` must hold, but got {name}={size}.")
    sizes = sizes_before_reading(head, data)
    num_validated = None if sizes is None else sizes[1]
    num_steps = None if sizes is None else -(-sizes[0] // data.batch_size)
    max_epochs = trainer.get("max_epochs")
    facts: dict[str, Any] = {
        "device": str(device),
        "bytes_free": bytes_free(device),
        "num_threads": torch.get_num_threads(),
        "steps_per_epoch": num_steps,
        "validated_per_epoch": num_validated,
        "max_epochs": max_epochs,
        "timing": {
            "step_s": None,
            "steps_timed": 0,
            "inference_s_per_1000": None,
            "inference_batch_size": None,
            "inference_batches_timed": 0,
            "epoch_s": None,
            "run_s": None,
        },
        "not_timed": None,
    }
    needed = bytes_per_step(head, data.batch_size, device)
    if not timed:
        return facts | {"not_timed": "--no_timing was given."}
    if isinstance(head, EstimatorHead):
        return facts | {"not_timed": "scikit-learn fits it once, in `qlit fit`, which takes seconds."}
    remote = [used.engine.name for used in circuits_of(head, device).values() if used.engine.capabilities.remote]
    if remote:
        return facts | {"not_timed": f"nothing is sent to {remote[0]} unasked."}
    if needed is not None and needed > facts["bytes_free"]:
        reason = f"a training step needs {bytes_text(needed)}, but only {bytes_text(facts['bytes_free'])} are free."
        return facts | {"not_timed": reason}
    try:
        rows, eval_rows = (-(-size // processes) for size in (data.batch_size, data.eval_batch_size))
        found = measure(head, batch_size=rows, eval_batch_size=eval_rows, device=device, budget_s=budget_s)
    except ValueError as error:  # for example a head with multinomial shots, which cannot be trained
        return facts | {"not_timed": str(error)}
    inference_s_per_row = found.inference_s / found.inference_batch_size
    epoch_s = None
    if num_steps is not None and num_validated is not None:
        epoch_s = num_steps * found.step_s + num_validated * inference_s_per_row / processes
    facts["timing"] = {
        "step_s": found.step_s,
        "steps_timed": found.num_steps,
        "inference_s_per_1000": 1000 * inference_s_per_row,
        "inference_batch_size": found.inference_batch_size,
        "inference_batches_timed": found.num_inference_batches,
        "epoch_s": epoch_s,
        "run_s": max_epochs * epoch_s if epoch_s and isinstance(max_epochs, int) and max_epochs > 0 else None,
    }
    return facts


def bytes_text(count: float) -> str:
    """Format a number of bytes: `512 B`, `1 MiB`, `1.5 GiB`."""
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} {unit}"
        count /= 1024
    return f"{count:,.1f} GiB"
