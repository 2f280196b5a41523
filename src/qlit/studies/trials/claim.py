"""A trial in the hands of a worker."""

from dataclasses import dataclass

from optuna.trial import Trial

from qlit.studies.definition import Cell, Replicate
from qlit.studies.trials.queue import SCREENING


@dataclass(frozen=True)
class Claimed:
    """A trial that this process trains.

    Args:
        trial: Optuna's.
        cell: The levels of its factors.
        replicates: What to train it with.
        restarts: How often it was begun before.
        stage: Of a two-stage study: `screening` or `search`.
    """

    trial: Trial
    cell: Cell
    replicates: tuple[Replicate, ...]
    restarts: int
    stage: str | None = None

    @property
    def may_be_pruned(self) -> bool:
        """Whether a pruner may end it early: no cell of a screening, whose effects are told from all cells."""
        return self.stage != SCREENING
