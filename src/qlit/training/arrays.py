"""Train a head on embeddings in memory with the module and the loop of `qlit fit`, without files, runs and messages.

Shapes: N rows, D features.
"""

import logging
import os
import signal
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from qlit.data import LabelledTexts, Split
from qlit.training.checks import check_training
from qlit.training.datamodule import SentenceDataModule
from qlit.training.epoch_loop import use_direct_steps
from qlit.training.evaluation import Evaluation
from qlit.training.module import SentenceClassifier
from qlit.training.signals import use_no_signal_handlers

_LOCK = threading.RLock()
_ACCELERATORS = {"cpu": "cpu", "cuda": "gpu", "mps": "mps"}
_NO_FOLDER = os.devnull  # Lightning would resume from a file hpc_ckpt_*.ckpt in the current folder
_LOGGERS = ("lightning.pytorch", "lightning.fabric", "lightning.pytorch.utilities.rank_zero")


@dataclass(frozen=True, eq=False)
class Rows:
    """Embeddings with their classes.

    Args:
        embeddings: Shape (N, D).
        labels: Class indices, int64, shape (N,).
    """

    embeddings: Tensor
    labels: Tensor


@contextmanager
def seeded(seed: int, device: str = "cpu") -> Iterator[None]:
    """Context in which torch's generators start at a seed; afterwards they continue as if nothing had happened.

    The generators belong to the process, so only one thread at a time is in such a context.

    Args:
        seed: The seed.
        device: Torch device whose generator is seeded beside the CPU's.
    """
    kind = torch.device(device).type
    with _LOCK:
        before = torch.get_rng_state()
        of_gpus = torch.cuda.get_rng_state_all() if kind == "cuda" else []
        of_mps = torch.mps.get_rng_state() if kind == "mps" else None
        torch.default_generator.manual_seed(seed)
        if kind != "cpu":
            torch.manual_seed(seed)
        try:
            yield
        finally:
            torch.set_rng_state(before)
            if kind == "cuda":
                torch.cuda.set_rng_state_all(of_gpus)
            if of_mps is not None:
                torch.mps.set_rng_state(of_mps)


def fit_rows(
    module: SentenceClassifier,
    train: Rows,
    validation: Rows | None,
    *,
    label_names: Sequence[str],
    max_epochs: int,
    batch_size: int,
    seed: int,
    order_seed: int,
    device: str = "cpu",
) -> Evaluation | None:
    """Train a model as `qlit fit` does with the same settings and seeds; on the CPU the weights are equal bit for bit.

    With validation rows, the model ends with the weights of the best epoch (as `best.ckpt`), otherwise with those of
    the last one. Nothing is printed or written, and torch's generators are restored.

    Args:
        module: Model with its initial weights, made in a context `seeded(seed)`.
        train: Training rows; batches depend on their order.
        validation: Validation rows; None for none.
        label_names: Names of the classes.
        max_epochs: Epochs, at least 1.
        batch_size: Rows of a training batch, at least 1.
        seed: Seed of shots and dropout, as `seed_everything`.
        order_seed: Seed of the order of batches, as `data.seed`.
        device: Torch device of the training.
    Returns:
        Validation of the model's weights; None without validation rows.
    Raises:
        ValueError: If the head does not fit the rows, cannot use one of them, or the training diverges.
    """
    check_training(module.head, max_epochs=max_epochs, num_processes=1)
    module.run_seed, module.is_tested = seed, False
    data = _data_of(train, validation, label_names, batch_size=batch_size, seed=order_seed)
    best = _BestWeights()
    with seeded(seed, device), _silence():
        trainer = Trainer(
            accelerator=_ACCELERATORS[torch.device(device).type],
            devices=1 if torch.device(device).type == "cpu" else [torch.device(device).index or 0],
            max_epochs=max_epochs,
            limit_val_batches=0 if validation is None else None,
            logger=False,
            callbacks=[best],
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            default_root_dir=_NO_FOLDER,
            plugins=[LightningEnvironment()],  # a job of Slurm or torchrun may contain many fits
        )
        use_direct_steps(trainer)
        use_no_signal_handlers(trainer)
        with _interruptible():
            trainer.fit(module, datamodule=data)
    module.trainer = None
    if module.divergence is not None:
        raise ValueError(module.divergence.text)
    if best.weights is not None:
        module.load_state_dict(best.weights)
    module.eval()
    return best.evaluation


def _data_of(
    train: Rows, validation: Rows | None, label_names: Sequence[str], *, batch_size: int, seed: int
) -> SentenceDataModule:
    """A data module that has these rows already, and loads nothing."""
    parts = [train] if validation is None else [train, validation]
    names = ("X", "X_val")
    data = SentenceDataModule(batch_size=batch_size, seed=seed)
    data.texts = LabelledTexts(
        tuple(f"{name}[{row}]" for name, part in zip(names, parts, strict=False) for row in range(len(part.labels))),
        tuple(label for part in parts for label in part.labels.tolist()),
        tuple(label_names),
        "arrays",
    )
    num_train, num_rows = len(train.labels), len(data.texts)
    rows = np.arange(num_rows)
    data.split = Split(rows[:num_train], rows[num_train:], rows[:0], fingerprint="", num_leaked=0)
    data._embeddings = torch.cat([part.embeddings for part in parts])
    return data


@final
class _BestWeights(Callback):
    """Copy the weights of the best validation; the same choice as `BestAndLast`."""

    def __init__(self) -> None:
        self.evaluation: Evaluation | None = None
        self.weights: dict[str, Tensor] | None = None

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, SentenceClassifier)
        found = pl_module.evaluations.get("val")
        if found is None or found.step != trainer.global_step or pl_module.divergence is not None:
            return
        if self.evaluation is None or found.is_better_than(self.evaluation, pl_module.select_by):
            self.evaluation = found
            self.weights = {name: value.detach().cpu().clone() for name, value in pl_module.state_dict().items()}


@contextmanager
def _silence() -> Iterator[None]:
    """Context without Lightning's messages and advice, which concern trainings that a user configures."""
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"lightning\.")
        warnings.filterwarnings("ignore", message=".*treespec, LeafSpec.* is deprecated.*")  # Lightning 2.6, torch 2.13
        warnings.filterwarnings("ignore", message=".*`srun` command is available.*")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Context in which Ctrl-C raises a KeyboardInterrupt, where Lightning would end the process."""
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit as stop:
        if not isinstance(stop.__context__, KeyboardInterrupt):
            raise
        signal.signal(signal.SIGINT, before)  # Lightning ignores further ones
        raise KeyboardInterrupt from None
