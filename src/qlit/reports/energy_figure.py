"""Figure of the energy of one inference over the number of qubits (arXiv:2504.08732, Fig. 5)."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from qlit.runtime.figure_style import BLUE, GREY, ORANGE, clean, titled_figure

GREEN = "#009E73"


def energy_figure(
    num_qubits: Sequence[int],
    qpu_kj: Sequence[float],
    gpu_kj: Sequence[float],
    *,
    crossover: int | None,
    misprint_kj: Sequence[float] = (),
    measured_kj: Mapping[int, float] | None = None,
    measured_name: str = "",
    note: str = "",
) -> Figure:
    """Draw the energies on a logarithmic scale.

    Args:
        num_qubits: Numbers of qubits.
        qpu_kj: Energies of the QPU, kJ.
        gpu_kj: Energies of the simulation on GPUs, kJ.
        crossover: Number of qubits from which the QPU needs less; None for none.
        misprint_kj: Energies by the formula as the paper prints it, kJ; empty to leave it out.
        measured_kj: Energies on this machine by number of qubits, kJ.
        measured_name: Name of that curve.
        note: Text below the title.
    """
    figure = titled_figure(7.2, 4.6, "Energy of the inference of one sentence", note)
    axes = figure.subplots()
    axes.plot(num_qubits, qpu_kj, color=BLUE, linewidth=2, label="QPU")
    axes.plot(num_qubits, gpu_kj, color=ORANGE, linewidth=2, linestyle="--", label="GPU, simulated statevector")
    if misprint_kj:
        label = "the same with $P_{qpu}$, as printed in the paper"
        axes.plot(num_qubits, misprint_kj, color=GREY, linewidth=1.2, linestyle=":", label=label)
    if measured_kj:
        axes.plot(
            list(measured_kj), list(measured_kj.values()), color=GREEN, marker="o", markersize=5, label=measured_name
        )
    if crossover is not None:
        height = qpu_kj[list(num_qubits).index(crossover)]
        axes.annotate(
            f"{crossover} qubits", (crossover, height), xytext=(-14, 26), textcoords="offset points", ha="right",
            arrowprops={"arrowstyle": "-", "color": GREY},
        )  # fmt: skip
    axes.set_yscale("log")
    axes.set_xlabel("qubits")
    axes.set_ylabel("energy, kJ")
    axes.legend(frameon=False, loc="lower right")
    clean(axes)
    return figure
