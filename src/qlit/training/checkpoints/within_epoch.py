"""Stop a training between two batches of an epoch, and resume it there, with the same results as without the stop.

A checkpoint within an epoch needs more than Lightning stores: the training scores that the epoch has so far and the
states of the random number generators, which are different in every process; and the batch with which to continue.
"""

import math
import signal
from typing import Any, final

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from qlit.runtime.batch_job import job_folder
from qlit.runtime.interrupts import held_signal, hold_signals, release_signals, stop_by
from qlit.training.batches import BatchLoader
from qlit.training.checkpoints.best_and_last import BestAndLast
from qlit.training.divergence import weight_beyond
from qlit.training.epoch_loop import DirectEpochLoop
from qlit.training.evaluation import WITHIN_EPOCH
from qlit.training.module import SentenceClassifier


@final
class StopWithinEpoch(Callback):
    """In a submitted job, write `last.ckpt` and stop after the batch in which SIGUSR1 or SIGTERM arrives.

    The scheduler sends one of them before the time limit, for a pre-emption and to cancel a job. All processes of a
    training stop after the same batch. After the last batch of an epoch the training continues to the first batch of
    the next one, so that validation and checkpoints of the epoch are complete. In every training, the callback restores
    the state of such a checkpoint.
    """

    def __init__(self) -> None:
        self._is_stopping = False
        self._restored: list[dict[str, Any]] | None = None

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:  # noqa: ARG002
        if trainer.state.fn == "fit":
            self._restored = checkpoint.get(WITHIN_EPOCH)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, SentenceClassifier)
        if self._restored is not None:
            kept, self._restored = self._restored, None
            _restore(kept[trainer.global_rank], trainer, pl_module)
        hold_signals()
        if job_folder() is None:  # no signal is held, so the processes need not ask each other after every batch
            return
        loop = trainer.fit_loop.epoch_loop
        assert isinstance(loop, DirectEpochLoop)
        loop.after_batch = lambda: self._after_batch(trainer, pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        release_signals()

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        assert isinstance(pl_module, SentenceClassifier)
        if self._is_stopping:
            checkpoint[WITHIN_EPOCH] = _of_all(trainer, _state(trainer, pl_module))

    def _after_batch(self, trainer: Trainer, module: SentenceClassifier) -> None:
        number = int(held_signal() or 0)
        if trainer.world_size > 1:
            told = torch.tensor(number, device=trainer.strategy.root_device)
            number = int(trainer.strategy.reduce(told, reduce_op="max"))
        loop = trainer.fit_loop.epoch_loop
        if not number or loop._num_ready_batches_reached() or loop._should_accumulate() or loop._is_training_done:
            return
        # A training cannot be resumed from weights that are not finite: it repeats the epoch, and diverges again.
        is_finite = weight_beyond(math.inf, head=module.head, body=module.body) is None
        for callback in trainer.checkpoint_callbacks:
            if isinstance(callback, BestAndLast) and is_finite:
                self._is_stopping = True
                callback.write_last(trainer)
                self._is_stopping = False
        stop_by(signal.Signals(number))


def _state(trainer: Trainer, module: SentenceClassifier) -> dict[str, Any]:
    """What the rest of the epoch depends on in this process, beside the state that Lightning stores."""
    collected = module.scores_of("train").collected()
    return {
        "num_batches": trainer.fit_loop.epoch_loop.batch_progress.current.ready,
        "train_scores": None if collected is None else [part.cpu() for part in collected],
        "random_state": torch.get_rng_state(),
        "cuda_random_state": torch.cuda.get_rng_state(module.device) if module.device.type == "cuda" else None,
    }


def _restore(kept: dict[str, Any], trainer: Trainer, module: SentenceClassifier) -> None:
    loader = trainer.train_dataloader
    assert isinstance(loader, BatchLoader)
    loader.first_batch = kept["num_batches"]
    module.scores_of("train").clear()
    if kept["train_scores"] is not None:
        logits, labels, losses = (part.to(module.device) for part in kept["train_scores"])
        module.scores_of("train").add(logits, labels, losses)
    try:
        torch.set_rng_state(kept["random_state"].cpu())
        if kept["cuda_random_state"] is not None and module.device.type == "cuda":
            torch.cuda.set_rng_state(kept["cuda_random_state"].cpu(), module.device)
    except RuntimeError as error:
        raise ValueError(f"The checkpoint has a state of random numbers that torch refuses ({error}).") from error


def _of_all(trainer: Trainer, own: dict[str, Any]) -> list[dict[str, Any]]:
    """The states of all processes, by rank."""
    if trainer.world_size == 1:
        return [own]
    found: list[dict[str, Any]] = [{}] * trainer.world_size
    torch.distributed.all_gather_object(found, own)
    return found
