"""Figures and tables of the paper (arXiv:2504.08732) that `qlit report` makes, with the numbers that it prints."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Level = bool | int | float | str | None
Kind = Literal["table", "sweep", "boxes", "epochs", "energy"]


@dataclass(frozen=True)
class PaperPart:
    """One figure or table of the paper.

    Args:
        name: Name on the command line.
        title: Number in the paper, and what it shows.
        kind: `table`: one row per model; `sweep`: accuracy over a factor, one point per learning rate; `boxes`: the
            same as boxes; `epochs`: curves of one training; `energy`: an estimate without trainings.
        plan: Name of the config of qlit with its cells; empty for an estimate.
        x: Factor on the horizontal axis of a figure.
        series: Factor that distinguishes its lines; empty for one line.
        x_label: Name of `x`.
        series_label: Name of `series` before its level.
        published: Published test accuracies, per cent, by the levels of (x,) or (x, series). The paper prints few of
            the points that it draws; the others are only in its pictures. Tables II and III have theirs in `plan`.
        without_series: Another plan, whose cells are drawn as the line without `series` (Fig. 11: no gate noise).
        row: Row of the plan that an `epochs` part shows.
        remark: What a reader should know.
    """

    name: str
    title: str
    kind: Kind
    plan: str
    x: str = ""
    series: str = ""
    x_label: str = ""
    series_label: str = ""
    published: Mapping[tuple[Level, ...], float] = field(default_factory=dict)
    without_series: str = ""
    row: str = ""
    remark: str = ""


CROSSOVER_QUBITS = 46
"""Published number of qubits from which the QPU needs less energy (Fig. 5)."""

_SINGLE: dict[tuple[Level, ...], float] = {(10,): 90.21, (12,): 90.99, (14,): 91.45, (18,): 91.75}  # Tables II and III
_CHOICE = (
    "Small points: one learning rate each. Large points: the learning rate with the best validation accuracy; the "
    "paper draws the best test accuracy instead, which is biased upwards."
)
PARTS = {
    each.name: each
    for each in (
        PaperPart(
            "table2",
            "Table II: heads on the frozen body",
            "table",
            "tables/table_02",
            remark="Published: the maximum of a sweep. Ours: the mean over splits of one setting. The paper's SVC with "
            "435 support vectors (85.08 %) has no config, because its settings are not published.",
        ),
        PaperPart(
            "table3",
            "Table III: encoders in front of a 14-qubit PQC",
            "table",
            "tables/table_03",
            remark="Published: the maximum of a sweep. Ours: the mean over splits of one setting.",
        ),
        PaperPart(
            "table4",
            "Table IV: with and without the final linear layer",
            "sweep",
            "studies/table_12",
            x="F",
            x_label="final linear layer",
            published={(True,): 91.45, (False,): 91.70},
            remark=_CHOICE,
        ),
        PaperPart(
            "fig5",
            "Figure 5: energy of an inference on a QPU and on a GPU",
            "energy",
            "",
            remark="An estimate by the paper's formulas with the constants of its Table V, and with gate counts of the "
            "circuit itself; no training and no measurement. The paper prints one number of this figure, the crossing.",
        ),
        PaperPart(
            "fig8a",
            "Figure 8a: accuracy over qubits, one encoder",
            "sweep",
            "studies/table_06",
            x="qubits",
            x_label="qubits",
            published=_SINGLE,
            remark=f"{_CHOICE} It prints no number for 16 qubits.",
        ),
        PaperPart(
            "fig8b",
            "Figure 8b: accuracy over qubits, two encoders",
            "sweep",
            "studies/table_07",
            x="qubits",
            x_label="qubits of the PQC",
            published={(10,): 92.04, (14,): 92.70, (18,): 92.18},
            remark=f"{_CHOICE} It prints no number for 12 and 16 qubits.",
        ),
        PaperPart(
            "fig9",
            "Figure 9: accuracy over main layers, by re-uploads",
            "boxes",
            "studies/table_10",
            x="M",
            series="R",
            x_label="main layers M",
            series_label="R =",
            remark="Boxes: quartiles and median of all trainings with this number of layers; whiskers: the range "
            "without outliers (1.5 interquartile ranges). The paper prints no number of this figure.",
        ),
        PaperPart(
            "fig10",
            "Figure 10: accuracy over re-uploading layers, by main layers",
            "sweep",
            "studies/table_11",
            x="N",
            series="M",
            x_label="re-uploading layers N",
            series_label="M =",
            remark=f"{_CHOICE} It prints no number of this figure.",
        ),
        PaperPart(
            "fig11",
            "Figure 11: accuracy over qubits with gate noise",
            "sweep",
            "studies/table_15",
            x="qubits",
            series="noise",
            x_label="qubits",
            series_label="p1, p2 =",
            published={(*levels, None): value for levels, value in _SINGLE.items()},
            without_series="studies/table_06",
            remark=f"{_CHOICE} It prints no number for the two noisy lines.",
        ),
        PaperPart(
            "fig12",
            "Figure 12: loss and validation accuracy over epochs",
            "epochs",
            "tables/table_02",
            row="multi sQE, 18 qubits",
            remark="The paper draws 800 epochs of two encoders and an 18-qubit PQC, and prints no number of them.",
        ),
    )
}
"""Figures and tables by name, in the order of the report."""
