"""Callback that prunes a training: it ends early if its validation accuracy is poor."""

from collections.abc import Callable

from lightning.pytorch import Callback, LightningModule, Trainer

from qlit.training.module import SentenceClassifier


class Pruning(Callback):
    """Asks after every epoch whether to prune: rank 0 asks, and all processes follow the answer.

    Args:
        give_up: Called with the number of the epoch and its validation accuracy; whether to stop. None to never stop;
            it must be None in all processes or in none.
    """

    def __init__(self, give_up: Callable[[int, float], bool] | None) -> None:
        self._give_up, self.gave_up = give_up, False

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, SentenceClassifier)
        found = pl_module.evaluations.get("val")
        if self._give_up is None or found is None or found.epoch != trainer.current_epoch:
            return  # no validation, or a diverged epoch, which ends the training by itself
        asked = self._give_up(found.epoch, found.scores["val/accuracy"]) if trainer.is_global_zero else False
        # The epoch ends normally and is the last one; an exception would close the run as FAILED.
        if trainer.strategy.broadcast(asked):
            self.gave_up = trainer.should_stop = True
