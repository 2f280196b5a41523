"""Tags of runs that diverged, and scores that are not finite."""

import math
import sys

DIVERGED, EPOCH = "diverged", "diverged.epoch"
"""Tags of a run that diverged: `true`, and its first epoch without finite numbers, counted from 0."""

NOTICE = "notice.diverged"
"""Tag with the notice about the divergence."""


def diverged_tags(epoch: int) -> dict[str, str]:
    """Tags of a run that diverged in this epoch, counted from 0."""
    return {DIVERGED: "true", EPOCH: str(epoch)}


def is_finite(value: float) -> bool:
    """Whether a score is finite. MLflow stores infinity, in runs of earlier versions, as the largest float."""
    return math.isfinite(value) and abs(value) < sys.float_info.max
