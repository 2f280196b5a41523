"""The outcome of a training: status, scores, and how to continue it."""

import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import torch

from qlit.jobs.callbacks.recorder import parameter_counts
from qlit.jobs.estimates.circuits import circuits_of
from qlit.training.datamodule import SentenceDataModule
from qlit.training.evaluation import BEST, SelectBy
from qlit.training.module import SentenceClassifier, Stage

STUDY = "study/"
"""Prefix of metrics that only the trainings of a study log."""


@dataclass(frozen=True)
class Outcome:
    """How a training ended, and its scores.

    Args:
        status: "finished"; "pruned" early, without `test/` scores; "stopped" by a signal; or "failed" because it
            diverged, without any scores. Any other failure is an exception.
        run_id: Id of its MLflow run; None without a run, and on ranks other than 0.
        scores: `val/` scores of the best epoch, `test/` scores of its checkpoint, `parameters`, `gates` of the part
            for a quantum processor, `num_validation` and `num_test` (sentences).
        reason: One sentence: why it failed, or why there was nothing to do.
        stopped_by: The signal that stopped it.
        checkpoint: File from which a stopped training can continue; empty if there is none.
        resume_options: Further options of the command that continues it, with a space before every word.
    """

    status: Literal["finished", "pruned", "stopped", "failed"]
    run_id: str | None = None
    scores: Mapping[str, float] = field(default_factory=dict)
    reason: str = ""
    stopped_by: signal.Signals | None = None
    checkpoint: str = ""
    resume_options: str = ""


def sizes_of(module: SentenceClassifier, data: SentenceDataModule) -> dict[str, float]:
    """Scores that are not metrics: sizes of a trained model and of its validation and test data."""
    circuits = circuits_of(module.head, torch.device("cpu"))
    quantum = circuits["pqc"].circuit if "pqc" in circuits else None
    gates = 0 if quantum is None else quantum.num_one_qubit_gates + quantum.num_two_qubit_gates
    return {
        "parameters": parameter_counts(module)["total"],
        "gates": gates,
        "num_validation": _num_seen(module, "val", len(data.split.validation)),
        "num_test": _num_seen(module, "test", len(data.split.test)),
    }


def scores_of_history(
    history: Mapping[str, list[tuple[int, float]]], select_by: SelectBy = "accuracy"
) -> dict[str, float]:
    """Scores of an earlier run from its metrics; the sizes of `sizes_of` only if it belongs to a study.

    Args:
        history: (epoch, value) by metric.
        select_by: Validation score that chooses the best epoch of a run without the metrics of its best checkpoint.
    """
    last = {name: values[-1][1] for name, values in history.items()}
    tested = {name: value for name, value in last.items() if name.startswith("test/")}
    sizes = {name.removeprefix(STUDY): value for name, value in last.items() if name.startswith(STUDY)}
    best = {name.removeprefix(BEST): value for name, value in last.items() if name.startswith(f"{BEST}val/")}
    return (best or _at_best_epoch(history, select_by)) | tested | sizes


def _at_best_epoch(history: Mapping[str, list[tuple[int, float]]], select_by: SelectBy) -> dict[str, float]:
    """Validation scores of the best epoch, for a run without the metrics of its best checkpoint."""
    losses = dict(history.get("val/loss", []))
    by_epoch = [(epoch, accuracy, -losses[epoch]) for epoch, accuracy in history.get("val/accuracy", [])]
    ranks = [(*((a, b) if select_by == "accuracy" else (b, a)), -epoch) for epoch, a, b in by_epoch]
    epoch = -max(ranks)[2] if ranks else None
    of_epoch = {name: dict(values) for name, values in history.items() if name.startswith("val/")}
    return {name: values[epoch] for name, values in of_epoch.items() if epoch in values}


def _num_seen(module: SentenceClassifier, stage: Stage, planned: int) -> int:
    found = module.evaluations.get(stage)
    return planned if found is None or found.num_seen is None else found.num_seen
