"""Result of one pass over validation or test sentences: scores, number of sentences, and position in the training."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import isnan
from typing import Any, Literal, Self

from torch import Tensor

CHECKPOINT_KEY = "qlit"  # key of qlit's own data in a checkpoint: config, labels, run and scores

WITHIN_EPOCH = "within_epoch"
"""Key of a checkpoint from the middle of an epoch: what the rest of the epoch needs, one entry per process."""

SelectBy = Literal["accuracy", "loss"]
"""Validation score that chooses the best epoch: highest accuracy, among equals the lowest loss; or lowest loss."""

BEST = "best/"
"""Prefix of the metrics of a run's best checkpoint: its scores, such as `best/val/accuracy`, and its epoch."""


def selection_of(accuracy: Tensor, loss: Tensor, num_samples: int, select_by: SelectBy = "accuracy") -> Tensor:
    """Score that the best checkpoint maximises, `val/selection`; float64.

    By accuracy, the order is exact: highest accuracy, among equals the lowest loss, because the second term is positive
    and at most half the distance of two possible accuracies. By loss, it is the negative loss.

    Args:
        accuracy: Validation accuracy, a scalar in [0, 1].
        loss: Validation loss, a scalar >= 0.
        num_samples: Validation sentences.
        select_by: The rule.
    """
    if select_by == "loss":
        return -loss.double()
    return accuracy.double() + 1 / (1 + loss.double()) / (2 * num_samples)


@dataclass(frozen=True)
class Evaluation:
    """Scores of one pass over a split.

    Args:
        epoch: Epoch, counted from 0.
        position: Position in epochs: epoch e ends at e; a fraction in the middle of an epoch.
        step: Number of optimiser steps before it, which identifies the scored weights.
        num_seen: Number of scored sentences, over all processes; None if an older checkpoint does not record it.
        scores: Scores by name, such as `val/accuracy`; the best checkpoint maximises `val/selection`.
    """

    epoch: int
    position: float
    step: int
    num_seen: int | None
    scores: dict[str, float]

    def is_better_than(self, other: Self, select_by: SelectBy = "accuracy") -> bool:
        """Whether the checkpoint of this validation is better than that of another one.

        `val/selection` is not compared: a resumed training may have another rule than the one that computed it.
        """
        ours, theirs = self._rank(select_by), other._rank(select_by)
        return not any(map(isnan, ours)) and (any(map(isnan, theirs)) or ours > theirs)

    def _rank(self, select_by: SelectBy) -> tuple[float, float]:
        accuracy, loss = self.scores["val/accuracy"], self.scores["val/loss"]
        return (accuracy, -loss) if select_by == "accuracy" else (-loss, accuracy)

    def as_dict(self) -> dict[str, Any]:
        """Convert to plain values for a checkpoint."""
        return asdict(self)

    @classmethod
    def of_checkpoint(cls, checkpoint: Mapping[str, Any], *, is_best: bool = False) -> Self | None:
        """Validation of a checkpoint's own weights; None if they were not validated.

        Checkpoints of older versions do not contain it; for them it is the last entry of their epoch in the history.

        Args:
            checkpoint: Checkpoint as `torch.load` returns it.
            is_best: Whether it is a `best.ckpt`, for which older versions stored `val/selection`.
        """
        notes = checkpoint.get(CHECKPOINT_KEY) or {}
        if "validation" in notes:
            return None if notes["validation"] is None else cls(**notes["validation"])
        epoch = int(checkpoint["epoch"])
        found = {name: dict(values) for name, values in notes.get("history", {}).items() if name.startswith("val/")}
        scores = {name: values[epoch] for name, values in found.items() if epoch in values}
        if not {"val/accuracy", "val/loss"} <= scores.keys():
            return None
        score = (checkpoint.get("callbacks", {}).get("BestAndLast") or {}).get("best_model_score")
        if is_best and score is not None:
            scores["val/selection"] = float(score)
        else:  # the number of sentences is unknown, so among equal accuracies a later validation is preferred
            scores["val/selection"] = scores["val/accuracy"]
        return cls(epoch, epoch, int(checkpoint["global_step"]), None, scores)
