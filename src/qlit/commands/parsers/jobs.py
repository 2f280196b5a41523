"""Options of `qlit jobs`."""

import argparse

from qlit.jobs.config.arguments import CommandParser
from qlit.jobs.slurm.settings import SlurmSettings


def parser_of(prog: str) -> CommandParser:
    """The parser; `prog` is the command as it is typed."""
    parser = CommandParser(
        prog=prog,
        usage=f"{prog} [--folder DIR] [--json]\n       {prog} cancel ID [ID ..] [--folder DIR]",
        description="Show the jobs that `qlit submit` submitted from this folder, with their states; or cancel some of "
        "them: 12 is a job, 12_3 the worker 3 of a study's array.",
    )
    parser.add_argument("words", nargs="*", default=[], metavar="cancel ID", help=argparse.SUPPRESS)
    parser.add_argument(
        "--folder",
        default=str(SlurmSettings.folder),
        metavar="DIR",
        help="`folder` of the Slurm file; default %(default)s",
    )
    parser.add_argument("--json", action="store_true", help="print everything about the jobs as JSON")
    return parser
