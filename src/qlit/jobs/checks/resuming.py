"""Whether a fit can go on from a checkpoint, known before anything is opened or computed."""

from typing import Any

from lightning.pytorch import Trainer

from qlit.tracking.tracker import MLflowTracker


def check_resumable(
    path: str, checkpoint: dict[str, Any], trainer: Trainer, tracker: MLflowTracker | None, *, tests: bool
) -> str:
    """Raise if a training cannot go on from a checkpoint.

    Args:
        path: Of the checkpoint, for messages.
        checkpoint: Its content.
        trainer: Which is to train.
        tracker: Of the run; None if it is not tracked.
        tests: Whether the fit ends with a test.
    Returns:
        Why there is nothing to do, where the training has all of its epochs or steps, and the test was made too; else
        nothing.
    Raises:
        ValueError: If it lacks the optimiser's state, lies in the middle of an epoch, or has more epochs or steps than
            the trainer is to make.
    """
    if "optimizer_states" not in checkpoint or "loops" not in checkpoint:
        raise ValueError(f"{path} holds weights only, so no training can go on from it; name a last.ckpt.")
    loop = checkpoint["loops"]["fit_loop"]
    epochs = loop["epoch_progress"]["current"]
    batches = loop["epoch_loop.batch_progress"]
    if epochs["processed"] < epochs["ready"] and not batches["is_last_batch"]:
        raise ValueError(
            f"{path} was written in the middle of epoch {checkpoint['epoch']}, after batch "
            f"{batches['current']['ready']}, but a training goes on from the end of an epoch: name the last.ckpt of "
            "its run."
        )
    limits = {
        "max_epochs": (int(checkpoint["epoch"]) + 1, trainer.max_epochs, "epochs"),
        "max_steps": (int(checkpoint["global_step"]), trainer.max_steps, "steps"),
    }
    for name, (done, limit, unit) in limits.items():
        if limit is None or limit < 0 or done < limit:
            continue
        if done > limit:
            raise ValueError(
                f"{path} has been trained for {done:,} {unit} already, but trainer.{name} is {limit:,}; raise "
                f"--trainer.{name} to go on."
            )
        if not tests or (tracker is not None and tracker.earlier_status() == "FINISHED"):
            return (
                f"nothing to do: {path} has been trained for all of its {done:,} {unit}; raise --trainer.{name} to "
                "go on."
            )
    return ""
