"""Scores of a split: collected per batch, computed once per epoch, correct for any number of processes."""

from typing import Any

import torch
from torch import Tensor, nn
from torchmetrics import Accuracy, CalibrationError, ConfusionMatrix, F1Score, MeanMetric, MetricCollection

from qlit.training._auroc import auroc_of

CALIBRATION_BINS = 15
"""Number of bins of equal width for the expected calibration error and its figure."""


class Scores(nn.Module):
    """Loss, accuracy, F1 (macro for k > 2), AUROC, calibration error and confusion matrix of one split.

    Predictions are collected in a list and passed to torchmetrics once per epoch, because an update of torchmetrics
    takes longer than a small batch.

    Args:
        num_classes: k, at least 2.
        full: Whether to compute all scores, or only loss and accuracy.
    """

    def __init__(self, num_classes: int, *, full: bool = True) -> None:
        super().__init__()
        # The metrics need not validate their arguments: probabilities are computed here, and labels were checked.
        task: dict[str, Any] = {"task": "binary", "validate_args": False}
        micro: dict[str, Any] = {}
        macro: dict[str, Any] = {}
        if num_classes > 2:
            task |= {"task": "multiclass", "num_classes": num_classes}
            micro, macro = {"average": "micro"}, {"average": "macro"}
        metrics: dict[str, Any] = {"accuracy": Accuracy(**task, **micro)}
        if full:
            metrics |= {
                "f1": F1Score(**task, **macro),
                "auroc": auroc_of(num_classes),
                "calibration_error": CalibrationError(**task, n_bins=CALIBRATION_BINS),
            }
        self.metrics = MetricCollection(metrics, compute_groups=False)
        self.loss = MeanMetric(nan_strategy="disable")  # the default excludes NaN from the mean
        self.confusion = ConfusionMatrix(**task) if full else None
        self._waiting: list[tuple[Tensor, Tensor, Tensor]] = []
        self.probabilities = torch.zeros(0)  # this process's part of the last computed split
        self.labels = torch.zeros(0, dtype=torch.long)
        self.counts: Tensor | None = None
        """Counts of the last `confusion_counts`, until scores are computed again."""
        self.is_finite = True
        """Whether all logits and losses of the last computed split, over all processes, were finite."""

    def add(self, logits: Tensor, labels: Tensor, losses: Tensor) -> None:
        """Collect a batch: logits (B, 1) or (B, k), labels (B,), losses of the samples (B,)."""
        self._waiting.append((logits.detach(), labels, losses.detach()))

    @property
    def is_empty(self) -> bool:
        """Whether no batch was collected since the last `compute`."""
        return not self._waiting

    def collected(self) -> tuple[Tensor, Tensor, Tensor] | None:
        """Logits, labels and losses collected since the last `compute`, for `add`; None if there are none."""
        if self.is_empty:
            return None
        logits, labels, losses = (torch.cat(parts) for parts in zip(*self._waiting, strict=True))
        return logits, labels, losses

    def clear(self) -> None:
        """Discard collected batches."""
        self._waiting.clear()

    def compute(self) -> dict[str, Tensor]:
        """Compute all scores of the collected batches, by name and over all processes; then reset.

        If a logit or a loss is not finite, all scores are NaN. AUROC covers the classes that occur, and is missing if
        fewer than two occur.
        """
        collected = self.collected()
        assert collected is not None, "no batch was collected"
        logits, labels, losses = collected
        self._waiting.clear()
        logits = logits.float()
        if self.confusion is not None:
            self.confusion.reset()  # the validations of a fit do not use the counts
            self.counts = None
        probabilities = logits[:, 0].sigmoid() if logits.shape[1] == 1 else logits.softmax(dim=1)
        if len(labels):
            self.metrics.update(probabilities, labels)
            losses = losses.float()
            if not logits.isfinite().all():  # an infinite logit of a wrong class may leave the loss finite
                losses = losses.where(logits.isfinite().all(dim=1), torch.nan)
            self.loss.update(losses)
            if self.confusion is not None:
                self.confusion.update(probabilities, labels)
        self.probabilities, self.labels = probabilities, labels
        values: dict[str, Tensor] = {"loss": self.loss.compute(), **self.metrics.compute()}
        if "auroc" in values and values["auroc"].isnan():
            del values["auroc"]
        self.is_finite = bool(values["loss"].isfinite())
        if not self.is_finite:
            values = {name: torch.full_like(value, torch.nan) for name, value in values.items()}
        self.metrics.reset()
        self.loss.reset()
        return values

    def confusion_counts(self) -> Tensor:
        """Counts of the last computed split, true classes in rows, shape (k, k); then reset."""
        assert self.confusion is not None, "only available with `full`"
        counts: Tensor = self.confusion.compute()
        self.confusion.reset()
        self.counts = counts
        return counts
