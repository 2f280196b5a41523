"""Position of a training: in epochs for validations, and as the step of logged scores."""

from lightning.pytorch import Trainer


def validates_within_epochs(trainer: Trainer) -> bool:
    """Whether a fit validates at other times than the end of an epoch."""
    return (
        trainer.val_check_interval != 1.0
        or trainer.check_val_every_n_epoch is None
        or getattr(trainer, "_val_check_time_interval", None) is not None
    )


def position_of(trainer: Trainer) -> float:
    """Present position in epochs, where epoch e ends at e.

    In the middle of an epoch it is a fraction: 1.5 is halfway from the end of epoch 1 to the end of epoch 2.
    """
    if not validates_within_epochs(trainer):
        return trainer.current_epoch
    done = trainer.fit_loop.epoch_loop.batch_progress.current.ready
    return trainer.current_epoch - 1 + min(done / trainer.num_training_batches, 1)


def step_of(trainer: Trainer) -> int:
    """Present step for logging: the epoch, or the number of batches if an epoch has several validations."""
    if not validates_within_epochs(trainer):
        return trainer.current_epoch
    return int(trainer.fit_loop.epoch_loop.batch_progress.total.ready)
