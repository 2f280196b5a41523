"""A callback that ends a training early where somebody gives it up."""

from collections.abc import Callable

from lightning.pytorch import Callback, LightningModule, Trainer

from qlit.training.module import SentenceClassifier


class Pruning(Callback):
    """Asks after each epoch whether to give up: rank 0 asks, and all processes do as it was told.

    Args:
        give_up: Asked with the epoch's number and validation accuracy; None for never, in all processes or in none.
    """

    def __init__(self, give_up: Callable[[int, float], bool] | None) -> None:
        self._give_up, self.gave_up = give_up, False

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, SentenceClassifier)
        found = pl_module.evaluations.get("val")
        if self._give_up is None or found is None or found.epoch != trainer.current_epoch:
            return  # also of an epoch that diverged, which ends by itself
        asked = self._give_up(found.epoch, found.scores["val/accuracy"]) if trainer.is_global_zero else False
        # An exception would leave the run as FAILED; this way its epoch comes to its end, and is the last.
        if trainer.strategy.broadcast(asked):
            self.gave_up = trainer.should_stop = True
