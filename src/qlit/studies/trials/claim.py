"""A trial claimed by a worker."""

from dataclasses import dataclass

from optuna.trial import Trial

from qlit.studies.definition import Cell, Replicate
from qlit.studies.trials.queue import SCREENING


@dataclass(frozen=True)
class Claimed:
    """A trial that this process trains.

    Args:
        trial: Optuna's trial.
        cell: Levels of the factors.
        replicates: Replicates to train.
        restarts: Number of earlier attempts.
        stage: Stage of a two-stage study: `screening` or `search`.
    """

    trial: Trial
    cell: Cell
    replicates: tuple[Replicate, ...]
    restarts: int
    stage: str | None = None

    @property
    def may_be_pruned(self) -> bool:
        """Whether a pruner may stop it; not in a screening, whose effects need the results of all cells."""
        return self.stage != SCREENING
