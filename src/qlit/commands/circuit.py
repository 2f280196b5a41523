"""`qlit circuit draw`: the circuits of the paper as text or as a picture; `diagnose` is in `diagnose.py`."""

import argparse
import shutil

from qlit.circuits import Circuit, ansatz, cnot, encoder_circuit, reuploading_circuit, ry
from qlit.commands.parsers.circuit import FIGURE_SUFFIXES, TITLES, parser_of
from qlit.reports.circuit_figure import circuit_figure
from qlit.reports.other_drawers import other_figure
from qlit.runtime.errors import UsageError
from qlit.runtime.output_files import check_output

_OPTIONS = {
    "block": (),
    "encoder": ("num_qubits", "connectivity", "num_layers"),
    "pqc1": ("num_qubits", "connectivity", "num_reupload_layers"),
    "pqc2": ("num_qubits", "connectivity", "num_main_layers"),
    "pqc": ("num_qubits", "connectivity", "num_reuploads", "num_main_layers", "num_reupload_layers"),
}
_DEFAULTS = {"num_qubits": 4, "num_layers": 2, "num_reuploads": 4, "num_main_layers": 2, "num_reupload_layers": 1}


def run(command: str, arguments: list[str]) -> int:
    """Run `qlit circuit` and return its exit status."""
    if arguments[:1] == ["diagnose"]:
        from qlit.commands.diagnose import diagnose_circuits  # imports torch and Lightning

        return diagnose_circuits(f"qlit {command} diagnose", arguments[1:])
    options = parser_of(f"qlit {command}").parse(arguments)
    if options.verb == "diagnose":
        raise UsageError("`diagnose` comes first: qlit circuit diagnose --config FILE.")
    check_output(options.plot, suffixes=FIGURE_SUFFIXES)
    circuit = _circuit(options)
    counts = ", ".join(
        f"{number} {name}{'s' if number != 1 else ''}"
        for number, name in (
            (circuit.num_qubits, "qubit"),
            (circuit.num_parameters, "parameter"),
            (circuit.num_one_qubit_gates, "one-qubit gate"),
            (circuit.num_two_qubit_gates, "two-qubit gate"),
        )
    )
    if options.plot is not None:
        title = TITLES[options.part]
        if options.drawer in (None, "qlit"):
            circuit_figure(circuit, title=title, note=counts).savefig(options.plot)
        else:
            other_figure(circuit, options.drawer, title=title).savefig(options.plot, bbox_inches="tight")
        return 0
    if options.drawer is not None:
        raise UsageError("--drawer goes with --plot FILE: it draws a picture.")
    width = options.width if options.width is not None else shutil.get_terminal_size((100, 24)).columns
    print(circuit.draw(width=width))
    print(f"\n{counts}\no: control, X below it: target; tK: RY by parameter K; xK: RY by input angle K")
    return 0


def _circuit(options: argparse.Namespace) -> Circuit:
    """The circuit that the options describe."""
    part, used = options.part, _OPTIONS[options.part]
    known = {name for names in _OPTIONS.values() for name in names}
    if strange := sorted(name for name in known - set(used) if getattr(options, name) is not None):
        raise UsageError(f"--{strange[0]} does not change the part {part!r}; leave it out.")
    defaults = {**_DEFAULTS, "connectivity": 2 if part == "encoder" else 1}
    values = {name: defaults[name] if (given := getattr(options, name)) is None else given for name in used}
    if part == "block":
        return Circuit(2, (cnot(0, 1), ry(1, parameter=0)))
    if part == "encoder":
        return encoder_circuit(**values)
    if part == "pqc":
        return reuploading_circuit(**values)
    num_qubits, connectivity, num_layers = values.values()
    return ansatz(num_qubits, connectivity, num_layers)
