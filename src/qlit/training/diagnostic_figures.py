"""Figures of the callback `Diagnostics`: gradients by epoch, latent vectors, entanglement of states.

Shapes: N sentences, F features.
"""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from qlit.runtime.figure_style import BLUE, GREY, ORANGE, clean, titled_figure

_LOOKS = (
    *((BLUE, "o"), (ORANGE, "s"), ("#009E73", "^"), ("#CC79A7", "D")),
    *(("#E69F00", "v"), ("#56B4E9", "P"), ("#000000", "X")),
)
"""Colours of Okabe and Ito with a marker each."""
_REST = (GREY, ".")


def gradient_curves(
    history: Mapping[str, Mapping[str, Sequence[tuple[float, float]]]], *, note: str | None = None
) -> Figure:
    """Draw norm and variance of the gradients over the epochs, on logarithmic scales.

    Args:
        history: (epoch, value) by quantity, "norm" and "variance", and by group of parameters. Values of 0 are left
            out.
        note: Small text under the title.
    """
    figure = titled_figure(9.0, 3.8, "Gradients by group of parameters", note)
    labels = {"norm": "L2 norm, mean over steps", "variance": "variance over parameters and steps"}
    for axes, (quantity, label) in zip(figure.subplots(1, 2), labels.items(), strict=True):
        for (name, points), (color, marker) in zip(history[quantity].items(), _cycled(), strict=False):
            shown = [(epoch, value) for epoch, value in points if value > 0]
            if shown:
                size = 4 if len(shown) <= 30 else 0
                axes.plot(*zip(*shown, strict=True), color=color, marker=marker, markersize=size, label=name)
        axes.set_yscale("log")
        axes.set(xlabel="epoch", ylabel=label)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if axes.has_data():
            axes.legend(frameon=False, fontsize=8.5)
        clean(axes)
    return figure


def latent_vectors(
    panels: Mapping[str, npt.ArrayLike],
    labels: npt.ArrayLike,
    label_names: Sequence[str],
    *,
    note: str | None = None,
) -> Figure:
    """Draw the first two principal components of latent vectors, with a colour and a marker for every label.

    With more than seven labels, those of the fewest sentences share one.

    Args:
        panels: Vectors by title, each of shape (N, F), N >= 2.
        labels: Classes, shape (N,).
        label_names: Names of the classes.
        note: Small text under the title.
    Raises:
        ValueError: If there is no panel or there are fewer than two sentences.
    """
    labels = np.asarray(labels)
    if not panels or len(labels) < 2:
        raise ValueError(
            f"A panel and two sentences are needed, but got {len(panels)} panels and {len(labels)} labels."
        )
    figure = titled_figure(4.8 * len(panels), 4.4, "Latent vectors, principal components", note)
    groups = _groups(labels, label_names)
    for axes, (title, vectors) in zip(np.atleast_1d(figure.subplots(1, len(panels))), panels.items(), strict=True):
        points, shares = _components(np.asarray(vectors, dtype=float))
        for rows, name, (color, marker) in groups:
            axes.scatter(*points[rows].T, s=26, color=color, marker=marker, alpha=0.65, linewidths=0, label=name)
        axes.set_title(title, fontsize=10)
        axes.set(xlabel=f"component 1, {shares[0]:.0%} of the variance", ylabel=f"component 2, {shares[1]:.0%}")
        axes.set_aspect("equal", adjustable="datalim")
        clean(axes)
    axes.legend(fontsize=8.5, framealpha=0.85, edgecolor="none")
    return figure


def entanglement_of_states(
    entanglement: Mapping[str, npt.ArrayLike],
    random: Mapping[str, float],
    labels: npt.ArrayLike,
    label_names: Sequence[str],
    *,
    note: str | None = None,
) -> Figure:
    """Draw the Meyer-Wallach entanglement of every sentence's state, circuit by circuit, with the mean.

    Args:
        entanglement: Measures in [0, 1], shape (N,), by circuit.
        random: Mean of uniformly random states, by circuit.
        labels: Classes, shape (N,).
        label_names: Names of the classes.
        note: Small text under the title.
    """
    figure = titled_figure(2.2 + 2.2 * max(2, len(entanglement)), 4.2, "Entanglement of the final states", note)
    axes = figure.subplots()
    labels = np.asarray(labels)
    groups = _groups(labels, label_names)
    for place, (name, values) in enumerate(entanglement.items()):
        measures = np.asarray(values, dtype=float)
        for number, (rows, label, (color, marker)) in enumerate(groups):
            # Every label has its own strip, in which points are spread evenly in the order of the sentences.
            start, width = -0.34 + 0.68 * number / len(groups), 0.6 / len(groups)
            across = place + start + width * (np.arange(rows.sum()) % 23) / 22
            axes.scatter(
                across, measures[rows], s=16, color=color, marker=marker, alpha=0.55, linewidths=0,
                label="" if place else label,
            )  # fmt: skip
        axes.hlines(
            measures.mean(), place - 0.38, place + 0.38, color="black", linewidth=1.6,
            label="" if place else "mean",
        )  # fmt: skip
        axes.hlines(
            random[name], place - 0.38, place + 0.38, color=GREY, linestyle=":", linewidth=1.6,
            label="" if place else "uniformly random states",
        )  # fmt: skip
    axes.set_xticks(range(len(entanglement)), list(entanglement))
    axes.set(xlim=(-0.55, len(entanglement) - 0.45), ylim=(-0.02, 1.02), ylabel="Meyer-Wallach entanglement")
    axes.legend(fontsize=8.5, framealpha=0.85, edgecolor="none")
    clean(axes)
    return figure


def _cycled() -> list[tuple[str, str]]:
    return list(_LOOKS) * 8


def _groups(
    labels: npt.NDArray[Any], label_names: Sequence[str]
) -> list[tuple[npt.NDArray[np.bool_], str, tuple[str, str]]]:
    """Rows, name and look of every label that occurs; the rarest ones together if there are too many."""
    found, counts = np.unique(labels, return_counts=True)
    alone = set(found.tolist())
    if len(found) > len(_LOOKS):
        alone = set(found[np.argsort(-counts, kind="stable")][: len(_LOOKS)].tolist())
    kept = sorted(alone)
    groups = [
        (labels == label, textwrap.shorten(str(label_names[label]), 24, placeholder="..."), look)
        for label, look in zip(kept, _LOOKS, strict=False)
    ]
    if len(found) > len(kept):
        groups.append((~np.isin(labels, kept), f"{len(found) - len(kept)} other labels", _REST))
    return groups


def _components(vectors_NF: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """The first two principal components, shape (N, 2), and their shares of the variance, 0 where there is none."""
    from sklearn.decomposition import PCA  # slow to import

    number = min(2, *vectors_NF.shape)
    if not vectors_NF.var(axis=0).any():
        return np.zeros((len(vectors_NF), 2)), np.zeros(2)
    model = PCA(number, svd_solver="full")
    points = model.fit_transform(vectors_NF)
    missing = 2 - number
    return np.pad(points, ((0, 0), (0, missing))), np.pad(model.explained_variance_ratio_, (0, missing))
