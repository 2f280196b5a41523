"""Options of `qlit info`."""

from qlit.jobs.config.arguments import CommandParser


def parser_of(prog: str) -> CommandParser:
    """The parser; `prog` is the command as it is typed."""
    parser = CommandParser(
        prog=prog,
        description="Show versions, engines, processor, GPUs, and where qlit keeps runs and embeddings: what a report "
        "of a fault needs. No passwords are printed.",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser
