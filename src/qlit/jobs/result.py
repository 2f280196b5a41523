"""Results of `qlit fit`, `validate` and `test` as plain values, for `--json`."""

import math
from collections.abc import Mapping
from typing import Any

from qlit.jobs.callbacks.recorder import parameter_counts
from qlit.runtime.intervals import wilson_interval
from qlit.tracking.tracker import MLflowTracker
from qlit.training.datamodule import SentenceDataModule
from qlit.training.evaluation import Evaluation
from qlit.training.module import SentenceClassifier

Scored = tuple[Evaluation | None, Mapping[str, float]]
"""An evaluation and its scores by name; None if there was none."""


def result_of(
    module: SentenceClassifier,
    data: SentenceDataModule,
    tracker: MLflowTracker | None,
    evaluations: Mapping[str, Scored],
    *,
    checkpoint: str | None,
) -> dict[str, Any]:
    """The model, its data, its scores and where it is kept.

    Args:
        module: The model.
        data: Its data.
        tracker: Tracker of the run; None without a run.
        evaluations: What was scored, by stage ("val", "test").
        checkpoint: The checkpoint with the scored weights; None if there is none.
    Returns:
        `run_id`; `page`, the run in MLflow's UI; `checkpoint`; `data`, `body`, and `split`, a fingerprint; numbers of
        sentences (`num_train`, `num_validation`, `num_test`); `parameters` by part; `fitted_values` of the
        preprocessing, which are not trained; `best_epoch`, from 0, None without validation; `select_by`, the validation
        score that chose it; `scores` by name, None for NaN; `intervals`, 95 % intervals of the accuracies (Wilson's,
        over the scored sentences); and `notes`.
    """
    scores: dict[str, float | None] = {}
    intervals, best_epoch = {}, None
    for stage, (found, values) in evaluations.items():
        if found is None:
            continue
        scores |= {name: _finite(value) for name, value in values.items() if not name.endswith("/selection")}
        split = {"val": data.split.validation, "test": data.split.test}[stage]
        number = len(split) if found.num_seen is None else found.num_seen
        name = f"{stage}/accuracy"
        if math.isfinite(found.scores[name]):
            intervals[name] = list(wilson_interval(found.scores[name], number))
        best_epoch = found.epoch if stage == "val" else best_epoch
    return {
        "run_id": None if tracker is None else tracker.run_id,
        "page": None if tracker is None else tracker.ui_page,
        "checkpoint": checkpoint or None,
        "data": data.texts.name,
        "body": data.embedded_by.removeprefix("body "),
        "split": data.split.fingerprint,
        "num_train": len(data.split.train),
        "num_validation": len(data.split.validation),
        "num_test": len(data.split.test),
        "parameters": parameter_counts(module),
        "fitted_values": module.head.num_fitted_values(),
        "best_epoch": best_epoch,
        "select_by": module.select_by,
        "scores": scores,
        "intervals": intervals,
        "notes": [notice.text for notice in (*data.notices, *module.notices)],
    }


def _finite(value: float) -> float | None:
    """JSON has no NaN."""
    return value if math.isfinite(value) else None
