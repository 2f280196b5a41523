"""Callback that prunes a training: it ends early if its validation scores are poor."""

from collections.abc import Callable, Mapping

from lightning.pytorch import Callback, LightningModule, Trainer

from qlit.training.module import SentenceClassifier

GiveUp = Callable[[int, Mapping[str, float]], bool]
"""Called with the number of an epoch and its validation scores by name; returns whether to stop."""


class Pruning(Callback):
    """Asks after every epoch whether to prune: rank 0 asks, and all processes follow the answer.

    Args:
        give_up: As `GiveUp`; None to never stop. It must be None in all processes or in none.
    """

    def __init__(self, give_up: GiveUp | None) -> None:
        self._give_up, self.gave_up = give_up, False

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, SentenceClassifier)
        found = pl_module.evaluations.get("val")
        if self._give_up is None or found is None or found.epoch != trainer.current_epoch:
            return  # no validation, or a diverged epoch, which ends the training by itself
        asked = self._give_up(found.epoch, found.scores) if trainer.is_global_zero else False
        # The epoch ends normally and is the last one; an exception would close the run as FAILED.
        if trainer.strategy.broadcast(asked):
            self.gave_up = trainer.should_stop = True
