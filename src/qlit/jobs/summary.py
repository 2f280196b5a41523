"""Summaries that `qlit fit`, `validate` and `test` print at their end."""

import shlex
from collections.abc import Sequence
from math import floor

import numpy as np

from qlit.heads import CircuitPQC, EstimatorHead
from qlit.jobs.callbacks.recorder import parameter_counts
from qlit.jobs.label_scores import label_table, majority_of, short_name
from qlit.runtime.allowed import allow_options
from qlit.runtime.intervals import wilson_interval
from qlit.tracking.tracker import MLflowTracker
from qlit.training.datamodule import SentenceDataModule
from qlit.training.evaluation import Evaluation
from qlit.training.module import SentenceClassifier, Stage

_EXAMPLES = {
    "sentences": '"What a lovely evening this was."',
    "pairs": '--pair "How old are you?" "What is your age?"',
}


def fit_summary(
    module: SentenceClassifier,
    data: SentenceDataModule,
    tracker: MLflowTracker | None,
    best_checkpoint: str,
    best: Evaluation | None,
    test_scores: dict[str, float],
    *,
    last_checkpoint: str = "",
    allow: Sequence[str] = (),
) -> str:
    """Parameters by part, best epoch, validation and test accuracy with intervals, and where to see the run.

    Args:
        module: The model after its fit.
        data: Its data.
        tracker: Tracker of its run; None without a run.
        best_checkpoint: Path of the tested checkpoint; empty if no checkpoint was written and the last weights were
            tested.
        best: Validation of that checkpoint.
        test_scores: Scores of the test; empty without a test.
        last_checkpoint: Path to print if no epoch was validated, so that there is no best checkpoint.
        allow: Modules that a command with the checkpoint needs after `--allow`.
    """
    counts = parameter_counts(module)
    parts = ", ".join(f"{name} {count:,}" for name, count in counts.items() if name != "total")
    lines = [_heading(data), _line("parameters", f"{counts['total']:,}", f"({parts})")]
    if (preprocessing := module.head.preprocessing) is not None and (num_fitted := module.head.num_fitted_values()):
        lines.append(_line("fitted values", f"{num_fitted:,}", f"({type(preprocessing).__name__}, not trained)"))
    lines += [
        _line("measured wires", pqc.measured)
        for pqc in module.head.modules()
        if isinstance(pqc, CircuitPQC) and pqc.measures_auto
    ]
    validated = best or module.evaluations.get("val")
    if validated is not None:
        last = max(floor(values[-1][0]) for values in module.history.values()) if module.history else validated.epoch
        rule = "lowest validation loss " if best is not None and module.select_by == "loss" else ""
        within = "" if validated.position == validated.epoch else f", after step {validated.step:,}"
        lines += [
            _line(
                f"{'last' if best is None else 'best'} epoch",
                str(validated.epoch),
                f"({rule}of {1 + max(last, validated.epoch)}, counted from 0{within})",
            ),
            *_accuracy_lines("validation", validated, "val", module, data),
        ]
    if test_scores:
        lines += _accuracy_lines("test", module.evaluations["test"], "test", module, data)
        lines += _label_lines(module, data, "test")
    if isinstance(module.head, EstimatorHead) and module.head.complaint:
        lines.append(_line("warning", module.head.complaint))
    if data.texts.note:
        lines.append(_line("note", data.texts.note))
    lines += [_line("note", notice.text) for notice in (*data.notices, *module.notices)]
    if checkpoint := best_checkpoint or last_checkpoint:
        lines.append(_line("best checkpoint" if best_checkpoint else "last checkpoint", checkpoint))
        named = shlex.quote(checkpoint) + " --trust_remote_code" * data.trust_remote_code
        named += "".join(f" {word}" for word in allow_options(allow))
        if data.sources.embeddings is None:
            noun = data.texts.noun
            lines.append(_line(f"label {noun}", f"qlit predict {named} {_EXAMPLES[noun]}"))
        else:
            lines.append(_line("label embeddings", f"qlit predict {named} --embeddings FILE"))
    return "\n".join([*lines, *_where(tracker)])


def evaluation_summary(
    module: SentenceClassifier,
    data: SentenceDataModule,
    tracker: MLflowTracker | None,
    stage: Stage,
    scores: dict[str, float],
) -> str:
    """Scores of one split, the accuracy with its interval, and where to see the run."""
    part = {"val": "validation", "test": "test"}[stage]
    lines = [
        _heading(data),
        *_accuracy_lines(part, module.evaluations[stage], stage, module, data),
    ]
    lines += [
        _line(name.removeprefix(f"{stage}/").replace("_", " "), f"{value:.4f}")
        for name, value in scores.items()
        if name.startswith(f"{stage}/") and name not in (f"{stage}/accuracy", f"{stage}/selection")
    ]
    lines += _label_lines(module, data, stage)
    if data.texts.note:
        lines.append(_line("note", data.texts.note))
    lines += [_line("note", notice.text) for notice in (*data.notices, *module.notices)]
    return "\n".join([*lines, *_where(tracker)])


def _heading(data: SentenceDataModule) -> str:
    split = data.split
    parts = {"train": split.train, "validation": split.validation, "test": split.test}
    sizes = " / ".join(f"{len(part):,} {name}" for name, part in parts.items() if len(part))
    return f"\n{data.texts.name}: {sizes} {data.texts.noun}, split {split.fingerprint}, {data.embedded_by}"


def _accuracy_lines(
    part: str, found: Evaluation, stage: Stage, module: SentenceClassifier, data: SentenceDataModule
) -> list[str]:
    """The accuracy with its interval, and the share of the majority class, which a head must exceed."""
    rows = getattr(data.split, part)
    planned, accuracy = len(rows), found.scores[f"{stage}/accuracy"]
    num_seen = planned if found.num_seen is None else found.num_seen
    low, high = wilson_interval(accuracy, num_seen)
    of = "" if num_seen == planned else f" of {planned:,}"
    remark = f"(95 % interval {low:.1%} to {high:.1%}, {num_seen:,}{of} {data.texts.noun})"
    lines = [_line(f"{part} accuracy", f"{accuracy:.2%}", remark)]
    counts_k = None
    if (counts := module.scores_of(stage).counts) is not None:
        counts_k = counts.sum(dim=1).cpu().numpy()
    elif num_seen == planned:  # a validation during a fit; the labels of limited batches are not known
        counts_k = np.bincount([data.texts.labels[row] for row in rows])
    if counts_k is not None:
        most, share = majority_of(counts_k)
        lines.append(
            _line("  majority class", f"{share:.2%}", f"(always answering {short_name(data.texts.label_names[most])})")
        )
    return lines


def _label_lines(module: SentenceClassifier, data: SentenceDataModule, stage: Stage) -> list[str]:
    counts = module.scores_of(stage).counts
    if counts is None:
        return []
    return [f"    {line}" for line in label_table(counts.cpu().numpy(), data.texts.label_names, data.texts.noun)]


def _where(tracker: MLflowTracker | None) -> list[str]:
    if tracker is None or tracker.ui_page is None:
        return []
    return [_line("open the UI", tracker.ui_command), _line("and this run", tracker.ui_page)]


def _line(name: str, value: str, remark: str = "") -> str:
    return f"  {name:<20}{value}{' ' if remark else ''}{remark}"
