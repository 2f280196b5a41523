"""Options of `qlit energy`."""

import argparse

from qlit.jobs.config.arguments import CommandParser

FIGURE_SUFFIXES = (".png", ".svg", ".pdf")
_CONSTANTS = (
    ("num_reuploads", "R", int, 4, "re-uploads"),
    ("num_main_layers", "M", int, 2, "main layers"),
    ("num_reupload_layers", "N", int, 1, "re-uploading layers"),
    ("connectivity", "C", int, 1, "connectivity"),
    ("shots", "S", int, 8000, "shots of the QPU"),
    ("qpu_watt_per_qubit", "W", float, 300.0, "power of the QPU per qubit, watt"),
    ("one_qubit_gate_s", "T", float, 1e-4, "duration of a one-qubit gate, seconds"),
    ("two_qubit_gate_s", "T", float, 1e-5, "duration of a two-qubit gate, seconds"),
    ("gpu_watt", "W", float, 700.0, "power of a GPU, watt"),
    ("gpu_flops", "F", float, 3.4e13, "double-precision operations of a GPU per second"),
)
CONSTANTS = tuple(name for name, *_ in _CONSTANTS)
"""Options that are fields of `EnergyModel`."""


def parser_of(prog: str) -> CommandParser:
    """The parser; `prog` is the command as it is typed."""
    parser = CommandParser(
        prog=prog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Estimate the energy of the inference of one sentence on a QPU and by a simulator\n"
        "on a GPU, as in the paper (arXiv:2504.08732, Table V, Fig. 5). Gates are counted\n"
        "in the circuit itself.",
        epilog="examples:\n  qlit energy\n  qlit energy --plot fig5.png --host_watt 65\n"
        "  qlit energy --num_reuploads 8 --gpu_flops 6.7e13 --json\n",
    )
    parser.add_argument("--max_qubits", type=int, default=54, metavar="N", help="largest number of qubits; default: 54")
    for name, letter, kind, default, text in _CONSTANTS:
        parser.add_argument(
            f"--{name}", type=kind, default=default, metavar=letter, help=f"{text}; default: {default:g}"
        )
    parser.add_argument(
        "--host_watt", type=float, metavar="W", help="power of this machine under load: also time qlit's own "
        "simulation here, and multiply the time by it",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--plot", metavar="FILE", help=f"draw the curves ({', '.join(FIGURE_SUFFIXES)})")
    return parser
