"""Options of `qlit completion`."""

import argparse

from qlit.jobs.config.arguments import CommandParser

SHELLS = ("bash", "zsh", "fish")


def parser_of(prog: str) -> CommandParser:
    """The parser; `prog` is the command as it is typed."""
    parser = CommandParser(
        prog=prog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Print a script that completes commands, options and names of configs in a shell.",
        epilog="examples:\n"
        '  eval "$(qlit completion bash)"      in ~/.bashrc\n'
        '  eval "$(qlit completion zsh)"       in ~/.zshrc, after compinit\n'
        "  qlit completion fish | source       in ~/.config/fish/config.fish\n",
    )
    parser.add_argument("shell", choices=SHELLS, help="the shell")
    parser.add_argument("words", nargs="*", help=argparse.SUPPRESS)  # of the scripts: the words typed so far
    return parser
