"""Callback that opens the runs of a trainer and closes them with the right status."""

from lightning.pytorch import Callback, LightningModule, Trainer

from qlit.jobs.run_logger import trackers_of
from qlit.runtime.interrupts import seconds_since_stop
from qlit.runtime.retry import OutageError, first_line
from qlit.tracking.tracker import Status


class RunStatus(Callback):
    """Starts the trackers of a trainer, and closes their runs as KILLED after an interruption, FAILED after an error.

    Lightning reports both to its loggers as "failed". After a success, the caller closes the runs.
    """

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:  # noqa: ARG002
        for tracker in trackers_of(trainer):
            tracker.start()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:  # noqa: ARG002
        close_after(trainer, exception)


def close_after(trainer: Trainer, error: BaseException) -> None:
    """Close the runs of a trainer after an error: as KILLED after an interruption, else as FAILED."""
    # `StoppedBySignal` and Lightning's SIGTERMException are SystemExits. An outage is not a fault of the training.
    killed = isinstance(error, KeyboardInterrupt | SystemExit | OutageError) or seconds_since_stop() is not None
    status: Status = "KILLED" if killed else "FAILED"
    for tracker in trackers_of(trainer):
        tracker.close(status, first_line(error))
