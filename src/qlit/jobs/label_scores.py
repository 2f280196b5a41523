"""Lines of a summary about the labels of a split: precision, recall and F1 of every label, and the majority class.

Shapes: k classes.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

_MOST_LABELS = 20  # lines of a summary
_MOST_CHARS = 40  # of a label's name


def majority_of(counts_k: npt.NDArray[np.int64]) -> tuple[int, float]:
    """The most frequent class, the first among equals, and its share, in (0, 1].

    Args:
        counts_k: Number of sentences of every class, not all 0.
    """
    most = int(counts_k.argmax())
    return most, float(counts_k[most] / counts_k.sum())


def scores_by_label(counts_kk: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Precision, recall and F1 of every label, in [0, 1], and its number of sentences; shape (k, 4).

    A precision without predictions, a recall without sentences, and an F1 without both are 0, as in torchmetrics.

    Args:
        counts_kk: Numbers of sentences, true classes in rows, shape (k, k).
    """
    right_k, true_k, predicted_k = np.diag(counts_kk), counts_kk.sum(axis=1), counts_kk.sum(axis=0)
    precision_k = right_k / np.maximum(predicted_k, 1)
    recall_k = right_k / np.maximum(true_k, 1)
    f1_k = 2 * right_k / np.maximum(true_k + predicted_k, 1)
    return np.stack((precision_k, recall_k, f1_k, true_k), axis=1)


def label_table(counts_kk: npt.NDArray[np.int64], label_names: Sequence[str], noun: str = "sentences") -> list[str]:
    """Lines of a table of scores by label, at most 20 labels: those with the most sentences.

    Args:
        counts_kk: As of `scores_by_label`.
        label_names: k names.
        noun: Word for the texts.
    """
    scores_k4 = scores_by_label(counts_kk)
    shown = sorted(np.argsort(-scores_k4[:, 3], kind="stable")[:_MOST_LABELS].tolist())
    names = [short_name(label_names[k]) for k in shown]
    width = max(len("label"), *map(len, names))
    lines = [f"{'label':<{width}}  precision  recall     F1  {noun:>9}"]
    for name, k in zip(names, shown, strict=True):
        precision, recall, f1, number = scores_k4[k].tolist()
        lines.append(f"{name:<{width}}  {precision:>9.3f}  {recall:>6.3f}  {f1:>5.3f}  {int(number):>9,}")
    if len(shown) < len(label_names):
        lines.append(f"and {len(label_names) - len(shown):,} labels with fewer {noun}")
    return lines


def short_name(name: str) -> str:
    """A label on one line of a summary, at most 40 characters."""
    one_line = " ".join(name.split())
    return one_line if len(one_line) <= _MOST_CHARS else f"{one_line[: _MOST_CHARS - 3]}..."
