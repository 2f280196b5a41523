"""Check that a fit can continue from a checkpoint, before anything is opened or computed."""

from typing import Any

from lightning.pytorch import Trainer

from qlit.tracking.tracker import MLflowTracker
from qlit.training.averaging import CURRENT, averaging_of
from qlit.training.evaluation import WITHIN_EPOCH


def check_resumable(
    path: str, checkpoint: dict[str, Any], trainer: Trainer, tracker: MLflowTracker | None, *, tests: bool
) -> str:
    """Raise a ValueError if a training cannot continue from a checkpoint.

    Args:
        path: Path of the checkpoint, for messages.
        checkpoint: Content of the checkpoint.
        trainer: Trainer of the fit.
        tracker: Tracker of the run; None without a run.
        tests: Whether the fit ends with a test.
    Returns:
        The reason why there is nothing to do, if all epochs or steps are trained and the test is done; else "".
    Raises:
        ValueError: If the checkpoint has no optimiser state, has averaged weights that nothing here continues, was
            written within an epoch without the state that the rest of the epoch needs, or by another number of
            processes, or has more epochs or steps than the trainer allows.
    """
    if "optimizer_states" not in checkpoint or "loops" not in checkpoint:
        raise ValueError(f"{path} contains only weights, so no training can continue from it; name a last.ckpt.")
    if CURRENT in checkpoint and not averaging_of(trainer.callbacks):  # type: ignore[attr-defined]
        raise ValueError(
            f"{path} has averaged weights, but this training has no callback that averages weights: give it the "
            "EMAWeightAveraging or WeightAveraging of its run, or start a new run."
        )
    loop = checkpoint["loops"]["fit_loop"]
    epochs = loop["epoch_progress"]["current"]
    batches = loop["epoch_loop.batch_progress"]
    kept = checkpoint.get(WITHIN_EPOCH)
    if kept is not None and len(kept) != trainer.world_size:
        raise ValueError(
            f"{path} was written within epoch {checkpoint['epoch']} by {_processes(len(kept))}, but this "
            f"training has {_processes(trainer.world_size)}: start as many."
        )
    if kept is None and epochs["processed"] < epochs["ready"] and not batches["is_last_batch"]:
        raise ValueError(
            f"{path} was written within epoch {checkpoint['epoch']}, after batch "
            f"{batches['current']['ready']}, but a training continues from the end of an epoch: name the last.ckpt of "
            "its run."
        )
    limits = {
        "max_epochs": (int(checkpoint["epoch"]) + (kept is None), trainer.max_epochs, "epochs"),
        "max_steps": (int(checkpoint["global_step"]), trainer.max_steps, "steps"),
    }
    for name, (done, limit, unit) in limits.items():
        if limit is None or limit < 0 or done < limit:
            continue
        if done > limit:
            raise ValueError(
                f"{path} has been trained for {done:,} {unit} already, but trainer.{name} is {limit:,}; raise "
                f"--trainer.{name} to continue."
            )
        if not tests or (tracker is not None and tracker.earlier_status() == "FINISHED"):
            return (
                f"nothing to do: {path} has been trained for all of its {done:,} {unit}; raise --trainer.{name} to "
                "continue."
            )
    return ""


def _processes(count: int) -> str:
    return "one process" if count == 1 else f"{count} processes"
