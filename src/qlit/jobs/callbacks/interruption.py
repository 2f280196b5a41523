"""Stop a trainer after a signal in every stage, and record how to continue."""

import signal
from collections.abc import Callable
from pathlib import Path

from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities.exceptions import SIGTERMException

from qlit.jobs.config.options import readable_errors
from qlit.jobs.outcome import Outcome
from qlit.jobs.run_logger import trackers_of
from qlit.runtime.interrupts import StoppedBySignal, raise_if_stopped
from qlit.training.signals import use_no_signal_handlers


class Interruption(Callback):
    """Callback that records why a trainer stopped, and its last checkpoint.

    Args:
        raise_if_stopped: Called before every stage, epoch and evaluation. It raises if a signal arrived but Python
            dropped its exception.
    """

    def __init__(self, raise_if_stopped: Callable[[], None] = raise_if_stopped) -> None:
        self.signal: signal.Signals | None = None
        self.run_id: str | None = None
        self.last_checkpoint = ""
        self.resume_options = ""
        self._is_noted = False
        self.raise_if_stopped = raise_if_stopped

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:  # noqa: ARG002
        self.raise_if_stopped()

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        self.raise_if_stopped()

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        self.raise_if_stopped()

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        self.raise_if_stopped()

    def on_test_batch_start(self, *_: object) -> None:
        self.raise_if_stopped()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:  # noqa: ARG002
        self.note(trainer, exception)

    def note(self, trainer: Trainer, exception: BaseException) -> None:
        """Record why a trainer stopped, and its last checkpoint if that exists."""
        if isinstance(exception, StoppedBySignal):
            self.signal = exception.signal
        elif isinstance(exception, KeyboardInterrupt):
            self.signal = signal.SIGINT
        elif isinstance(exception, SIGTERMException):
            self.signal = signal.SIGTERM
        self.run_id = next((tracker.run_id for tracker in trackers_of(trainer)), None)
        last = getattr(trainer.checkpoint_callback, "last_model_path", "")
        self.last_checkpoint = last if last and Path(last).is_file() else ""
        if getattr(getattr(trainer, "datamodule", None), "trust_remote_code", False) and not self._is_noted:
            self.resume_options += " --data.trust_remote_code true"  # no checkpoint sets it
        self._is_noted = True


def outcome_or_stop(work: Callable[[], Outcome], interruption: Interruption) -> Outcome:
    """The outcome of a training or an evaluation; "stopped" if a signal ended it."""
    try:
        with readable_errors():
            return work()
    except SystemExit as stop:  # Lightning raises it after a KeyboardInterrupt
        stopped_by = stop.signal if isinstance(stop, StoppedBySignal) else interruption.signal
        if stopped_by is None:
            raise
    return Outcome(
        "stopped",
        interruption.run_id,
        stopped_by=stopped_by,
        checkpoint=interruption.last_checkpoint,
        resume_options=interruption.resume_options,
    )


def keep_our_sigterm_handler(trainer: Trainer) -> None:
    """Keep Lightning from replacing a SIGTERM handler of this process.

    Lightning's handler only records the signal, and only a fit checks the record, after a batch. With several processes
    the handler broadcasts, which may deadlock them. Slurm's automatic requeue needs Lightning's handlers.
    """
    environment = trainer._accelerator_connector.cluster_environment
    requeues = isinstance(environment, SLURMEnvironment) and environment.auto_requeue
    if callable(signal.getsignal(signal.SIGTERM)) and not requeues:
        use_no_signal_handlers(trainer)
