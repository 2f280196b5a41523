"""The steps of a training epoch without what nobody asked for.

Lightning goes through some forty hooks, profiler contexts and metric tables a step, about 1 ms, where a step of a small
circuit takes half of that. Here a step is the same five things in the same order (fetch, training step, backward,
optimiser, progress), done directly while nothing hangs on the hooks between them; otherwise Lightning's own loop runs.
Both leave the same bits and the same progress in checkpoints, so a run may be resumed by either.
"""

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

# What Lightning asks every callback between fetching a batch and counting it. The module and the data module, both ours
# and final, have none of these hooks.
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
    """Lightning's training epoch, with plain steps where nothing is lost by them.

    Steps are plain for a `SentenceClassifier` on one CPU device in 32 bits, without gradient clipping or accumulation,
    a profiler, or a callback that acts on steps.
    """

    _plain = False

    def on_run_start(self, data_fetcher: Any) -> None:
        super().on_run_start(data_fetcher)
        self._plain = not isinstance(data_fetcher, _DataLoaderIterDataFetcher) and _asks_for_nothing(self.trainer)

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
    """Give a trainer that has not run yet a `DirectEpochLoop`."""
    given = trainer.fit_loop.epoch_loop
    trainer.fit_loop.epoch_loop = DirectEpochLoop(trainer, min_steps=given.min_steps, max_steps=given.max_steps)


def _asks_for_nothing(trainer: Trainer) -> bool:
    """Whether every hook of a step would do nothing."""
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
    # Looked up on the object: LambdaCallback sets its hooks there.
    found = {name: getattr(callback, name) for name in _STEP_HOOKS}
    return any(getattr(hook, "__func__", hook) is not getattr(base, name) for name, hook in found.items())
