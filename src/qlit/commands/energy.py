"""`qlit energy`: the paper's estimate of the energy of an inference on a QPU and on a GPU."""

import dataclasses
import json
import math

from qlit.commands.parsers.energy import CONSTANTS, FIGURE_SUFFIXES, parser_of
from qlit.jobs.estimates.energy import Energy, EnergyModel, crossover, estimates, measured_s
from qlit.reports.energy_figure import energy_figure
from qlit.runtime.output_files import check_output

_MEASURED_QUBITS = range(4, 17, 2)
_SHOWN = (10, 14, 18, 20, 30, 40)


def run(command: str, arguments: list[str]) -> int:
    """Run `qlit energy` and return its exit status."""
    options = parser_of(f"qlit {command}").parse(arguments)
    check_output(options.plot, suffixes=FIGURE_SUFFIXES)
    model = EnergyModel(**{name: getattr(options, name) for name in CONSTANTS})
    if options.host_watt is not None and not (math.isfinite(options.host_watt) and options.host_watt > 0):
        raise ValueError(f"`host_watt > 0` must hold, but got {options.host_watt}.")
    found = estimates(model, options.max_qubits)
    qubits = [each.num_qubits for each in found]
    qpu_kj = [each.qpu_kj for each in found]
    ends = crossover(qpu_kj, [each.gpu_kj for each in found], qubits)
    printed = crossover(qpu_kj, [each.misprint_kj for each in found], qubits)
    measured = _measured(model, options.max_qubits) if options.host_watt is not None else {}
    if options.json:
        rows = [{**dataclasses.asdict(each), "measured_s": measured.get(each.num_qubits)} for each in found]
        report = {
            "crossover_qubits": ends, "crossover_qubits_as_printed": printed, "host_watt": options.host_watt,
            "constants": dataclasses.asdict(model), "estimates": rows,
        }  # fmt: skip
        print(json.dumps(report, indent=2))
    else:
        print(_table(model, found, measured, options.host_watt, ends, printed))
    if options.plot is not None:
        figure = energy_figure(
            qubits,
            qpu_kj,
            [each.gpu_kj for each in found],
            crossover=ends,
            misprint_kj=[each.misprint_kj for each in found],
            measured_kj={number: seconds * options.host_watt / 1000 for number, seconds in measured.items()},
            measured_name=f"this machine: measured time x {options.host_watt:g} W" if measured else "",
            note=_circuit(model) + "; estimates by the formulas of arXiv:2504.08732, Table V",
        )
        figure.savefig(options.plot)
    return 0


def _measured(model: EnergyModel, max_qubits: int) -> dict[int, float]:
    """Seconds per sentence on this machine, by number of qubits."""
    numbers = [number for number in _MEASURED_QUBITS if model.least_qubits <= number <= max_qubits]
    return {number: measured_s(model, number) for number in numbers}


def _circuit(model: EnergyModel) -> str:
    return (
        f"R = {model.num_reuploads}, M = {model.num_main_layers}, N = {model.num_reupload_layers}, "
        f"C = {model.connectivity}, {model.shots:,} shots"
    )


def _table(
    model: EnergyModel,
    found: list[Energy],
    measured: dict[int, float],
    host_watt: float | None,
    ends: int | None,
    printed: int | None,
) -> str:
    shown = {*_SHOWN, *measured, found[0].num_qubits, found[-1].num_qubits}
    shown |= {number + near for number in (ends, printed) if number is not None for near in (-1, 0)}
    lines = [
        f"energy of the inference of one sentence, {_circuit(model)}",
        "",
        f"{'qubits':>6}{'1-qubit gates':>15}{'2-qubit gates':>15}{'QPU, kJ':>12}{'GPU, kJ':>12}"
        + (f"{'here, kJ':>12}" if measured else ""),
    ]
    for each in found:
        if each.num_qubits in shown:
            here = measured.get(each.num_qubits)
            lines.append(
                f"{each.num_qubits:>6}{each.one_qubit_gates:>15,}{each.two_qubit_gates:>15,}"
                f"{each.qpu_kj:>12.4g}{each.gpu_kj:>12.4g}"
                + (f"{here * host_watt / 1000:>12.3g}" if here is not None and host_watt is not None else "")
            )
    last = found[-1].num_qubits
    lines += ["", _sentence(ends, last, "the GPU needs more energy than the QPU")]
    if printed != ends:
        lines.append(
            f"With P_qpu in place of P_gpu, as the paper's text prints E_gpu, "
            f"{'it would be from ' + str(printed) + ' qubits on' if printed else f'it would not up to {last} qubits'}."
        )
    if measured:
        lines.append(
            f"here: the measured time of qlit's own simulation (float32, CPU, batch of 16) times {host_watt:g} W, "
            "not an estimate by FLOPs."
        )
    else:
        lines.append("Give --host_watt W to see the same for the measured time of this machine.")
    return "\n".join(lines)


def _sentence(number: int | None, last: int, text: str) -> str:
    if number is None:
        return f"Up to {last} qubits there is no number from which {text}."
    return f"From {number} qubits on {text}."
