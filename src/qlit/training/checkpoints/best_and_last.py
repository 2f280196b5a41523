"""Write the checkpoints of a run: the best one, and the last one to resume from."""

import time
from pathlib import Path
from typing import Any, final

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint

from qlit.data import Notice
from qlit.training.checkpoints.earlier_best import EarlierBest, find_best
from qlit.training.evaluation import Evaluation
from qlit.training.module import SentenceClassifier
from qlit.training.positions import validates_within_epochs

_LAST_EVERY_S = 1.0


@final
class BestAndLast(ModelCheckpoint):
    """Write `best.ckpt`, the best by the module's `select_by`, and `last.ckpt`.

    `best.ckpt` has the weights of the best validation, which may be in the middle of an epoch. `last.ckpt` has
    the state at the end of an epoch or, if a scheduler stopped the training (within_epoch.py), in the middle of one. It
    is written after every epoch that ends at least a second after the previous write, and after the last one.
    (Lightning's own `save_last` writes it only with a new best.) Neither is written for an epoch in which the training
    diverged.

    Args:
        resumed_from: Checkpoint from which the training is resumed. The best checkpoint so far is recognised by its
            content even if the folder was moved, and is copied to the run's folder if it is elsewhere.
    """

    def __init__(self, resumed_from: str | Path | None = None) -> None:
        super().__init__(
            monitor="val/selection",
            mode="max",
            filename="best",
            save_last=False,
            enable_version_counter=False,
            auto_insert_metric_name=False,
        )
        self.best: Evaluation | None = None
        """Evaluation of the weights in `best.ckpt`; None while there is no such file."""
        self._resumed_from = None if resumed_from is None else Path(resumed_from)
        self._state: dict[str, Any] = {}
        self._due = 0.0

    @property
    def state_key(self) -> str:
        return "BestAndLast"  # used with every hook, so short; ModelCheckpoint would build a long key from its settings

    def state_dict(self) -> dict[str, Any]:
        best = None if self.best is None else self.best.as_dict()
        return {"best": best, "best_model_path": self.best_model_path, "best_model_score": self.best_model_score}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._state = state_dict  # of the resumed run, whose folder may have moved; see `on_fit_start`

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, SentenceClassifier)
        if self._resumed_from is None or trainer.fast_dev_run:  # type: ignore[attr-defined]
            return
        resumed_from, self._resumed_from = self._resumed_from, None
        folder = Path(str(self.dirpath))
        found: EarlierBest | None = None
        if trainer.is_global_zero:
            found = find_best(resumed_from, folder, self._state, run_id=pl_module.checkpoint_notes.get("run_id"))
        found = trainer.strategy.broadcast(found)
        assert found is not None
        if found.best is not None:
            self._set_best(found.best, str(folder / f"best{self.FILE_EXTENSION}"))
        if found.lost:
            pl_module.add_notice(Notice("best_lost", found.lost))

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, SentenceClassifier)
        if trainer.state.fn == "fit" and not trainer.sanity_checking and validates_within_epochs(trainer):
            self._keep_if_best(trainer, pl_module)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, SentenceClassifier)
        if pl_module.divergence is not None:
            return  # a training cannot be resumed from a state that is not finite
        if trainer.fast_dev_run:  # type: ignore[attr-defined]
            return
        if not validates_within_epochs(trainer):
            self._keep_if_best(trainer, pl_module)
        now = time.monotonic()
        if trainer.strategy.broadcast(_is_last_epoch(trainer) or now >= self._due):  # all processes must decide alike
            self.write_last(trainer)
            self._due = now + _LAST_EVERY_S

    def write_last(self, trainer: Trainer) -> None:
        """Write `last.ckpt`; all processes of the training call this together."""
        self.last_model_path = self.format_checkpoint_name({}, self.CHECKPOINT_NAME_LAST)
        trainer.save_checkpoint(self.last_model_path)

    def _keep_if_best(self, trainer: Trainer, module: SentenceClassifier) -> None:
        found = module.evaluations.get("val")
        if trainer.fast_dev_run or module.divergence is not None:  # type: ignore[attr-defined]
            return
        if found is None or found.step != trainer.global_step:
            return  # the validation did not score the present weights
        if self.best is not None and self.best.num_seen not in (None, found.num_seen):
            text = (
                f"The best checkpoint is from epoch {found.epoch} or later: earlier epochs were validated on "
                f"{self.best.num_seen:,} sentences instead of {found.num_seen:,}."
            )
            module.add_notice(Notice("best_restarted", text))
        elif self.best is not None and not found.is_better_than(self.best, module.select_by):
            return
        self._set_best(found, self.format_checkpoint_name({}))
        self._save_checkpoint(trainer, self.best_model_path)

    def _set_best(self, best: Evaluation, path: str) -> None:
        self.best, self.best_model_path = best, path
        self.best_model_score = torch.tensor(best.scores["val/selection"], dtype=torch.float64)


def _is_last_epoch(trainer: Trainer) -> bool:
    limits = ((trainer.current_epoch + 1, trainer.max_epochs), (trainer.global_step, trainer.max_steps))
    return trainer.should_stop or any(limit is not None and 0 <= limit <= count for count, limit in limits)
