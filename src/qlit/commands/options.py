"""Command lines and configs: what was given, and what is wrong with it in one sentence."""

import inspect
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from jsonargparse import ArgumentError

from qlit.commands.errors import UsageError, nearest


def value_of(option: str, arguments: Sequence[str]) -> str | None:
    """The last value given for `--option value` or `--option=value`; None if it is not given."""
    value = None
    for k, argument in enumerate(arguments):
        if argument == option and k + 1 < len(arguments):
            value = arguments[k + 1]
        elif argument.startswith(f"{option}="):
            value = argument.partition("=")[2]
    return value


@contextmanager
def readable_errors() -> Iterator[None]:
    """Turn jsonargparse's account of a bad option or key into one sentence, with the nearest right name."""
    try:
        # Lightning 2.6 calls what jsonargparse 4.53 deprecates; nobody who types a command can change that.
        os.environ.setdefault("JSONARGPARSE_DEPRECATION_WARNINGS", "off")
        yield
    except ArgumentError as error:
        raise UsageError(one_sentence(str(error))) from error


def one_sentence(message: str) -> str:
    """jsonargparse's message, which spans lines and quotes whole namespaces, as one sentence."""
    place = ".".join(re.findall(r'Parser key "([^"]+)"', message))
    if unknown := re.search(r"unrecognized arguments: (\S+)", message):
        option = unknown[1].partition("=")[0]
        return f"unknown option {option}{nearest(option, [f'--{name}' for name in _known_names()])}"
    if unknown := re.search(r"(?:Group '([\w.]+)' does not accept option|Option) '([\w.]+)'", message):
        group, key = unknown[1], unknown[2]
        where = ".".join(part for part in (place, group) if part)
        return f"unknown key {key!r}{f' in {where}' if where else ''}{nearest(key, _known_names())}"
    message = re.sub(r"<class '([^']+)'>", r"\1", message)
    message = re.sub(r"Namespace\(.*", "...", message, flags=re.DOTALL)
    return " ".join(message.replace('Parser key "', '"').split())


def _known_names() -> list[str]:
    """Every key of the configs, alone and with its group."""
    from lightning.pytorch import Trainer

    from qlit import heads
    from qlit.training.datamodule import SentenceDataModule
    from qlit.training.module import SentenceClassifier
    from qlit.training.tracking import MLflowTracker

    groups = {"model": SentenceClassifier, "data": SentenceDataModule, "tracking": MLflowTracker, "trainer": Trainer}
    names = ["config", "ckpt_path", "seed_everything", "test_after_fit", *groups]
    for group, of_group in groups.items():
        keys = list(inspect.signature(of_group).parameters)
        names += [*keys, *(f"{group}.{key}" for key in keys)]
    for name in heads.__all__:
        names += [key for key in inspect.signature(getattr(heads, name)).parameters if key not in ("args", "kwargs")]
    return names
