"""Scores of a split: collected batch by batch, computed once an epoch, right for any number of processes."""

from typing import Any

import torch
from torch import Tensor, nn
from torchmetrics import Accuracy, CalibrationError, ConfusionMatrix, F1Score, MeanMetric, MetricCollection

from qlit.training._auroc import auroc_of

CALIBRATION_BINS = 15
"""Bins of equal width of the expected calibration error, as a score and as a picture."""


class Scores(nn.Module):
    """Loss, accuracy, F1 (macro for k > 2), AUROC, calibration error and confusion matrix of one split.

    Predictions wait in a list and reach torchmetrics once an epoch: its update costs more than a small batch does.

    Args:
        num_classes: k, at least 2.
        full: Whether to score all of it, or loss and accuracy only.
    """

    def __init__(self, num_classes: int, *, full: bool = True) -> None:
        super().__init__()
        # Not validated by each metric anew: probabilities are made here, labels checked where they are read.
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
        self.loss = MeanMetric(nan_strategy="disable")  # by default it leaves NaN out of the mean
        self.confusion = ConfusionMatrix(**task) if full else None
        self._waiting: list[tuple[Tensor, Tensor, Tensor]] = []
        self.probabilities = torch.zeros(0)  # of the last computed split, this process's part
        self.labels = torch.zeros(0, dtype=torch.long)
        self.is_finite = True
        """Whether all logits and losses of the last computed split, over all processes, were finite."""

    def add(self, logits: Tensor, labels: Tensor, losses: Tensor) -> None:
        """Collect a batch: logits (B, 1) or (B, k), labels (B,), loss of each sample (B,)."""
        self._waiting.append((logits.detach(), labels, losses.detach()))

    @property
    def is_empty(self) -> bool:
        """Whether nothing was collected since the last `compute`."""
        return not self._waiting

    def clear(self) -> None:
        """Drop what was collected and not computed."""
        self._waiting.clear()

    def compute(self) -> dict[str, Tensor]:
        """All scores of what was collected since the last call, by name, over all processes; then start anew.

        Where a logit or a loss is not finite, no score is a number: all are NaN. AUROC is that of the classes that
        occur; where fewer than two do, there is none.
        """
        logits, labels, losses = (torch.cat(parts) for parts in zip(*self._waiting, strict=True))
        self._waiting.clear()
        logits = logits.float()
        if self.confusion is not None:
            self.confusion.reset()  # nobody asks for the counts of a fit's validations
        probabilities = logits[:, 0].sigmoid() if logits.shape[1] == 1 else logits.softmax(dim=1)
        if len(labels):
            self.metrics.update(probabilities, labels)
            losses = losses.float()
            if not logits.isfinite().all():  # the loss may not show an infinite logit of a wrong class
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
        """Counts of the last computed split, true classes in rows, shape (k, k); then start anew."""
        assert self.confusion is not None, "asked for by splits that are scored in full"
        counts: Tensor = self.confusion.compute()
        self.confusion.reset()
        return counts
