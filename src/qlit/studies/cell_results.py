"""What the cells of a study reached, over their replicates, and which are chosen: on validation scores alone."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from optuna.trial import FrozenTrial, TrialState

from qlit.studies.definition import Cell, Objective, Replicate, Scalar, Study
from qlit.studies.statistics import range_of, t_interval
from qlit.training.scores import wilson_interval

_RESULT = "result"
_SENTENCES = {"val/accuracy": "num_validation", "test/accuracy": "num_test"}


@dataclass(frozen=True)
class Training:
    """One training of a cell.

    Args:
        replicate: Its seed and split.
        run_id: Its MLflow run.
        scores: What it reached, by name.
    """

    replicate: Replicate
    run_id: str
    scores: dict[str, float]


@dataclass(frozen=True)
class CellResult:
    """A cell and its finished trainings.

    Args:
        key: What it is recognised by.
        cell: The levels of its factors.
        trainings: One a replicate at most.
        trials: Numbers of its trials.
        stage: Of a two-stage study, in which it was first trained: `screening` or `search`.
    """

    key: str
    cell: Cell
    trainings: tuple[Training, ...]
    trials: tuple[int, ...]
    stage: str | None = None

    def values(self, metric: str) -> list[float]:
        """Of the trainings that have this score."""
        return [each.scores[metric] for each in self.trainings if metric in each.scores]

    def mean(self, metric: str) -> float:
        """Over the replicates; NaN without any."""
        values = self.values(metric)
        return float(np.mean(values)) if values else float("nan")

    def interval(self, metric: str) -> tuple[float, float] | None:
        """95 %: Student's over replicates, within what the score can be; of one, Wilson's; None if not known."""
        values = self.values(metric)
        if len(values) > 1:
            return t_interval(values, range_of(metric))
        sentences = _SENTENCES.get(metric)
        if not values or sentences is None or sentences not in self.trainings[0].scores:
            return None
        return wilson_interval(values[0], int(self.trainings[0].scores[sentences]))

    def text(self, metric: str) -> str:
        """Mean and interval, `0.8512 (0.8440 to 0.8585)`; counts without decimals."""
        interval, mean = self.interval(metric), self.mean(metric)
        spread = f" ({interval[0]:.4f} to {interval[1]:.4f})" if interval else ""
        return f"{mean:.4f}{spread}" if abs(mean) < 100 else f"{mean:,.0f}"


def note_of(replicate: Replicate) -> str:
    """The name under which a trial keeps what a replicate reached."""
    return f"{_RESULT} {replicate.seed} {replicate.split}"


def results_of(trials: Sequence[FrozenTrial]) -> list[CellResult]:
    """The cells that have a finished training, in the order of their first trial."""
    found: dict[str, list[FrozenTrial]] = {}
    for trial in trials:
        if trial.state == TrialState.COMPLETE:
            found.setdefault(str(trial.user_attrs["cell"]), []).append(trial)
    results = []
    for key, mine in found.items():
        trainings = {each.replicate: each for trial in mine for each in _trainings(trial)}
        ordered = sorted(trainings.values(), key=lambda each: (each.replicate.split, each.replicate.seed))
        marks = mine[0].user_attrs
        cell = {**marks.get("fixed", {}), **mine[0].params}
        numbers = tuple(trial.number for trial in mine)
        results.append(CellResult(key, cell, tuple(ordered), numbers, marks.get("stage")))
    return results


def _trainings(trial: FrozenTrial) -> list[Training]:
    found = []
    for name, value in trial.user_attrs.items():
        if name.startswith(_RESULT + " "):
            seed, split = map(int, name.split()[1:])
            scores = {key: number for key, number in value.items() if key != "run_id"}
            found.append(Training(Replicate(seed, split), value["run_id"], scores))
    return found


def ranked(results: Sequence[CellResult], objective: Objective) -> list[CellResult]:
    """The best first, by the mean over replicates; among equals the one of lower validation loss."""
    sign = -1 if objective.direction == "maximize" else 1
    return sorted(results, key=lambda each: (sign * each.mean(objective.metric), _last(each.mean("val/loss"))))


def _last(value: float) -> float:
    return float("inf") if np.isnan(value) else value


def pareto_front(results: Sequence[CellResult], objectives: Sequence[Objective]) -> list[CellResult]:
    """The cells that no other cell beats in one objective without losing in another."""
    signs = np.array([1 if each.direction == "maximize" else -1 for each in objectives])
    means = [signs * [result.mean(each.metric) for each in objectives] for result in results]
    return [
        result
        for result, mine in zip(results, means, strict=True)
        if not any((other >= mine).all() and (other > mine).any() for other in means)
    ]


def table_of(study: Study, results: Sequence[CellResult]) -> list[dict[str, Any]]:
    """A row a training: factors, replicate, run and scores; a factor that is not active in a cell is empty."""
    names = sorted({name for result in results for each in result.trainings for name in each.scores})
    return [
        {
            **{factor.name: result.cell.get(factor.name) for factor in study.factors},
            "seed": each.replicate.seed,
            "split": each.replicate.split,
            "cell": result.key,
            **({} if result.stage is None else {"stage": result.stage}),
            "run_id": each.run_id,
            **{name: each.scores.get(name) for name in names},
        }
        for result in results
        for each in result.trainings
    ]


def csv_of(rows: Sequence[dict[str, Any]]) -> str:
    """Rows with equal keys as CSV with a header; empty without rows."""
    out = io.StringIO()
    if rows:
        writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return out.getvalue()


def levels_text(cell: dict[str, Scalar]) -> str:
    """`qubits 10, lr 0.001`."""
    return ", ".join(f"{name.rpartition('.')[2]} {level}" for name, level in cell.items())
