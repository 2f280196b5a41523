"""Figure of circuits with random parameters: gradient variance, expressibility and entanglement by width."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from qlit.circuits.random_parameters import Diagnosis, ExponentialFit
from qlit.runtime.figure_style import BLUE, GREY, ORANGE, clean, titled_figure

_STYLES = ((BLUE, "o"), (ORANGE, "s"), ("#009E73", "^"), ("#CC79A7", "D"))


class Curves(NamedTuple):
    """One circuit at several widths.

    Args:
        name: Its name.
        rows: Its numbers, ascending in the number of qubits.
        fit: Decay of its gradient variance; None without one.
    """

    name: str
    rows: Sequence[Diagnosis]
    fit: ExponentialFit | None


def diagnosis_figure(curves: Sequence[Curves], *, note: str = "") -> Figure:
    """Draw three panels over the number of qubits, with 95 % intervals.

    Args:
        curves: The circuits.
        note: Text below the title.
    """
    figure = titled_figure(12.4, 4.0, "Circuits with random parameters", note)
    variance, express, entangle = figure.subplots(1, 3)
    for number, curve in enumerate(curves):
        style = _STYLES[number % len(_STYLES)]
        _draw_variance(variance, curve, *style)
        qubits = [row.num_qubits for row in curve.rows]
        for axes, name, limit in (
            (express, "expressibility", [row.least_expressibility for row in curve.rows]),
            (entangle, "entanglement", [row.random_entanglement for row in curve.rows]),
        ):
            places = [each + 0.08 * number for each in qubits]  # equal values stay visible
            _draw_intervals(axes, places, [getattr(row, name) for row in curve.rows], *style, label=curve.name)
            is_last = number == len(curves) - 1
            label = "uniformly random states" if is_last else None
            axes.plot(qubits, limit, color=GREY, linestyle=":", label=label, zorder=0)
    variance.set_yscale("log")
    variance.set(ylabel=r"Var $\partial\langle Z\rangle / \partial\theta$, per radian$^2$")
    express.set(ylabel="expressibility, nats (lower is more)")
    entangle.set(ylabel="Meyer-Wallach entanglement", ylim=(-0.02, 1.02))
    for axes in (variance, express, entangle):
        axes.set_xlabel("qubits")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend(frameon=False, fontsize=8)
        clean(axes)
    return figure


def _draw_variance(axes: Any, curve: Curves, color: str, marker: str) -> None:
    """Mean over the parameters with its fit, and the largest variance of a parameter."""
    rows = [row for row in curve.rows if row.gradient_variance.value > 0]  # the scale is logarithmic
    qubits = [row.num_qubits for row in rows]
    if curve.fit is not None:
        places = np.linspace(qubits[0], qubits[-1], 50)
        fit = curve.fit
        label = f"{curve.name}: rate {fit.rate:.2f} ({fit.low:.2f} to {fit.high:.2f})"
        axes.plot(places, [fit(place) for place in places], color=color, linestyle="--", linewidth=1.2)
    else:
        label = curve.name
    _draw_intervals(axes, qubits, [row.gradient_variance for row in rows], color, marker, label=label, joined=False)
    axes.plot(
        qubits, [row.largest_variance for row in rows], color=color, marker=marker, markerfacecolor="white",
        linestyle=":", linewidth=1, markersize=5, label=f"{curve.name}: largest of a parameter",
    )  # fmt: skip


def _draw_intervals(
    axes: Any, places: Sequence[float], estimates: Sequence[Any], color: str, marker: str, *, label: str,
    joined: bool = True,
) -> None:  # fmt: skip
    values = np.array([(each.value, each.low, each.high) for each in estimates]).reshape(-1, 3)
    # The basic interval of an estimate at its limit of 0 may end below it.
    below = np.maximum(values[:, 0] - values[:, 1], 0)
    above = np.maximum(values[:, 2] - values[:, 0], 0)
    axes.errorbar(
        places, values[:, 0], yerr=[below, above], color=color, marker=marker, markersize=5, capsize=3,
        linewidth=1.4, linestyle="-" if joined else "none", label=label,
    )  # fmt: skip
