"""Leave the signal handlers of a process to its owner."""

from lightning.pytorch import Trainer
from lightning.pytorch.trainer.connectors.signal_connector import _SignalConnector


class _NoSignals(_SignalConnector):
    """Lightning's signal connector without its handlers."""

    def register_signal_handlers(self) -> None:
        self.received_sigterm = False


def use_no_signal_handlers(trainer: Trainer) -> None:
    """Keep Lightning from installing its handlers while a trainer works."""
    trainer._signal_connector = _NoSignals(trainer)
