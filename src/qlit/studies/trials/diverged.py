"""Trials whose training diverged: finished, never chosen, and for a sampler worse than all others.

Optuna has no state for them. They are stored as PRUNED without a value: these are not trained again, and the TPE
sampler ranks them below every trial with a value. A value that is not a number would make an SQLite storage unreadable,
and other storages would treat it as the best value.
"""

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from qlit.studies.definition import Cell, Replicate

DIVERGED = "diverged"
"""Attribute of a diverged trial and of its diverged replicate; its value is the reason."""

RESULT = "result"
"""First word of the attributes with the results of a trial's replicates; seed and split follow."""

_OLDER = "its scores are not finite numbers (trained by an older qlit)"


@dataclass(frozen=True)
class DivergedTraining:
    """A training that diverged.

    Args:
        key: Key that identifies its cell.
        cell: Levels of the factors.
        trial: Number of its trial.
        reason: One sentence about the divergence.
        replicate: Seed and split; None if an older qlit did not store them.
        run_id: Id of its MLflow run; empty in the same case.
        stage: Stage of a two-stage study.
    """

    key: str
    cell: Cell
    trial: int
    reason: str
    replicate: Replicate | None
    run_id: str
    stage: str | None


def is_diverged(trial: FrozenTrial) -> bool:
    """Whether a trial diverged; an older qlit stored it as complete with values that are not finite."""
    if trial.state == TrialState.PRUNED:
        return DIVERGED in trial.user_attrs
    return trial.state == TrialState.COMPLETE and not (
        all(map(_is_finite, trial.values)) and all(is_whole(note) for note in notes_of(trial).values())
    )


def notes_of(trial: FrozenTrial) -> dict[Replicate, dict[str, Any]]:
    """Results of a trial's replicates: `run_id` and scores, or `run_id` and the reason of the divergence."""
    found = {}
    for name, value in trial.user_attrs.items():
        if name.startswith(f"{RESULT} "):
            seed, split = map(int, name.split()[1:])
            found[Replicate(seed, split)] = value
    return found


def is_whole(note: Mapping[str, Any]) -> bool:
    """Whether a replicate's result consists of finite scores."""
    return DIVERGED not in note and all(_is_finite(value) for key, value in note.items() if key != "run_id")


def _is_finite(value: float) -> bool:
    return abs(value) < 1.7976931348623157e308  # False for NaN; MLflow stores infinity as the largest double


def diverged_of(trial: FrozenTrial) -> list[DivergedTraining]:
    """Diverged trainings of a trial."""
    if not is_diverged(trial):
        return []
    marks = trial.user_attrs
    key, cell = str(marks["cell"]), {**marks.get("fixed", {}), **trial.params}
    broken = {replicate: note for replicate, note in notes_of(trial).items() if not is_whole(note)}
    if not broken:
        return [
            DivergedTraining(key, cell, trial.number, str(marks.get(DIVERGED, _OLDER)), None, "", marks.get("stage"))
        ]
    return [
        DivergedTraining(
            key, cell, trial.number, str(note.get(DIVERGED, marks.get(DIVERGED, _OLDER))), replicate,
            str(note.get("run_id", "")), marks.get("stage"),
        )
        for replicate, note in broken.items()
    ]  # fmt: skip


def mend(path: Path) -> int:
    """Mark trials of an SQLite storage with values that are not numbers as diverged; return how many.

    SQLite stores NaN as NULL. Optuna then refuses to read any trial of the file.
    """
    if not path.exists():
        return 0
    with closing(sqlite3.connect(path, timeout=60.0)) as connection, connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not {"trials", "trial_values", "trial_user_attributes"} <= tables:
            return 0
        broken = connection.execute(
            "SELECT DISTINCT trial_id FROM trial_values WHERE value IS NULL AND value_type = 'FINITE'"
        ).fetchall()
        for found in broken:
            connection.execute("DELETE FROM trial_values WHERE trial_id = ?", found)
            connection.execute("UPDATE trials SET state = 'PRUNED' WHERE trial_id = ?", found)
            connection.execute(
                "INSERT OR REPLACE INTO trial_user_attributes (trial_id, key, value_json) VALUES (?, ?, ?)",
                (*found, DIVERGED, json.dumps(_OLDER)),
            )
        return len(broken)
