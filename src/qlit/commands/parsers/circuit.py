"""Options of `qlit circuit`."""

import argparse

from qlit.jobs.config.arguments import CommandParser

VERBS = ("draw", "diagnose")
FIGURE_SUFFIXES = (".png", ".svg", ".pdf")
PARTS = {
    "block": "a CNOT and RY on its target (Fig. 2)",
    "encoder": "the circuit of a simulated quantum encoder (Fig. 3)",
    "pqc1": "the block of the PQC that every re-upload repeats",
    "pqc2": "the main block of the PQC",
    "pqc": "the whole PQC: R times angle encoding and PQC1, then PQC2 (Fig. 1)",
}
"""What can be drawn."""
DRAWERS = ("qlit", "pennylane", "qiskit")
TITLES = {"block": "Block", "encoder": "Encoder", "pqc1": "PQC1", "pqc2": "PQC2", "pqc": "PQC"}
"""Titles of the pictures."""


def parser_of(prog: str) -> CommandParser:
    """The parser; `prog` is the command as it is typed."""
    parts = "\n".join(f"  {name:<9}{text}" for name, text in PARTS.items())
    parser = CommandParser(
        prog=prog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Draw a circuit of the paper (arXiv:2504.08732). `qlit describe --draw` draws\n"
        "those of a config; `qlit circuit diagnose`, with its own --help, examines them.",
        epilog=f"parts:\n{parts}\n\nexamples:\n"
        "  qlit circuit draw encoder --num_qubits 4 --num_layers 3 --plot fig3.svg\n"
        "  qlit circuit draw pqc --num_qubits 3 --num_reuploads 2\n",
    )
    parser.add_argument("verb", choices=VERBS, metavar="|".join(VERBS), help="what to do")
    parser.add_argument("part", choices=PARTS, help="what to draw; see below")
    for name, letter, text in (
        ("num_qubits", "Q", "qubits; default: 4"),
        ("connectivity", "C", "largest distance of a ring; default: 2 for the encoder, 1 for the PQC"),
        ("num_layers", "L", "layers of the encoder; default: 2"),
        ("num_reuploads", "R", "re-uploads; default: 4"),
        ("num_main_layers", "M", "layers of PQC2; default: 2"),
        ("num_reupload_layers", "N", "layers of PQC1; default: 1"),
    ):
        parser.add_argument(f"--{name}", type=int, metavar=letter, help=text)
    parser.add_argument(
        "--width", type=int, metavar="N", help="longest line of the text; default: the terminal's width"
    )
    parser.add_argument("--drawer", choices=DRAWERS, help="who draws the picture; default: qlit")
    parser.add_argument("--plot", metavar="FILE", help=f"draw a picture ({', '.join(FIGURE_SUFFIXES)}) instead of text")
    return parser
