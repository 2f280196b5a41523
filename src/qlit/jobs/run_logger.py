"""Lightning's view of a tracker: the logger of a trainer."""

from argparse import Namespace
from collections.abc import Mapping
from typing import Any, final

from lightning.fabric.loggers.logger import rank_zero_experiment
from lightning.pytorch import Trainer
from lightning.pytorch.loggers.logger import Logger
from lightning.pytorch.utilities import rank_zero_only

from qlit.tracking.tracker import MLflowTracker


@final
class RunLogger(Logger):
    """Passes what Lightning logs to a tracker, on rank zero. The run stays open over fit and test.

    Args:
        tracker: Tracker of the run. From now on it is active on rank zero only.
    """

    def __init__(self, tracker: MLflowTracker) -> None:
        super().__init__()
        self.tracker = tracker
        tracker.is_active = is_rank_zero

    @property
    def name(self) -> str:
        """Name of the experiment."""
        return self.tracker.experiment

    @property
    def version(self) -> str | None:
        """Id of the run; None before it is opened and on ranks other than zero."""
        return self.tracker.run_id

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        """MLflow's client, which opens the run; a dummy on ranks other than zero."""
        return self.tracker.client

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log scalars, as `MLflowTracker.log_metrics`."""
        self.tracker.log_metrics(metrics, step)

    def log_hyperparams(self, params: Mapping[str, Any] | Namespace, *_: Any, **__: Any) -> None:
        """Log parameters, as `MLflowTracker.log_hyperparams`."""
        self.tracker.log_hyperparams(params)

    def save(self) -> None:
        """Send metrics if they are due; Lightning calls this after every logging."""
        self.tracker.flush_if_due()

    def finalize(self, status: str) -> None:  # noqa: ARG002 - Lightning calls this after fit and test alike
        """Send the waiting metrics; the caller of the trainer closes the run."""
        self.tracker.flush()


def is_rank_zero() -> bool:
    """Whether this process is rank zero of a training, or the only one."""
    return bool(rank_zero_only.rank == 0)  # type: ignore[attr-defined]


def trackers_of(trainer: Trainer) -> list[MLflowTracker]:
    """Trackers among the loggers of a trainer."""
    return [logger.tracker for logger in trainer.loggers if isinstance(logger, RunLogger)]


def tracker_of(trainer: Trainer) -> MLflowTracker | None:
    """The trainer's tracker, if it has one."""
    return next(iter(trackers_of(trainer)), None)
