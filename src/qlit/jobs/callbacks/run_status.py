"""A callback that gives each run in MLflow its true status."""

from lightning.pytorch import Callback, LightningModule, Trainer

from qlit.jobs.run_logger import trackers_of
from qlit.runtime.interrupts import seconds_since_stop
from qlit.runtime.retry import OutageError, first_line
from qlit.tracking.tracker import Status


class RunStatus(Callback):
    """Starts the trackers of a trainer, and closes their runs when it is interrupted (KILLED) or fails (FAILED).

    Lightning's loggers hear only "failed" in both cases. A success is closed by the caller, after its last stage.
    """

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:  # noqa: ARG002
        for tracker in trackers_of(trainer):
            tracker.start()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:  # noqa: ARG002
        close_after(trainer, exception)


def close_after(trainer: Trainer, error: BaseException) -> None:
    """Close the runs of a trainer after an error: as KILLED if it was interrupted, else as FAILED."""
    # `StoppedBySignal` and Lightning's SIGTERMException are SystemExits; and a full disk is no fault of the training.
    killed = isinstance(error, KeyboardInterrupt | SystemExit | OutageError) or seconds_since_stop() is not None
    status: Status = "KILLED" if killed else "FAILED"
    for tracker in trackers_of(trainer):
        tracker.close(status, first_line(error))
