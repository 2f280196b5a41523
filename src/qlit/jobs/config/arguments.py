"""Parse command lines with positional arguments and options in any order, and sentences that begin with a dash."""

import argparse
import itertools
import re
from collections.abc import Sequence
from typing import Any, NoReturn

from qlit.runtime.errors import UsageError, nearest

_NUMBER = re.compile(r"-\.?\d")
_TILDE_VALUE = re.compile(r"(--?[\w.+-]+=)(~(?:/.*)?)", re.DOTALL)


class CommandParser(argparse.ArgumentParser):
    """argparse's parser with options at any position, and errors as a `UsageError` of one sentence.

    argparse refuses `BEST.ckpt --format csv "a sentence"`, and treats a sentence that begins with a dash as an option.

    Args:
        dash_hint: Advice about an argument that begins with a dash but is not an option; one sentence.
        **options: As of `argparse.ArgumentParser`.
    """

    def __init__(self, *, dash_hint: str = "", **options: Any) -> None:
        self._num_values: dict[str, int] = {}
        self._dash_hint = dash_hint
        super().__init__(**{"allow_abbrev": False, **options})

    def add_argument(self, *names: Any, **options: Any) -> argparse.Action:
        action = super().add_argument(*names, **options)
        num_values = action.nargs if isinstance(action.nargs, int) else 1
        self._num_values |= dict.fromkeys(action.option_strings, num_values)
        return action

    def parse(self, arguments: Sequence[str]) -> argparse.Namespace:
        """Parse arguments.

        Args:
            arguments: Words of a command line. Options may be anywhere before a single `--`; all words after it are
                positional. A word that begins with a dash and has a space before any "=" is a sentence.
        Raises:
            UsageError: If the arguments are invalid.
        """
        options: list[str] = []
        positionals: list[str] = []
        rest = iter(arguments)
        for word in rest:
            name, equals, _ = word.partition("=")
            if word == "--":
                positionals += rest
            elif name in self._num_values:
                if equals or not self._num_values[name]:
                    options.append(word)
                    continue
                if (count := self._num_values[name]) > 1:
                    values = list(itertools.islice(rest, count))
                    if len(values) < count or "--" in values:
                        raise UsageError(f"the option {name} needs {count} values.")
                    options += [name, *values]
                    continue
                value = next(rest, None)
                if value is None or value == "--":
                    raise UsageError(f"the option {name} needs a value.")
                options.append(f"{name}={value}" if name.startswith("--") else f"{name}{value}")
            elif not word.startswith("--") and self._num_values.get(word[:2]):
                options.append(word)  # -cFILE
            elif not word.startswith("-") or word == "-" or _NUMBER.match(word) or re.search(r"\s", name):
                positionals.append(word)
            else:
                hint = f" {self._dash_hint}" if self._dash_hint else ""
                raise UsageError(f"there is no option {name}{nearest(name, self._num_values) or '.'}{hint}")
        return self.parse_args([*options, "--", *positionals] if positionals else options)

    def show_help(self, arguments: Sequence[str]) -> None:
        """Print the help and exit if the arguments ask for it, before anything else is imported or checked."""
        if {"-h", "--help"} & set(arguments):
            self.parse_args(["--help"])

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}. See {self.prog} --help.")


def whole_numbers(text: str, *, example: str, least: str) -> list[int]:
    """Distinct whole numbers of at least 1 in increasing order, from text such as "4,1,2"; for an option's `type`.

    Args:
        text: The numbers, separated by commas.
        example: A correct use of the option, for the message.
        least: A sentence without its end that says what is at least 1.
    Raises:
        argparse.ArgumentTypeError: If the text has anything else.
    """
    try:
        numbers = sorted({int(word) for word in text.split(",")})
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} are no whole numbers: {example}") from None
    if numbers[0] < 1:
        raise argparse.ArgumentTypeError(f"{least}, but got {numbers[0]}")
    return numbers


def split_overrides(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Split a command's own arguments from options for configs: those with a dot in their name, and their values."""
    own: list[str] = []
    overrides: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        name, equals, _ = argument.partition("=")
        if not name.startswith("--") or "." not in name:
            own.append(argument)
            continue
        overrides += [argument] if equals else [argument, *([value] if (value := next(rest, None)) is not None else [])]
    return own, overrides


def with_home(arguments: Sequence[str]) -> list[str]:
    """Expand `--name=~/path` before a single `--`, as shells expand `--name ~/path`."""
    last = arguments.index("--") if "--" in arguments else len(arguments)
    if not any(map(_TILDE_VALUE.fullmatch, arguments[:last])):
        return list(arguments)
    from qlit.data import expanded  # imports numpy, which most commands do not need yet

    before = [
        f"{found[1]}{expanded(found[2], found[1].rstrip('='))}" if (found := _TILDE_VALUE.fullmatch(word)) else word
        for word in arguments[:last]
    ]
    return [*before, *arguments[last:]]
