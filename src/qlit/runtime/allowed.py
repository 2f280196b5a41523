"""Names of code that the command line allows to be imported: `--allow my_heads`."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from qlit.runtime.errors import UsageError

OPTION = "--allow"
_allowed: tuple[str, ...] = ()


def split_allowed(arguments: Sequence[str]) -> tuple[list[str], tuple[str, ...]]:
    """Remove `--allow NAME` and `--allow=NAME` from a command line.

    Args:
        arguments: Words of a command line. Words after a separate `--` are not changed.
    Returns:
        The other words, and the names.
    Raises:
        UsageError: If a name is missing, or is not a module or a class.
    """
    if not any(word.startswith(OPTION) for word in arguments):
        return list(arguments), ()
    others: list[str] = []
    names: list[str] = []
    words = iter(arguments)
    for word in words:
        if word == "--":
            others += [word, *words]
        elif word == OPTION:
            names.append(next(words, ""))
        elif word.startswith(f"{OPTION}="):
            names.append(word.partition("=")[2])
        else:
            others.append(word)
    for name in names:
        if not is_dotted_name(name):
            raise UsageError(f"{OPTION} needs a module or a class, such as my_heads.Head, but got {name!r}.")
    return others, tuple(names)


@contextmanager
def allowing(names: Iterable[str]) -> Iterator[None]:
    """Allow modules and classes while a command runs.

    Args:
        names: Dotted names. A name allows itself and everything below it.
    """
    global _allowed
    before, _allowed = _allowed, tuple(names)
    try:
        yield
    finally:
        _allowed = before


def is_allowed(name: str) -> bool:
    """Whether the command line allows a dotted name."""
    return any(name == each or name.startswith(f"{each}.") for each in _allowed)


def allowed_names() -> tuple[str, ...]:
    """Names that the command line allows."""
    return _allowed


def allow_options(names: Iterable[str] | None = None) -> list[str]:
    """Command-line words that allow names in another process; by default the names that this process allows."""
    return [word for name in (_allowed if names is None else names) for word in (OPTION, name)]


def is_dotted_name(text: object) -> bool:
    """Whether a value is a string of ASCII identifiers separated by dots."""
    return isinstance(text, str) and text.isascii() and all(part.isidentifier() for part in text.split("."))
