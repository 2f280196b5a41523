"""Picture of a circuit: wires from left to right, as in arXiv:2504.08732, Figs. 2 and 3."""

import math
from typing import Any

from matplotlib.figure import Figure
from matplotlib.patches import Circle, Rectangle

from qlit.circuits import Circuit, Gate
from qlit.circuits.drawing import moments
from qlit.runtime.figure_style import BLUE, GREY, ORANGE, titled_figure

_CELL_IN = 0.55  # inches per column and per wire
_MOST_COLUMNS = 24
"""Columns of one row of the picture; a longer circuit continues below."""


def circuit_figure(circuit: Circuit, *, title: str, note: str = "") -> Figure:
    """Draw a circuit.

    A filled circle is a control, a circle with a cross the target of a CNOT. Rotations by parameters are boxes with a
    full edge, rotations by input angles boxes with a dashed one.

    Args:
        circuit: The circuit.
        title: Title of the figure.
        note: Text below the title.
    """
    columns = moments(circuit)
    num_rows = max(1, math.ceil(len(columns) / _MOST_COLUMNS))
    length = math.ceil(len(columns) / num_rows)
    rows = [columns[k * length : (k + 1) * length] for k in range(num_rows)]
    width = max(map(len, rows)) + 1.6
    row_height = circuit.num_qubits + 0.7
    figure = titled_figure(max(4.0, _CELL_IN * width), _CELL_IN * row_height * len(rows), title, note)
    axes = figure.subplots()
    for number, row in enumerate(rows):
        _draw_row(axes, row, circuit.num_qubits, top=-number * row_height, is_last=number == len(rows) - 1)
    axes.set_xlim(-1.1, width - 0.6)
    axes.set_ylim(-row_height * len(rows) + 0.5, 0.6)
    axes.set_aspect("equal")
    axes.set_axis_off()
    return figure


def _draw_row(axes: Any, row: list[list[Gate]], num_qubits: int, *, top: float, is_last: bool) -> None:
    end = len(row) - 0.4 + (0 if is_last else 0.2)
    for wire in range(num_qubits):
        axes.plot([-0.6, end], [top - wire] * 2, color=GREY, linewidth=1, zorder=0)
        axes.text(-0.7, top - wire, f"$q_{{{wire}}}$", ha="right", va="center", fontsize=10)
    for place, gates in enumerate(row):
        for gate in gates:
            _draw_gate(axes, gate, place, top)


def _draw_gate(axes: Any, gate: Gate, place: float, top: float) -> None:
    target = top - gate.wires[-1]
    if len(gate.wires) == 2:
        control = top - gate.wires[0]
        axes.plot([place, place], [control, target], color=BLUE, linewidth=1.3, zorder=1)
        axes.add_patch(Circle((place, control), 0.11, color=BLUE, zorder=2))
    if gate.kind == "cnot":
        axes.add_patch(Circle((place, target), 0.2, facecolor="white", edgecolor=BLUE, linewidth=1.3, zorder=2))
        axes.plot([place - 0.2, place + 0.2], [target, target], color=BLUE, linewidth=1.3, zorder=3)
        axes.plot([place, place], [target - 0.2, target + 0.2], color=BLUE, linewidth=1.3, zorder=3)
        return
    is_input = gate.angle is not None
    axes.add_patch(
        Rectangle(
            (place - 0.4, target - 0.33), 0.8, 0.66, facecolor="white", edgecolor=ORANGE if is_input else BLUE,
            linestyle="--" if is_input else "-", linewidth=1.2, zorder=2,
        )
    )  # fmt: skip
    axes.text(place, target, _label(gate), ha="center", va="center", fontsize=8, zorder=3)


def _label(gate: Gate) -> str:
    name = {"cz": "Z", "cnot": "X"}.get(gate.kind, gate.name[-2:] if gate.is_rotation else gate.name)
    if not gate.is_rotation:
        return name
    if gate.value is not None:
        angle = f"{gate.value:.3g}"
    else:
        angle = f"$x_{{{gate.angle}}}$" if gate.parameter is None else rf"$\theta_{{{gate.parameter}}}$"
    return f"{name}\n{angle}"
