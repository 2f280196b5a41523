"""Options of `qlit config`."""

import argparse

from qlit.jobs.config.arguments import CommandParser


def parser_of(prog: str) -> CommandParser:
    """The parser; `prog` is the command as it is typed."""
    parser = CommandParser(
        prog=prog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="The configs that come with qlit. Every command takes their names:\nqlit fit --config quickstart",
        epilog="examples:\n"
        "  qlit config list\n"
        "  qlit config show single_sqe        print a config\n"
        "  qlit config copy single_sqe        write configs/single_sqe.yaml\n"
        "  qlit config copy table_06 --to my  write my/studies/table_06.yaml and its base\n"
        "  qlit config schema > schema.json   write a JSON schema for editors\n",
    )
    parser.add_argument(
        "verb", choices=("list", "show", "copy", "schema"), metavar="list|show|copy|schema", help="what to do"
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="name of a config, as `list` shows it")
    parser.add_argument("--to", default="configs", metavar="FOLDER", help="folder of the copies; default: configs")
    parser.add_argument("--force", action="store_true", help="replace files that differ")
    return parser
