"""A callback that remembers why a trainer stopped."""

import signal
from collections.abc import Callable

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities.exceptions import SIGTERMException


class Interruption(Callback):
    """Remembers why a trainer stopped, and what a resumed run could start from.

    Args:
        raise_if_lost: Asked before every epoch; raises where a signal came and its exception was dropped.
    """

    def __init__(self, raise_if_lost: Callable[[], None]) -> None:
        self.signal: signal.Signals | None = None
        self.last_checkpoint = ""
        self.go_on_options = ""
        self._raise_if_lost = raise_if_lost

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        self._raise_if_lost()

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        self._raise_if_lost()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:  # noqa: ARG002
        if isinstance(exception, KeyboardInterrupt):
            self.signal = signal.SIGINT
        elif isinstance(exception, SIGTERMException):
            self.signal = signal.SIGTERM
        self.last_checkpoint = getattr(trainer.checkpoint_callback, "last_model_path", "")
        if getattr(getattr(trainer, "datamodule", None), "trust_remote_code", False):
            self.go_on_options = " --data.trust_remote_code true"  # no checkpoint sets it
