"""The checkpoints of a run: the best epoch's, and one to go on from."""

import time
from typing import final

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint

_LAST_EVERY_S = 1.0


@final
class BestAndLast(ModelCheckpoint):
    """Keeps `best.ckpt`, the highest validation accuracy and among equals the lowest loss, and `last.ckpt`.

    `last.ckpt` is the state at the end of an epoch: of every one that ends a second or more after the previous writing,
    and of the last one. (Lightning's own `save_last` writes it only with a new best.)
    """

    def __init__(self) -> None:
        super().__init__(
            monitor="val/selection",
            mode="max",
            filename="best",
            save_last=False,
            save_on_train_epoch_end=True,
            enable_version_counter=False,
            auto_insert_metric_name=False,
        )
        self._due = 0.0
        self._last_global_step_saved = -1  # an estimator's fit has no steps; Lightning's 0 takes that for nothing done

    @property
    def state_key(self) -> str:
        return "BestAndLast"  # asked for with every hook; ModelCheckpoint builds a long one from its settings

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        super().on_train_epoch_end(trainer, pl_module)
        if trainer.fast_dev_run:  # type: ignore[attr-defined]
            return
        now = time.monotonic()
        if trainer.strategy.broadcast(_is_last_epoch(trainer) or now >= self._due):  # all processes write, or none
            self.last_model_path = self.format_checkpoint_name({}, self.CHECKPOINT_NAME_LAST)
            trainer.save_checkpoint(self.last_model_path)
            self._due = now + _LAST_EVERY_S


def _is_last_epoch(trainer: Trainer) -> bool:
    limits = ((trainer.current_epoch + 1, trainer.max_epochs), (trainer.global_step, trainer.max_steps))
    return trainer.should_stop or any(limit is not None and 0 <= limit <= count for count, limit in limits)
