"""Options of `qlit circuit diagnose`."""

import argparse
import re
from collections.abc import Sequence
from functools import partial

from qlit.jobs.config.arguments import CommandParser, whole_numbers

FIGURE_SUFFIXES = (".png", ".svg", ".pdf")
BINS = ("width", "mass")
_NUMBERS = partial(whole_numbers, example="--qubits 2 4 6 8", least="a circuit has at least 1 qubit")


def parser_of(prog: str) -> CommandParser:
    """The parser; `prog` is the command as it is typed."""
    parser = CommandParser(
        prog=prog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Examine the circuits of a config with random parameters at several widths:\n"
        "  gradient variance  of <Z> of the first measured wire, mean over parameters,\n"
        "                     and its decay with the qubits (arXiv:1803.11173)\n"
        "  expressibility     divergence of fidelities from Haar-random ones, nats\n"
        "  entanglement       mean Meyer-Wallach measure (both arXiv:1905.10876)\n"
        "Nothing is trained, and no body or data is loaded.",
        epilog="Options with a dot (--model.head.pqc.connectivity 2) change the config.\n\n"
        "examples:\n  qlit circuit diagnose --config single_sqe\n"
        "  qlit circuit diagnose --config single_sqe --qubits 2 4 6 8 10 --plot a.png\n",
    )
    parser.add_argument("-c", "--config", action="append", default=[], help="config file; later ones win")
    parser.add_argument(
        "--qubits", type=_NUMBERS, default=[2, 4, 6, 8], metavar="N [N ...]", help="widths; default: 2 4 6 8"
    )
    parser.add_argument("--samples", type=int, default=5000, metavar="N", help="random parameters; default: 5000")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of parameters, bootstrap; default: 0")
    parser.add_argument(
        "--bins", choices=BINS, default="width", help="75 bins of fidelities: equal width (default), or equal mass"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument("--plot", metavar="FILE", help=f"draw the curves ({', '.join(FIGURE_SUFFIXES)})")
    return parser


def joined(arguments: Sequence[str]) -> list[str]:
    """The words with all numbers after --qubits as one word, which is what the parser takes."""
    words: list[str] = []
    rest = list(arguments)
    while rest:
        words.append(rest.pop(0))
        if words[-1] == "--qubits" and rest:
            words.append(rest.pop(0))
            while rest and re.fullmatch(r"-?\d+", rest[0]):
                words[-1] += f",{rest.pop(0)}"
    return words
