"""Notices about a fit that trained nothing or could not choose an epoch. Runs before the user's callbacks."""

from typing import final

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import StochasticWeightAveraging

from qlit.data import Notice
from qlit.training.module import SentenceClassifier


@final
class FitNotices(Callback):
    """Add a notice to the module if limits left no training step or no validation."""

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, SentenceClassifier)
        if pl_module.divergence is not None:
            return  # the notice of the divergence explains the early end
        if any(isinstance(callback, StochasticWeightAveraging) for callback in trainer.callbacks):  # type: ignore[attr-defined]
            text = (
                "StochasticWeightAveraging averages the weights only after the checkpoints are written, so the "
                "checkpoints and the test use weights without averaging; use "
                "lightning.pytorch.callbacks.EMAWeightAveraging or WeightAveraging instead"
            )
            pl_module.add_notice(Notice("weights_averaged", text))
        if pl_module.automatic_optimization and not trainer.global_step:
            text = f"no training step was made ({_limits(trainer)}): the scores belong to the starting parameters"
            pl_module.add_notice(Notice("untrained", text))
        elif not pl_module.history.get("val/accuracy"):
            text = f"no epoch was validated ({_limits(trainer)}), so none was chosen; the test uses the last parameters"
            pl_module.add_notice(Notice("not_validated", text))


def _limits(trainer: Trainer) -> str:
    """Trainer options that may be the reason, with their values."""
    asked: dict[str, object] = {
        "limit_train_batches": trainer.limit_train_batches,
        "limit_val_batches": trainer.limit_val_batches,
        "max_epochs": trainer.max_epochs,
        "max_steps": trainer.max_steps,
        "check_val_every_n_epoch": trainer.check_val_every_n_epoch,
    }
    usual = {"limit_train_batches": 1.0, "limit_val_batches": 1.0, "max_steps": -1, "check_val_every_n_epoch": 1}
    changed = [f"{name} {value}" for name, value in asked.items() if usual.get(name) != value]
    return f"trainer: {', '.join(changed)}"
