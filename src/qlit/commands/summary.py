"""What a command prints at its end, short enough to be read."""

import shlex
import sys
from collections.abc import Iterable

from qlit.data import Notice
from qlit.heads import EstimatorHead
from qlit.training.datamodule import SentenceDataModule
from qlit.training.module import SentenceClassifier
from qlit.training.recorder import best_epoch, parameter_counts
from qlit.training.scores import wilson_interval
from qlit.training.tracking import MLflowTracker


def fit_summary(
    module: SentenceClassifier,
    data: SentenceDataModule,
    tracker: MLflowTracker | None,
    best_checkpoint: str,
    test_scores: dict[str, float],
) -> str:
    """Parameters by part, best epoch, validation and test accuracy with interval, where the run is."""
    counts = parameter_counts(module)
    parts = ", ".join(f"{name} {count:,}" for name, count in counts.items() if name != "total")
    lines = [_heading(data), _line("parameters", f"{counts['total']:,}", f"({parts})")]
    epoch = best_epoch(module.history)
    if epoch is not None:
        accuracy = dict(module.history["val/accuracy"])[epoch]
        lines += [
            _line("best epoch", str(epoch), f"(of {1 + module.history['val/accuracy'][-1][0]}, counted from 0)"),
            _accuracy_line("validation accuracy", accuracy, len(data.split.validation)),
        ]
    if test_scores:
        lines.append(_accuracy_line("test accuracy", test_scores["test/accuracy"], len(data.split.test)))
    if isinstance(module.head, EstimatorHead) and module.head.complaint:
        lines.append(_line("warning", module.head.complaint))
    if data.texts.note:
        lines.append(_line("note", data.texts.note))
    lines += [_line("note", notice.text) for notice in (*data.notices, *module.notices)]
    if best_checkpoint:
        lines.append(_line("best checkpoint", best_checkpoint))
        named = shlex.quote(best_checkpoint)
        lines.append(_line("label sentences", f'qlit predict {named} "What a lovely evening this was."'))
    return "\n".join([*lines, *_where(tracker)])


def evaluation_summary(
    module: SentenceClassifier,
    data: SentenceDataModule,
    tracker: MLflowTracker | None,
    stage: str,
    scores: dict[str, float],
) -> str:
    """The scores of one split, accuracy with interval, where the run is."""
    part = {"val": "validation", "test": "test"}[stage]
    lines = [
        _heading(data),
        _accuracy_line(f"{part} accuracy", scores[f"{stage}/accuracy"], len(getattr(data.split, part))),
    ]
    lines += [
        _line(name.removeprefix(f"{stage}/").replace("_", " "), f"{value:.4f}")
        for name, value in scores.items()
        if name.startswith(f"{stage}/") and name not in (f"{stage}/accuracy", f"{stage}/selection")
    ]
    if data.texts.note:
        lines.append(_line("note", data.texts.note))
    lines += [_line("note", notice.text) for notice in (*data.notices, *module.notices)]
    return "\n".join([*lines, *_where(tracker)])


_told: set[str] = set()


def tell_notices(notices: Iterable[Notice]) -> None:
    """Print the notices of one training of many to standard error, each text once in a process."""
    for notice in notices:
        if notice.text not in _told:
            _told.add(notice.text)
            print(f"qlit: note: {notice.text}", file=sys.stderr, flush=True)


def _heading(data: SentenceDataModule) -> str:
    split = data.split
    return (
        f"\n{data.texts.name}: {len(split.train):,} train / {len(split.validation):,} validation / "
        f"{len(split.test):,} test sentences, split {split.fingerprint}, body {data.body_name}"
    )


def _accuracy_line(name: str, accuracy: float, num_samples: int) -> str:
    low, high = wilson_interval(accuracy, num_samples)
    return _line(name, f"{accuracy:.2%}", f"(95 % interval {low:.1%} to {high:.1%}, {num_samples:,} sentences)")


def _where(tracker: MLflowTracker | None) -> list[str]:
    if tracker is None or tracker.ui_page is None:
        return []
    return [_line("open the UI", tracker.ui_command), _line("and this run", tracker.ui_page)]


def _line(name: str, value: str, remark: str = "") -> str:
    return f"  {name:<20}{value}{' ' if remark else ''}{remark}"
