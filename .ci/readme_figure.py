"""Draw the picture of README: Table II of the paper beside our results, from the stored numbers of docs/tables.md.

python .ci/readme_figure.py writes docs/figures/table_02.png. The file contains the numbers that it shows, so a test
can compare them with the page. Rows that were not trained for long enough are left out, as the page says.
"""

import re
from pathlib import Path
from typing import NamedTuple

from qlit.runtime.figure_style import BLUE, GREY, ORANGE, clean, titled_figure

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "figures" / "table_02.png"
_ROW = re.compile(r"\| ([^|]+) \| [^|]+ \| ([\d.]+) % \| ([\d.]+) % \| ([\d.]+) to ([\d.]+)[^|]* \| (\d+) of \d+ \|")
_TOO_SHORT = "18 qubits"  # 20 of 800 epochs: "its row says nothing about the model"
_NOTE = (
    "SST-2, 435 training sentences, 9,101 test sentences. Ours: mean over 3 splits (two encoders, 12 qubits) or 10, "
    "with 95 % intervals, body all-mpnet-base-v2. Published: body paraphrase-mpnet-base-v2, a related model. "
    "Neural networks: (hidden layers, width)."
)


class Row(NamedTuple):
    """A row of the table: accuracies in percent, and the number of splits."""

    model: str
    published: float
    mean: float
    low: float
    high: float
    num_splits: int


def rows() -> list[Row]:
    """Read the rows of Table II, without those of 18 qubits."""
    text = (ROOT / "docs" / "tables.md").read_text(encoding="utf-8")
    section = text.partition("\n## Table II\n")[2].partition("\n## ")[0]
    found = [Row(model.strip(), *map(float, numbers), int(splits)) for model, *numbers, splits in _ROW.findall(section)]
    return [row for row in found if _TOO_SHORT not in row.model]


def numbers() -> str:
    """The rows as they are stored in the picture."""
    return "; ".join(" ".join(map(str, row)) for row in rows())


def draw() -> None:
    """Write the picture."""
    found = sorted(rows(), key=lambda row: row.mean)
    figure = titled_figure(8.0, 4.0, "Heads on a frozen sentence transformer: accuracy on SST-2", _NOTE)
    axes = figure.subplots()
    for is_quantum, colour, marker, name in (
        (True, BLUE, "o", "quantum, ours"),
        (False, ORANGE, "s", "classical, ours"),
    ):
        chosen = [(place, row) for place, row in enumerate(found) if ("sQE" in row.model) is is_quantum]
        axes.errorbar(
            [row.mean for _, row in chosen], [place for place, _ in chosen],
            xerr=[[row.mean - row.low for _, row in chosen], [row.high - row.mean for _, row in chosen]],
            fmt=marker, color=colour, markersize=6, capsize=3.5, linewidth=1.6, label=name,
        )  # fmt: skip
    axes.plot(
        [row.published for row in found], range(len(found)), "D", color=GREY, markerfacecolor="none", markersize=6,
        label="published",
    )  # fmt: skip
    axes.set_yticks(range(len(found)), [row.model.replace("sQE", "quantum encoder") for row in found])
    axes.set_xlabel("test accuracy, %")
    axes.legend(loc="upper left", frameon=False)
    clean(axes)
    figure.savefig(PICTURE, bbox_inches="tight", pad_inches=0.15, metadata={"Description": numbers()})


if __name__ == "__main__":
    draw()
