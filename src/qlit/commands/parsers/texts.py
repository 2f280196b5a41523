"""Help texts of the commands, printed before a library is imported."""

from collections.abc import Sequence
from importlib import import_module

from qlit.commands.parsers import diagnose
from qlit.commands.parsers.short_help import SECTIONS, short_help
from qlit.commands.parsers.submit import help_of_submit

_WITH_PARSER = (
    "predict",
    "serve",
    "register",
    "compare",
    "table",
    "export",
    "jobs",
    "reap",
    "sync",
    "config",
    "circuit",
    "dimension",
    "energy",
    "report",
    "info",
    "completion",
)


def help_text(command: str, arguments: Sequence[str], *, is_short: bool) -> str | None:
    """The help of a command; None if only the command itself can print it.

    Args:
        command: The command.
        arguments: Words after the command; one of them asks for help.
        is_short: Whether the short help will do, where there is one.
    """
    if command in SECTIONS:
        return short_help(command) if is_short else None
    if command == "submit" and arguments[0].startswith("-"):
        return help_of_submit(f"qlit {command}")
    if command == "circuit" and arguments[0] == "diagnose":
        return diagnose.parser_of(f"qlit {command} diagnose").format_help()
    if command in _WITH_PARSER:
        parser = import_module(f"qlit.commands.parsers.{command}").parser_of(f"qlit {command}")
        return str(parser.format_help())
    return None
