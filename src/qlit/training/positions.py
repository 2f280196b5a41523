"""Where a training stands: the place of a validation among epochs, and the step under which scores are logged."""

from lightning.pytorch import Trainer


def validates_within_epochs(trainer: Trainer) -> bool:
    """Whether a fit validates at other moments than the end of an epoch."""
    return (
        trainer.val_check_interval != 1.0
        or trainer.check_val_every_n_epoch is None
        or getattr(trainer, "_val_check_time_interval", None) is not None
    )


def position_of(trainer: Trainer) -> float:
    """Place of a validation that is made now on an axis of epochs, on which epoch e ends at e.

    A validation in the middle of an epoch has a fraction: 1.5 lies halfway from the end of epoch 1 to that of epoch 2.
    """
    if not validates_within_epochs(trainer):
        return trainer.current_epoch
    done = trainer.fit_loop.epoch_loop.batch_progress.current.ready
    return trainer.current_epoch - 1 + min(done / trainer.num_training_batches, 1)


def step_of(trainer: Trainer) -> int:
    """Step of what a fit logs now: the epoch; batches seen so far where an epoch has several validations."""
    if not validates_within_epochs(trainer):
        return trainer.current_epoch
    return int(trainer.fit_loop.epoch_loop.batch_progress.total.ready)
