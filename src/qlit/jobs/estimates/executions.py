"""Circuits and shots that a training would send to a device."""

import textwrap
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import torch

from qlit.engines import PennyLaneEngine
from qlit.engines.shots import Shots
from qlit.heads import CircuitPQC, Head
from qlit.jobs.estimates.circuits import circuits_of
from qlit.jobs.estimates.sizes import sizes_before_reading
from qlit.training.datamodule import SentenceDataModule

_MOST_COLUMNS = 110


@dataclass(frozen=True)
class Executions:
    """Numbers of circuits that a training sends to a device; every circuit has its own angles.

    Args:
        forward: Circuits for values: one per sample.
        gradient: Circuits for gradients by parameter-shift: two per sample and trained rotation; 0 if a simulator
            computes gradients itself.
        shots: Number of measurements in total; None if values are exact.
    """

    forward: int
    gradient: int
    shots: int | None


def executions_of(
    head: Head, data: SentenceDataModule, max_epochs: int | None, *, test_after_fit: bool
) -> list[dict[str, Any]]:
    """Circuits and shots of a fit on every device of a head, as plain values; no device is contacted.

    The texts are loaded, to count the test sentences, only if a circuit runs on a device.

    Args:
        head: The head.
        data: Data module; neither its body nor an embedding is loaded.
        max_epochs: Epochs of the run; None if not known.
        test_after_fit: Whether the run ends with a test.

    Returns:
        For every circuit on a device: its `name`, `engine`, `shots` per circuit, `gradient_circuits` per sample; the
        `executions` of a `step`, an `epoch` (with validation), the `test` split and the `run`, None if not known;
        `num_train`, `num_validation`, `num_test`; `untold`, the reason why the test split is not known; and `missing`,
        the reason why it cannot run here.

    Raises:
        ValueError: If a number of the data module is out of range.
    """
    modules = dict(head.named_modules())
    circuits = circuits_of(head, torch.device("cpu"))
    on_devices = {name: used for name, used in circuits.items() if isinstance(used.engine, PennyLaneEngine)}
    if not on_devices:
        return []
    sizes = sizes_before_reading(head, data)
    if sizes is None:
        raise FileNotFoundError(
            f"Circuits for a device are counted per sentence, but the splits of {data.source} are not here: give the "
            "data with --data.source, or choose a simulator."
        )
    num_train, num_validation = sizes
    num_test, untold = _num_test(data)
    found = []
    for name, (circuit, engine, runs) in on_devices.items():
        assert isinstance(engine, PennyLaneEngine)
        module = modules[name]
        sampling = getattr(module, "shots", None)
        shots = sampling.num_shots if isinstance(sampling, Shots) and sampling.sampler == "device" else None
        evaluation_runs = module.noise.runs(training=False) if isinstance(module, CircuitPQC) else 1
        # An encoder computes the angles and is trained through them.
        per_sample = runs * engine.gradient_circuits(circuit, by_angles=True, shots=shots)
        of = partial(_executions, runs=(runs, evaluation_runs), per_sample=per_sample, shots=shots)
        tested = 0 if not test_after_fit else num_test
        run = None
        if isinstance(max_epochs, int) and max_epochs > 0 and tested is not None:
            run = of(max_epochs * num_train, max_epochs * num_validation + tested)
        executions = {
            "step": of(min(data.batch_size, num_train), 0),
            "epoch": of(num_train, num_validation),
            "test": None if num_test is None else of(0, num_test),
            "run": run,
        }
        found.append(
            {
                "name": name,
                "engine": engine.name,
                "shots": shots,
                "gradient_circuits": per_sample,
                "executions": {what: None if n is None else asdict(n) for what, n in executions.items()},
                "num_train": num_train,
                "num_validation": num_validation,
                "num_test": num_test,
                "untold": untold,
                "missing": engine.missing(),
            }
        )
    return found


def _executions(
    trained: int, evaluated: int, *, runs: tuple[int, int], per_sample: int, shots: int | None
) -> Executions:
    """Executions for numbers of samples.

    Args:
        trained: Number of training samples.
        evaluated: Number of evaluated samples.
        runs: Circuits per sample in training and in evaluation.
        per_sample: Circuits for the gradient of a sample.
        shots: Shots per circuit; None for exact values.
    """
    forward, gradient = trained * runs[0] + evaluated * runs[1], trained * per_sample
    return Executions(forward, gradient, None if shots is None else shots * (forward + gradient))


def _num_test(data: SentenceDataModule) -> tuple[int | None, str | None]:
    """Number of test sentences; None with the reason if the data cannot be read or split."""
    try:
        split = data.split_of(data.sources.load())
    except (ValueError, OSError) as error:
        return None, " ".join(str(error).split())
    return len(split.test), None


def executions_table(found: dict[str, Any], max_epochs: int | None, *, test_after_fit: bool) -> str:
    """Format one device of `executions_of` as a table."""
    shots = "exact values" if found["shots"] is None else f"{found['shots']:,} shots each"
    executions, each = found["executions"], found["gradient_circuits"]
    lines = [f"{found['name']} on {found['engine']}: circuits it would be sent, {shots}; nothing has been sent"]
    lines.append(f"{'':<32}{'forward':>12}  {'for gradients':>15}  {'shots':>18}")
    rows = [
        ("training step", executions["step"]),
        (f"epoch, {found['num_train']:,} + {found['num_validation']:,} sentences", executions["epoch"]),
    ]
    if executions["test"] is not None:
        rows.append((f"test, {found['num_test']:,} sentences", executions["test"]))
    if executions["run"] is not None:
        rows.append((f"all {max_epochs:,} epochs{' and the test' * test_after_fit}", executions["run"]))
    for what, n in rows:
        in_all = "-" if n["shots"] is None else f"{n['shots']:,}"
        lines.append(f"  {what:<30}{n['forward']:>12,}  {n['gradient']:>15,}  {in_all:>18}")
    remarks = [
        "Every execution is a different circuit: angles differ between samples, and parameters between steps.",
        f"A gradient takes {each:,} per sample, 2 for every rotation with a trained angle (parameter-shift)."
        if each
        else "Gradients come with the simulation.",
    ]
    if found["untold"]:
        remarks.append(f"The test takes one per sentence; the number of sentences is not known: {found['untold']}")
    if found["missing"]:
        remarks.append(f"It cannot run here yet: {found['missing']}")
    for remark in remarks:
        lines += textwrap.wrap(remark, _MOST_COLUMNS, initial_indent="  ", subsequent_indent="  ")
    return "\n".join(lines)
