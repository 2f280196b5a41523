"""Training epoch that skips Lightning hooks nobody overrides.

Lightning runs about forty hooks, profiler contexts and metric tables per step. This takes about 1 ms, twice as long as
a step of a small circuit. The loop here does the same five things in the same order (fetch, training step, backward,
optimiser, progress) without the hooks, if no callback uses them; otherwise Lightning's own loop runs. Both give
bit-identical results and the same progress in checkpoints, so that either can resume a run.
"""

import warnings
from collections.abc import Callable
from typing import Any, final

import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loops.fetchers import _DataLoaderIterDataFetcher
from lightning.pytorch.loops.training_epoch_loop import _TrainingEpochLoop
from lightning.pytorch.plugins.precision import Precision
from lightning.pytorch.profilers import PassThroughProfiler
from lightning.pytorch.strategies import SingleDeviceStrategy

from qlit.training.datamodule import SentenceDataModule
from qlit.training.module import SentenceClassifier

# Hooks that Lightning calls on every callback between fetching and counting a batch. The module and the data module,
# which are final, have none of them.
_STEP_HOOKS = (
    "on_train_batch_start",
    "on_train_batch_end",
    "on_before_zero_grad",
    "on_before_backward",
    "on_after_backward",
    "on_before_optimizer_step",
)


@final
class DirectEpochLoop(_TrainingEpochLoop):
    """Lightning's training epoch, with direct steps if no hook would act.

    Steps are direct for a `SentenceClassifier` on one CPU device in 32 bits, without gradient clipping or accumulation,
    a profiler, or a callback that acts on steps.
    """

    _plain = False
    after_batch: Callable[[], None] | None = None
    """Called after every batch, with all counters advanced and a validation after the batch made."""

    def reset(self) -> None:
        with (
            warnings.catch_warnings()
        ):  # the batch loader is given its place in the epoch (checkpoints/within_epoch.py)
            warnings.filterwarnings("ignore", message=".*your dataloader is not resumable.*")
            super().reset()

    def on_advance_end(self, data_fetcher: Any) -> None:
        super().on_advance_end(data_fetcher)
        if self.after_batch is not None:
            self.after_batch()

    def on_run_start(self, data_fetcher: Any) -> None:
        super().on_run_start(data_fetcher)
        self._plain = not isinstance(data_fetcher, _DataLoaderIterDataFetcher) and _has_no_active_hook(self.trainer)

    def advance(self, data_fetcher: Any) -> None:
        if not self._plain or self.restarting:
            super().advance(data_fetcher)
            return
        self.val_loop.restarting = False
        batch, _, _ = next(data_fetcher)
        progress, trainer = self.batch_progress, self.trainer
        progress.is_last_batch = data_fetcher.done
        progress.increment_ready()
        progress.increment_started()

        optimizer, counts = trainer.optimizers[0], self.automatic_optimization.optim_progress.optimizer
        counts.step.increment_ready()
        with torch.enable_grad():
            loss: Any = trainer.lightning_module.training_step(batch)
            counts.zero_grad.increment_ready()
            counts.zero_grad.increment_started()
            for group in optimizer.param_groups:
                for parameter in group["params"]:
                    parameter.grad = None
            counts.zero_grad.increment_completed()
            loss.backward()
        optimizer.step()
        counts.step.increment_completed()

        progress.increment_processed()
        if self._num_ready_batches_reached():
            self.update_lr_schedulers("epoch", update_plateau_schedulers=False)
        progress.increment_completed()


def use_direct_steps(trainer: Trainer) -> None:
    """Install a `DirectEpochLoop` in a trainer that has not run yet."""
    given = trainer.fit_loop.epoch_loop
    trainer.fit_loop.epoch_loop = DirectEpochLoop(trainer, min_steps=given.min_steps, max_steps=given.max_steps)


def _has_no_active_hook(trainer: Trainer) -> bool:
    """Whether no hook of a step would do anything."""
    return (
        isinstance(trainer.lightning_module, SentenceClassifier)
        and isinstance(trainer.datamodule, SentenceDataModule)  # type: ignore[attr-defined]
        and type(trainer.strategy) is SingleDeviceStrategy
        and trainer.strategy.root_device.type == "cpu"
        and type(trainer.precision_plugin) is Precision
        and type(trainer.profiler) is PassThroughProfiler  # type: ignore[attr-defined]
        and len(trainer.optimizers) == 1
        and trainer.accumulate_grad_batches == 1
        and not trainer.gradient_clip_val
        and not trainer.fit_loop._skip_backward
        and not any(_acts_on_steps(callback) for callback in trainer.callbacks)  # type: ignore[attr-defined]
    )


def _acts_on_steps(callback: Callback) -> bool:
    if isinstance(callback, ModelCheckpoint):
        base: type = ModelCheckpoint
        if callback._every_n_train_steps >= 1 or callback._train_time_interval is not None:
            return True
    else:
        base = Callback
    # Looked up on the object, because LambdaCallback sets its hooks there.
    found = {name: getattr(callback, name) for name in _STEP_HOOKS}
    return any(getattr(hook, "__func__", hook) is not getattr(base, name) for name, hook in found.items())
