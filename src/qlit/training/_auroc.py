"""Area under the ROC curve for splits in which labels may be missing.

torchmetrics counts the area of a class without positive or without negative sentences as 0 (and warns). A split that
lacks one of three labels would lose a third of its score, and a split with a single label would score 0.
"""

import warnings
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.classification import BinaryAUROC, MulticlassAUROC
from torchmetrics.utilities.data import dim_zero_cat


def auroc_of(num_classes: int) -> Metric:
    """AUROC metric for k classes; its value is NaN if fewer than two of them occur."""
    if num_classes == 2:
        return _Binary(validate_args=False)
    return _Macro(num_classes, average=None, validate_args=False)


class _Binary(BinaryAUROC):
    def compute(self) -> Tensor:  # type: ignore[override] # the base class ignores it as well
        labels = dim_zero_cat(self.target)  # labels of all processes
        if labels.any() and not labels.all():
            return super().compute()
        return torch.full((), torch.nan, device=labels.device)


class _Macro(MulticlassAUROC):
    """Mean over the classes that occur, if there are at least two."""

    def compute(self) -> Tensor:  # type: ignore[override] # the base class ignores it as well
        labels: Any = dim_zero_cat(self.target)
        counts = labels.bincount(minlength=self.num_classes)
        is_defined = (counts > 0) & (counts < len(labels))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the classes that are excluded next
            areas = super().compute()
        return areas[is_defined].mean()
