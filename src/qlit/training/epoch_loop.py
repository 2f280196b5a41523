"""Training epoch that skips Lightning hooks nobody overrides.

Lightning runs about forty hooks, profiler contexts and metric tables per step. This takes about 1 ms, twice as long as
a step of a small circuit. The loop here does the same five things in the same order (fetch, training step, backward,
optimiser, progress) without the hooks, if no callback uses them; otherwise Lightning's own loop runs. Both give
bit-identical results and the same progress in checkpoints, so that either can resume a run. The steps of an epoch
follow each other without the checks between them, as long as these would find nothing due.

On a GPU, direct steps run many at a time, as an `EpochProgram`.
"""

import warnings
from collections.abc import Callable, Sequence
from typing import Any, final

import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint, WeightAveraging
from lightning.pytorch.loops.fetchers import _DataLoaderIterDataFetcher
from lightning.pytorch.loops.training_epoch_loop import _TrainingEpochLoop
from lightning.pytorch.plugins.precision import Precision
from lightning.pytorch.profilers import PassThroughProfiler
from lightning.pytorch.strategies import SingleDeviceStrategy

from qlit.data import Notice
from qlit.training.averaging import averaging_of
from qlit.training.datamodule import SentenceDataModule
from qlit.training.direct_steps import DirectSteps
from qlit.training.epoch_program import EpochProgram, can_program
from qlit.training.module import SentenceClassifier
from qlit.training.positions import validates_within_epochs
from qlit.training.turns import turns_of_thread

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


_MOST_STEPS = 64  # of a program at once, between which signals are noticed
_FEW_STEPS = 8  # the same where `after_batch` is called between them


@final
class DirectEpochLoop(_TrainingEpochLoop):
    """Lightning's training epoch, with direct steps if no hook would act.

    Steps are direct for a `SentenceClassifier` on one CPU device or one GPU in 32 bits, without gradient clipping or
    accumulation, a profiler, or a callback that acts on steps. On a GPU, they must suit an `EpochProgram`, too.
    Averages of weights are updated here on a CPU; on a GPU, Lightning's loop updates them.
    """

    program_on: tuple[str, ...] = ("cuda",)
    """Types of devices on which epochs are programs."""
    _plain = False
    _program: EpochProgram | None = None  # of this epoch; kept for the next one
    _uses_program = False
    _averaging: Sequence[WeightAveraging] = ()
    after_batch: Callable[[], None] | None = None
    """Called after every batch, with all counters advanced and a validation after the batch made; of a program, after
    the first batch of an epoch and then after every few."""

    def reset(self) -> None:
        with (
            warnings.catch_warnings()
        ):  # the batch loader is given its place in the epoch (checkpoints/within_epoch.py)
            warnings.filterwarnings("ignore", message=".*your dataloader is not resumable.*")
            super().reset()

    def on_advance_end(self, data_fetcher: Any) -> None:
        if (turns := turns_of_thread()) is not None and self._num_ready_batches_reached():
            turns.pass_on(self._launched)
        super().on_advance_end(data_fetcher)
        if self.after_batch is not None:
            self.after_batch()

    def _launched(self) -> None:
        """Return when the steps of the epoch are done."""
        if self._uses_program and self._program is not None:
            self._program.wait()

    def teardown(self) -> None:
        super().teardown()
        self._program = None  # with its copy of the embeddings

    def on_run_start(self, data_fetcher: Any) -> None:
        super().on_run_start(data_fetcher)
        is_direct = not isinstance(data_fetcher, _DataLoaderIterDataFetcher) and _has_no_active_hook(self.trainer)
        device = self.trainer.strategy.root_device.type
        self._plain = is_direct and device == "cpu"
        self._averaging = averaging_of(self.trainer.callbacks)
        may_program = is_direct and not self._averaging and device in self.program_on
        self._uses_program = may_program and self._begin_program()

    def _begin_program(self) -> bool:
        """Prepare the program of this epoch; whether there is one."""
        trainer, module, loader = self.trainer, self.trainer.lightning_module, self.trainer.train_dataloader
        assert isinstance(module, SentenceClassifier)
        (optimizer,) = trainer.optimizers
        if not can_program(module, optimizer, loader):
            self._program = None
            return False
        if self._program is None or not self._program.fits(optimizer, loader):
            self._program = EpochProgram(module, optimizer, loader)
        self._program.begin(loader, trainer.current_epoch, int(trainer.num_training_batches))
        return True

    def advance(self, data_fetcher: Any) -> None:
        if self._uses_program and self._program is not None:
            self._advance_by(self._program, data_fetcher)
            return
        if not self._plain or self.restarting:
            super().advance(data_fetcher)
            return
        self.val_loop.restarting = False
        # Nobody but the steps changes the optimiser until `advance` returns.
        steps = DirectSteps(self.trainer.optimizers[0])
        self._step(data_fetcher, steps)
        if not validates_within_epochs(self.trainer):
            while self._goes_on():
                self._batches_that_stepped += 1
                self._step(data_fetcher, steps)

    def _goes_on(self) -> bool:
        """Whether the next step follows at once, because nothing is due after the last one."""
        trainer = self.trainer
        return not (
            self.batch_progress.is_last_batch
            or trainer.should_stop
            or trainer.received_sigterm
            or self.after_batch is not None
            or self._is_training_done
        )

    def _step(self, data_fetcher: Any, steps: DirectSteps) -> None:
        batch, _, _ = next(data_fetcher)
        progress, trainer = self.batch_progress, self.trainer
        progress.is_last_batch = data_fetcher.done
        progress.increment_ready()
        progress.increment_started()

        counts = self.automatic_optimization.optim_progress.optimizer
        counts.step.increment_ready()
        with torch.enable_grad():
            loss: Any = trainer.lightning_module.training_step(batch)
            counts.zero_grad.increment_ready()
            counts.zero_grad.increment_started()
            for group in trainer.optimizers[0].param_groups:
                for parameter in group["params"]:
                    parameter.grad = None
            counts.zero_grad.increment_completed()
            loss.backward()
        steps.step()
        counts.step.increment_completed()

        progress.increment_processed()
        if self._num_ready_batches_reached():
            self.update_lr_schedulers("epoch", update_plateau_schedulers=False)
        for callback in self._averaging:
            callback.on_train_batch_end(trainer, trainer.lightning_module, None, batch, progress.current.ready - 1)
        progress.increment_completed()

    def _advance_by(self, program: EpochProgram, data_fetcher: Any) -> None:
        """Run the next steps of a program, and count them."""
        if self.restarting:
            if self._should_check_val_fx(data_fetcher):  # a validation must be finished first
                super().advance(data_fetcher)
                return
            self.val_loop.increment_progress_to_evaluation_end()
        self.val_loop.restarting = False
        progress = self.batch_progress
        try:
            program.run(progress.current.ready, self._num_steps())
        finally:
            number, counts = program.num_run, self.automatic_optimization.optim_progress.optimizer
            data_fetcher.fetched += number
            data_fetcher.done = data_fetcher.length is not None and data_fetcher.fetched >= data_fetcher.length
            for counted in (progress, counts.step, counts.zero_grad):
                counted.increment_by(number)
            progress.is_last_batch = data_fetcher.done
        self._batches_that_stepped += number - 1  # the end of this call counts one
        if program.failure is not None:
            module = self.trainer.lightning_module
            assert isinstance(module, SentenceClassifier)
            text = f"Training steps were not recorded as a CUDA graph, and took longer: {program.failure}."
            module.add_notice(Notice("cuda_graph", text))
        if self._num_ready_batches_reached():
            self.update_lr_schedulers("epoch", update_plateau_schedulers=False)

    def _num_steps(self) -> int:
        """Number of steps until the host must act."""
        trainer, ready = self.trainer, self.batch_progress.current.ready
        few = _FEW_STEPS if ready else 1  # a signal may be noticed in every epoch
        numbers = [_MOST_STEPS if self.after_batch is None else few, int(trainer.num_training_batches) - ready]
        if self.max_steps is not None and self.max_steps >= 0:
            numbers.append(self.max_steps - self.global_step)
        if trainer._val_check_time_interval is not None:
            return 1
        if isinstance(trainer.val_check_batch, int) and self._should_check_val_epoch():
            seen = self.batch_progress.total.ready if trainer.check_val_every_n_epoch is None else ready
            numbers.append(trainer.val_check_batch - seen % trainer.val_check_batch)
        return max(1, min(numbers))


def use_direct_steps(trainer: Trainer) -> None:
    """Install a `DirectEpochLoop` in a trainer that has not run yet."""
    given = trainer.fit_loop.epoch_loop
    trainer.fit_loop.epoch_loop = DirectEpochLoop(trainer, min_steps=given.min_steps, max_steps=given.max_steps)


def _has_no_active_hook(trainer: Trainer) -> bool:
    """Whether no hook of a step would do anything, on one device."""
    return (
        isinstance(trainer.lightning_module, SentenceClassifier)
        and isinstance(trainer.datamodule, SentenceDataModule)  # type: ignore[attr-defined]
        and type(trainer.strategy) is SingleDeviceStrategy
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
    bases: dict[str, type] = dict.fromkeys(_STEP_HOOKS, base)
    if isinstance(callback, WeightAveraging):
        bases["on_train_batch_end"] = WeightAveraging  # called by the direct step
    # Looked up on the object, because LambdaCallback sets its hooks there.
    found = {name: getattr(callback, name) for name in _STEP_HOOKS}
    return any(getattr(hook, "__func__", hook) is not getattr(bases[name], name) for name, hook in found.items())
