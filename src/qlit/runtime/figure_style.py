"""Style of all figures. It uses matplotlib without pyplot: no global state, no window, safe in a training process."""

import textwrap
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

# Okabe and Ito's colours are distinct for colour-blind readers; markers and dashes make them distinct in grey too.
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#666666"
_TITLE_PT, _NOTE_PT = 13, 8.5


def titled_figure(width: float, height: float, title: str, note: str | None) -> Figure:
    """Create an empty figure (sizes in inches) with a title and a note below it."""
    lines = textwrap.wrap(note or "", int(width * 16))
    header = (1.9 * _TITLE_PT + 1.35 * _NOTE_PT * len(lines)) / 72  # inches
    # matplotlib reserves space for one title size only, so the space of title and note is reserved here.
    layout = ConstrainedLayoutEngine(rect=(0, 0, 1, height / (height + header)))
    figure = Figure(figsize=(width, height + header), dpi=120, layout=layout)
    FigureCanvasAgg(figure)
    top = 1 - 0.4 * _TITLE_PT / 72 / (height + header)
    figure.text(0.5, top, title, fontsize=_TITLE_PT, ha="center", va="top")
    below = top - 1.4 * _TITLE_PT / 72 / (height + header)
    figure.text(0.5, below, "\n".join(lines), fontsize=_NOTE_PT, color=GREY, ha="center", va="top")
    return figure


def clean(axes: Any) -> None:
    """Remove decoration without information from axes."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    axes.set_axisbelow(True)


GREEN, PURPLE, INK = "#009E73", "#CC79A7", "#222222"
SERIES = ((BLUE, "o", "-"), (ORANGE, "s", "--"), (GREEN, "^", ":"), (PURPLE, "v", "-."))
"""Colour, marker and dashes of the lines of a figure; any two differ in all three."""
PUBLISHED: dict[str, Any] = {
    "marker": "D", "markerfacecolor": "none", "markeredgecolor": INK, "markeredgewidth": 1.3, "markersize": 7,
    "linestyle": "none",
}  # fmt: skip
"""Style of published values: an open diamond, which no value of ours has."""
