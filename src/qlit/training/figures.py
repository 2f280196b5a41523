"""Figures of one run. They use matplotlib without pyplot: no global state, no window, safe in a training process."""

import textwrap
from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from qlit.runtime.figure_style import BLUE, GREY, ORANGE, clean, titled_figure
from qlit.runtime.intervals import wilson_interval
from qlit.training.scores import CALIBRATION_BINS

_STAGES = {
    "train": {"color": BLUE, "marker": "o", "linestyle": "--", "label": "train"},
    "val": {"color": ORANGE, "marker": "s", "linestyle": "-", "label": "validation"},
}
_FEW = 10  # examples of a bin, below which its observed frequency says little
_METRICS = ("loss", "accuracy")


def training_curves(
    history: Mapping[str, Sequence[tuple[float, float]]],
    *,
    best_epoch: float | None = None,
    note: str | None = None,
    select_by: str = "accuracy",
) -> Figure:
    """Draw loss and accuracy over the epochs, and mark the best epoch.

    Args:
        history: (epoch, value) by name; the names are "train/loss", "val/loss", "train/accuracy", "val/accuracy",
            and any of them may be missing. Accuracies are in [0, 1]. Epoch e ends at e; positions within it are
            fractions between e - 1 and e.
        best_epoch: Position of the best checkpoint; None to mark nothing.
        note: Small text under the title.
        select_by: Validation score that chose it, "accuracy" or "loss".
    Returns:
        The figure, with one panel per available metric.
    Raises:
        ValueError: If there is nothing to draw or a name is unknown.
    """
    known = [f"{stage}/{metric}" for metric in _METRICS for stage in _STAGES]
    if unknown := sorted(set(history) - set(known)):
        raise ValueError(f"The names in `history` must be among {known}, but got {unknown}.")
    metrics = [metric for metric in _METRICS if any(history.get(f"{stage}/{metric}") for stage in _STAGES)]
    if not metrics:
        raise ValueError(f"`history` must contain at least one value, but got {dict(history)!r}.")
    rule = " by validation loss" if select_by == "loss" else ""
    title = "Training" if best_epoch is None else f"Training, best epoch {ceil(best_epoch)}{rule} (dotted)"
    figure = titled_figure(4.4 * len(metrics), 3.6, title, note)
    for axes, metric in zip(np.atleast_1d(figure.subplots(1, len(metrics))), metrics, strict=True):
        for stage, style in _STAGES.items():
            points = history.get(f"{stage}/{metric}") or []
            if points:
                epochs, values = zip(*sorted(points), strict=True)
                axes.plot(epochs, values, markersize=4 if len(points) <= 30 else 0, **style)
        if best_epoch is not None:
            axes.axvline(best_epoch, color=GREY, linewidth=1, linestyle=":", zorder=0)
        axes.set(xlabel="epoch", ylabel=metric)
        if axes.get_xlim()[1] - axes.get_xlim()[0] < 1:  # only one epoch
            axes.set_xlim(np.mean(axes.get_xlim()) + np.array([-1, 1]))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend(frameon=False)
        clean(axes)
    return figure


def confusion_matrix(counts: npt.ArrayLike, label_names: Sequence[str], *, note: str | None = None) -> Figure:
    """Draw a confusion matrix with counts and row percentages in its cells.

    Args:
        counts: Numbers of examples by true class (row) and predicted class (column), shape (k, k), not negative.
        label_names: The k names of the classes.
        note: Small text under the title.
    Raises:
        ValueError: If `counts` is not square, has a negative entry, or does not fit `label_names`.
    """
    counts = np.asarray(counts)
    k = len(label_names)
    if counts.shape != (k, k) or (counts < 0).any():
        raise ValueError(f"`counts` must be ({k}, {k}), as there are {k} names, and not negative, but got:\n{counts}")
    total = int(counts.sum())
    accuracy = np.trace(counts) / total if total else float("nan")
    rows = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, rows, out=np.zeros((k, k)), where=rows > 0)
    size = 1.9 + 0.8 * max(k, 2)
    figure = titled_figure(size + 1.6, size, f"Accuracy {accuracy:.1%} of {total} examples", note)
    axes = figure.subplots()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    names = [textwrap.shorten(str(name), 24, placeholder="...") for name in label_names]
    axes.set_xticks(range(k), names, rotation=45 if k > 3 else 0, ha="right" if k > 3 else "center")
    axes.set_yticks(range(k), names)
    axes.set(xlabel="predicted", ylabel="true")
    for row, column in np.ndindex(k, k):
        share = f"{shares[row, column]:.1%}" if rows[row, 0] else "-"
        color = "white" if shares[row, column] > 0.55 else "black"
        axes.text(
            column, row, f"{int(counts[row, column])}\n{share}", ha="center", va="center", color=color,
            fontsize=13 if k <= 3 else 9,
        )  # fmt: skip
    axes.spines[:].set_visible(False)
    bar = figure.colorbar(image, ax=axes, shrink=0.8, format=lambda value, _: f"{value:.0%}")
    bar.set_label("share of the true class")
    bar.outline.set_visible(False)
    return figure


def reliability_diagram(
    probabilities: npt.ArrayLike,
    labels: npt.ArrayLike,
    *,
    calibration_error: float,
    num_bins: int = CALIBRATION_BINS,
    note: str | None = None,
) -> Figure:
    """Draw the observed frequency over the predicted probability, with Wilson's 95 % interval of every bin.

    Bins with few examples are hatched instead of filled.

    Args:
        probabilities: Predicted probabilities, shape (N,), in [0, 1], of the positive or of the chosen class.
        labels: Whether the prediction was true, 0 or 1, shape (N,).
        calibration_error: Expected calibration error from `Scores`, for the title (arXiv:1706.04599, eq. 3).
        num_bins: Number of bins of equal width, as for the calibration error.
        note: Small text under the title.
    Raises:
        ValueError: If the arrays are empty, differ in length or contain values out of range.
    """
    probabilities, labels = _checked(probabilities, labels)
    # Bit-identical to torchmetrics, except that a probability of 1 belongs to the last bin and not to an extra one.
    edges = torch.linspace(0, 1, num_bins + 1)
    bins = (torch.bucketize(torch.from_numpy(probabilities).float(), edges, right=True) - 1).numpy()
    bins = np.minimum(bins, num_bins - 1)
    sizes = np.bincount(bins, minlength=num_bins)
    filled, few = sizes > 0, sizes < _FEW
    predicted = np.bincount(bins, probabilities, num_bins)[filled] / sizes[filled]
    observed = np.bincount(bins, labels, num_bins)[filled] / sizes[filled]
    ends = np.array([wilson_interval(share, int(size)) for share, size in zip(observed, sizes[filled], strict=True)])
    figure = titled_figure(5.6, 5.4, f"Expected calibration error {calibration_error:.3f}", note)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    centres = (np.arange(num_bins) + 0.5) / num_bins
    looks = ({"color": BLUE, "alpha": 0.45}, {"facecolor": "none", "edgecolor": BLUE, "alpha": 0.5, "hatch": "////"})
    for is_few, look, label in zip((False, True), looks, ("observed", f"fewer than {_FEW} examples"), strict=True):
        if (chosen := few[filled] == is_few).any():
            upper.bar(centres[filled][chosen], observed[chosen], 0.9 / num_bins, label=label, **look)
    upper.errorbar(
        predicted, observed, yerr=[observed - ends[:, 0], ends[:, 1] - observed], fmt="s", color=ORANGE, markersize=5,
        capsize=2.5, linewidth=1.2, label="at the mean prediction, 95 %",
    )  # fmt: skip
    upper.plot([0, 1], [0, 1], color=GREY, linestyle=":", label="perfectly calibrated")
    upper.set(ylabel="observed frequency", xlim=(0, 1), ylim=(0, 1.02))
    upper.legend(loc="upper left", fontsize=8.5, framealpha=0.85, edgecolor="none")
    bars = lower.bar(centres, sizes, 0.9 / num_bins, color=GREY)
    lower.bar_label(bars, fontsize=7, padding=1)
    lower.set(
        xlabel=f"predicted probability ({num_bins} bins of equal width, {len(labels):,} examples)", ylabel="count"
    )
    lower.margins(y=0.25)
    for axes in (upper, lower):
        clean(axes)
    return figure


def roc_curve(probabilities: npt.ArrayLike, labels: npt.ArrayLike, *, note: str | None = None) -> Figure:
    """Draw the true over the false positive rate for all thresholds, with the area under the curve in the title.

    Args:
        probabilities: Predicted probability of the positive class, shape (N,), in [0, 1].
        labels: True class, 0 or 1, shape (N,); both must occur.
        note: Small text under the title.
    Raises:
        ValueError: If the arrays are empty, differ in length or contain values out of range, or a class is missing.
    """
    probabilities, labels = _checked(probabilities, labels)
    positives = int(labels.sum())
    negatives = len(labels) - positives
    if not positives or not negatives:
        raise ValueError(f"A ROC curve needs both classes, but got {positives=}, {negatives=}.")
    order = np.argsort(-probabilities, kind="stable")
    last_of_ties = np.append(np.diff(probabilities[order]) != 0, True)  # equal predictions share one threshold
    true_rate = np.append(0, np.cumsum(labels[order])[last_of_ties] / positives)
    false_rate = np.append(0, np.cumsum(1 - labels[order])[last_of_ties] / negatives)
    figure = titled_figure(5.0, 5.0, f"Area under the ROC curve {np.trapezoid(true_rate, false_rate):.3f}", note)
    axes = figure.subplots()
    axes.plot(false_rate, true_rate, color=BLUE, linewidth=2, label=f"{positives} positive, {negatives} negative")
    axes.plot([0, 1], [0, 1], color=GREY, linestyle=":", label="chance")
    axes.set(xlabel="false positive rate", ylabel="true positive rate", xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
    axes.set_aspect("equal")
    axes.legend(frameon=False, loc="lower right")
    clean(axes)
    return figure


def _checked(probabilities: npt.ArrayLike, labels: npt.ArrayLike) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    p, y = np.asarray(probabilities, dtype=float), np.asarray(labels, dtype=float)
    if p.ndim != 1 or p.shape != y.shape or not len(p):
        raise ValueError(f"Both arrays must be (N,) with N > 0, but got shapes {p.shape} and {y.shape}.")
    if not ((p >= 0) & (p <= 1)).all():  # also false for NaN
        raise ValueError(f"`probabilities` must lie in [0, 1], but got values from {p.min()} to {p.max()}.")
    if not np.isin(y, (0, 1)).all():
        raise ValueError(f"`labels` must be 0 or 1, but got {np.unique(y)[:10]}.")
    return p, y
