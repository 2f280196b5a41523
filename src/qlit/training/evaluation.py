"""What one pass over validation or test sentences found: its scores, of how many sentences, and of which weights."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import isnan
from typing import Any, Self

from torch import Tensor

CHECKPOINT_KEY = "qlit"  # where a checkpoint keeps its own config, labels, run and scores

BEST = "best/"
"""Prefix of the metrics that tell the scores of a run's best checkpoint, `best/val/accuracy`, and its epoch."""


def selection_of(accuracy: Tensor, loss: Tensor, num_samples: int) -> Tensor:
    """The number that the best checkpoint maximises: highest accuracy, among equals the lowest loss; float64.

    Exact: the second term is positive and at most half the step from one possible accuracy to the next.

    Args:
        accuracy: Validation accuracy, a scalar in [0, 1].
        loss: Validation loss, a scalar >= 0.
        num_samples: Validation sentences.
    """
    return accuracy.double() + 1 / (1 + loss.double()) / (2 * num_samples)


@dataclass(frozen=True)
class Evaluation:
    """Scores of one pass over a split.

    Args:
        epoch: Epoch in which it was made, counted from 0.
        position: Place on an axis of epochs, on which epoch e ends at e; in the middle of an epoch a fraction.
        step: Optimiser steps taken before, which tell the weights that it scored.
        num_seen: Sentences scored, over all processes; None if an older checkpoint does not tell.
        scores: By name, such as `val/accuracy`; `val/selection` is the number that the best checkpoint maximises.
    """

    epoch: int
    position: float
    step: int
    num_seen: int | None
    scores: dict[str, float]

    def is_better_than(self, other: Self) -> bool:
        """Whether the checkpoint of this validation is to be preferred to that of another."""
        ours, theirs = self.scores["val/selection"], other.scores["val/selection"]
        return ours > theirs or (isnan(theirs) and not isnan(ours))

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for a checkpoint."""
        return asdict(self)

    @classmethod
    def of_checkpoint(cls, checkpoint: Mapping[str, Any], *, is_best: bool = False) -> Self | None:
        """The validation of a checkpoint's own weights; None if they were not validated.

        Checkpoints of older versions do not carry it: theirs is the last of their epoch in their history.

        Args:
            checkpoint: As `torch.load` returns it.
            is_best: Whether it is a `best.ckpt`, of which older versions kept `val/selection`.
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
        else:  # the number of sentences is unknown: among equal accuracies, a later validation is preferred
            scores["val/selection"] = scores["val/accuracy"]
        return cls(epoch, epoch, int(checkpoint["global_step"]), None, scores)
