"""Results of a study's cells over their replicates, and the choice of the best ones by validation scores."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from optuna.trial import FrozenTrial, TrialState

from qlit.comparisons.statistics import range_of, t_interval
from qlit.runtime.intervals import wilson_interval
from qlit.studies.definition import Cell, Objective, Replicate, Scalar, Study
from qlit.studies.trials.diverged import (
    DIVERGED,
    RESULT,
    DivergedTraining,
    diverged_of,
    is_diverged,
    is_whole,
    notes_of,
)

_SENTENCES = {"val/accuracy": "num_validation", "test/accuracy": "num_test"}


@dataclass(frozen=True)
class Training:
    """One training of a cell.

    Args:
        replicate: Seed and split.
        run_id: Id of its MLflow run.
        scores: Scores by name.
    """

    replicate: Replicate
    run_id: str
    scores: dict[str, float]


@dataclass(frozen=True)
class CellResult:
    """A cell and its finished trainings.

    Args:
        key: Key that identifies the cell.
        cell: Levels of the factors.
        trainings: At most one per replicate.
        trials: Numbers of its trials.
        stage: Stage of a two-stage study in which it was first trained: `screening` or `search`.
    """

    key: str
    cell: Cell
    trainings: tuple[Training, ...]
    trials: tuple[int, ...]
    stage: str | None = None

    def values(self, metric: str) -> list[float]:
        """Values of a score, for the trainings that have it."""
        return [each.scores[metric] for each in self.trainings if metric in each.scores]

    def mean(self, metric: str) -> float:
        """Mean over the replicates; NaN if there is none."""
        values = self.values(metric)
        return float(np.mean(values)) if values else float("nan")

    def interval(self, metric: str) -> tuple[float, float] | None:
        """95 % interval: Student's over replicates, within the score's range; Wilson's for one; None if unknown."""
        values = self.values(metric)
        if len(values) > 1:
            return t_interval(values, range_of(metric))
        sentences = _SENTENCES.get(metric)
        if not values or sentences is None or sentences not in self.trainings[0].scores:
            return None
        return wilson_interval(values[0], int(self.trainings[0].scores[sentences]))

    def text(self, metric: str) -> str:
        """Format mean and interval, `0.8512 (0.8440 to 0.8585)`; counts have no decimals."""
        interval, mean = self.interval(metric), self.mean(metric)
        spread = f" ({interval[0]:.4f} to {interval[1]:.4f})" if interval else ""
        return f"{mean:.4f}{spread}" if abs(mean) < 100 else f"{mean:,.0f}"


def note_of(replicate: Replicate) -> str:
    """Name of the attribute in which a trial stores the result of a replicate."""
    return f"{RESULT} {replicate.seed} {replicate.split}"


def results_of(trials: Sequence[FrozenTrial]) -> list[CellResult]:
    """Cells with a finished and without a diverged training, in the order of their first trial.

    Without its diverged replicates, the mean of a cell would be too high.
    """
    left_out = {each.key for each in diverged_trainings(trials)}
    return [each for each in all_results(trials) if each.key not in left_out]


def diverged_trainings(trials: Sequence[FrozenTrial]) -> list[DivergedTraining]:
    """Diverged trainings, in the order of their trials."""
    return [each for trial in trials for each in diverged_of(trial)]


def all_results(trials: Sequence[FrozenTrial]) -> list[CellResult]:
    """Cells with a finished training, even if another training of the cell diverged."""
    found: dict[str, list[FrozenTrial]] = {}
    for trial in trials:
        if trial.state == TrialState.COMPLETE or is_diverged(trial):
            found.setdefault(str(trial.user_attrs["cell"]), []).append(trial)
    results = []
    for key, mine in found.items():
        trainings = {each.replicate: each for trial in mine for each in _trainings(trial)}
        ordered = sorted(trainings.values(), key=lambda each: (each.replicate.split, each.replicate.seed))
        marks = mine[0].user_attrs
        cell = {**marks.get("fixed", {}), **mine[0].params}
        numbers = tuple(trial.number for trial in mine)
        if ordered or not any(map(is_diverged, mine)):
            results.append(CellResult(key, cell, tuple(ordered), numbers, marks.get("stage")))
    return results


def _trainings(trial: FrozenTrial) -> list[Training]:
    return [
        Training(replicate, note["run_id"], {key: number for key, number in note.items() if key != "run_id"})
        for replicate, note in notes_of(trial).items()
        if is_whole(note)
    ]


def ranked(results: Sequence[CellResult], objective: Objective) -> list[CellResult]:
    """Sort cells by the mean over replicates, best first; among equals, lower validation loss first."""
    sign = -1 if objective.direction == "maximize" else 1
    return sorted(results, key=lambda each: (sign * each.mean(objective.metric), _last(each.mean("val/loss"))))


def _last(value: float) -> float:
    return float("inf") if np.isnan(value) else value


def pareto_front(results: Sequence[CellResult], objectives: Sequence[Objective]) -> list[CellResult]:
    """Cells of the Pareto front: no other cell is better in one objective without being worse in another."""
    signs = np.array([1 if each.direction == "maximize" else -1 for each in objectives])
    means = [signs * [result.mean(each.metric) for each in objectives] for result in results]
    return [
        result
        for result, mine in zip(results, means, strict=True)
        if not any((other >= mine).all() and (other > mine).any() for other in means)
    ]


def table_of(
    study: Study, results: Sequence[CellResult], diverged: Sequence[DivergedTraining] = ()
) -> list[dict[str, Any]]:
    """One row per training: factors, replicate, run and scores; inactive factors of a cell are empty.

    If trainings diverged, a last column marks them; their rows have no scores.
    """
    names = sorted({name for result in results for each in result.trainings for name in each.scores})
    has_stages = any(
        stage is not None for stage in [each.stage for each in results] + [each.stage for each in diverged]
    )

    def row(
        key: str, cell: Cell, replicate: Replicate | None, run_id: str, scores: dict[str, float], stage: str | None
    ) -> dict[str, Any]:
        return {
            **{factor.name: cell.get(factor.name) for factor in study.factors},
            "seed": None if replicate is None else replicate.seed,
            "split": None if replicate is None else replicate.split,
            "cell": key,
            **({"stage": stage} if has_stages else {}),
            "run_id": run_id,
            **{name: scores.get(name) for name in names},
        }

    rows = [
        row(result.key, result.cell, each.replicate, each.run_id, each.scores, result.stage)
        for result in results
        for each in result.trainings
    ]
    if not diverged:
        return rows
    broken = [row(each.key, each.cell, each.replicate, each.run_id, {}, each.stage) for each in diverged]
    reasons = ["" for _ in rows] + [each.reason for each in diverged]
    return [{**each, DIVERGED: reason} for each, reason in zip([*rows, *broken], reasons, strict=True)]


def csv_of(rows: Sequence[dict[str, Any]]) -> str:
    """Format rows with equal keys as CSV with a header; empty without rows."""
    out = io.StringIO()
    if rows:
        writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return out.getvalue()


def levels_text(cell: dict[str, Scalar]) -> str:
    """Format the levels of a cell: `qubits 10, lr 0.001`."""
    return ", ".join(f"{name.rpartition('.')[2]} {level}" for name, level in cell.items())
