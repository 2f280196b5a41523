"""Progress bar over epochs: cheap, and readable in a terminal and in a log file."""

import sys
from typing import Any

import lightning.pytorch as pl
from tqdm import tqdm

from qlit.training.module import SentenceClassifier


class EpochProgress(pl.Callback):
    """Progress bar over epochs with the last losses and accuracies and the best validation accuracy, on stderr."""

    def __init__(self) -> None:
        self._bar: Any = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        if trainer.is_global_zero:
            self._bar = tqdm(
                total=trainer.max_epochs if (trainer.max_epochs or -1) > 0 else None,
                initial=trainer.current_epoch,
                desc="epochs",
                unit="epoch",
                mininterval=0.2 if sys.stderr.isatty() else 10.0,  # seconds; a log file needs fewer lines
                dynamic_ncols=True,
            )

    # The module's scores of an epoch are complete when the next epoch starts.
    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._show(trainer.current_epoch, pl_module)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._show(trainer.current_epoch, pl_module)
        self._close()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:  # noqa: ARG002
        self._close()

    def _show(self, epoch: int, pl_module: pl.LightningModule) -> None:
        if self._bar is None or not isinstance(pl_module, SentenceClassifier) or epoch == self._bar.n:
            return
        history = pl_module.history
        parts = [
            f"{label} {history[name][-1][1]:.{digits}f}"
            for label, name, digits in (
                ("loss", "train/loss", 3),
                ("val loss", "val/loss", 3),
                ("acc", "val/accuracy", 3),
            )
            if history.get(name)
        ]
        if history.get("val/accuracy"):
            parts.append(f"best {max(value for _, value in history['val/accuracy']):.3f}")
        self._bar.set_postfix_str(", ".join(parts), refresh=False)
        self._bar.update(epoch - self._bar.n)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
