"""What a user should know about a fit that trained nothing, or could not choose an epoch; ahead of users' callbacks."""

from typing import final

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import StochasticWeightAveraging

from qlit.data import Notice
from qlit.training.module import SentenceClassifier


@final
class FitNotices(Callback):
    """Adds a notice to the module where limits left no training step or no validation."""

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        # Callbacks that average weights copy the model when they are set up, before the module is: its buffers have to
        # have their sizes.
        embeddings = trainer.datamodule.train_embeddings  # type: ignore[attr-defined]
        if stage == "fit" and isinstance(pl_module, SentenceClassifier) and embeddings is not None:
            pl_module.head.fit_center(embeddings)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, SentenceClassifier)
        if pl_module.divergence is not None:
            return  # which is told, and why it ended early
        if any(isinstance(callback, StochasticWeightAveraging) for callback in trainer.callbacks):  # type: ignore[attr-defined]
            text = (
                "StochasticWeightAveraging averages weights after the last epoch, when the checkpoints are written: "
                "what is kept and tested is not averaged; lightning.pytorch.callbacks.WeightAveraging averages for them"
            )
            pl_module.add_notice(Notice("weights_averaged", text))
        if pl_module.automatic_optimization and not trainer.global_step:
            text = f"no training step was made ({_limits(trainer)}): scores are those of the starting parameters"
            pl_module.add_notice(Notice("untrained", text))
        elif not pl_module.history.get("val/accuracy"):
            text = f"no epoch was validated ({_limits(trainer)}), so none was chosen: the last parameters are tested"
            pl_module.add_notice(Notice("not_validated", text))


def _limits(trainer: Trainer) -> str:
    """The options that may have done it, as they are set."""
    asked: dict[str, object] = {
        "limit_train_batches": trainer.limit_train_batches,
        "limit_val_batches": trainer.limit_val_batches,
        "max_epochs": trainer.max_epochs,
        "max_steps": trainer.max_steps,
        "check_val_every_n_epoch": trainer.check_val_every_n_epoch,
    }
    usual = {"limit_train_batches": 1.0, "limit_val_batches": 1.0, "max_steps": -1, "check_val_every_n_epoch": 1}
    told = [f"{name} {value}" for name, value in asked.items() if usual.get(name) != value]
    return f"trainer: {', '.join(told)}"
