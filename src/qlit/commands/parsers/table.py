"""Options of `qlit table`."""

from qlit.jobs.config.arguments import CommandParser


def parser_of(prog: str) -> CommandParser:
    """The parser; `prog` is the command as it is typed."""
    parser = CommandParser(
        prog=prog,
        description="Train the missing rows of a table, once per seed, and write our results beside the published "
        "ones as Markdown: means, 95 % intervals, splits, epochs, and how the order of the rows agrees.",
        epilog="Options with a dot (--data.source, --data.body) go to all rows. Earlier trainings are reused, so "
        "that the same command continues a stopped table.",
    )
    parser.add_argument("table", help="a file of configs/tables/")
    parser.add_argument("--output", metavar="FILE", help="write the table there instead of standard output")
    parser.add_argument("--no_training", action="store_true", help="write the earlier results; rows may be incomplete")
    parser.add_argument("--max_seeds", type=int, metavar="N", help="at most N seeds per row, for a first look")
    parser.add_argument("--max_epochs", type=int, metavar="N", help="at most N epochs per training, for a first look")
    return parser
