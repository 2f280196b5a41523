"""Find options on command lines, and turn jsonargparse's errors into one sentence."""

import inspect
import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from jsonargparse import ArgumentError

from qlit.jobs.config.files import use_bounded_yaml
from qlit.jobs.config.final_unions import about_one_class
from qlit.jobs.config.parser_messages import clipped, reworded
from qlit.runtime.allowed import OPTION
from qlit.runtime.errors import UsageError, nearest
from qlit.runtime.yaml_text import YamlTextError


def value_of(option: str, arguments: Sequence[str]) -> str | None:
    """The last value of `--option value` or `--option=value`; None without the option."""
    value = None
    for k, argument in enumerate(arguments):
        if argument == option and k + 1 < len(arguments):
            value = arguments[k + 1]
        elif argument.startswith(f"{option}="):
            value = argument.partition("=")[2]
    return value


def with_nulls(arguments: Sequence[str]) -> list[str]:
    """Replace `--model.head.KEY null` by a config with that key.

    jsonargparse passes options of nested classes on as text, in which null becomes the word None.
    """
    given: list[str] = []
    words = iter(arguments)
    for word in words:
        option, equals, value = word.partition("=")
        if not option.startswith("--model.head."):
            given.append(word)
            continue
        value = value if equals else next(words, "")
        if value != "null":
            given += [option, value]
            continue
        piece: Any = None
        for key in reversed(option.removeprefix("--").split(".")):
            piece = {key: piece}
        given += ["--config", json.dumps(piece)]
    return given


@contextmanager
def readable_errors() -> Iterator[None]:
    """Turn jsonargparse's error about an option or key into one sentence, with the nearest valid name."""
    use_bounded_yaml()
    try:
        # Lightning 2.6 calls a deprecated function of jsonargparse 4.53, which users cannot change.
        os.environ.setdefault("JSONARGPARSE_DEPRECATION_WARNINGS", "off")
        yield
    except ArgumentError as error:
        raise UsageError(clipped(one_sentence(str(error)))) from error
    except YamlTextError as error:
        raise UsageError(str(error)) from error


def one_sentence(message: str) -> str:
    """Shorten jsonargparse's message, which has several lines and quotes whole namespaces, to one sentence."""
    message = about_one_class(message)
    place = ".".join(re.findall(r'Parser key "([^"]+)"', message))
    if denied := re.search(r"Importing '([\w.]+)' is not allowed, denied by the '([\w.*]+)' entry", message):
        place = place.replace(".init_args", "") or "the config"
        if denied[2] == "*":
            return (
                f"{place} names {denied[1][:60]}, which a checkpoint may not; {OPTION} takes modules that may be named"
            )
        return f"{place} names {denied[1][:60]}, but nothing of the module {denied[2]} may be named here"
    if unknown := re.search(r"unrecognized arguments: (\S+)", message):
        option = unknown[1].partition("=")[0]
        return f"unknown option {option}{nearest(option, [f'--{name}' for name in _known_names()])}"
    if (sentence := reworded(message)) is not None:
        return sentence
    if (reason := reason_in_union(message)) is not None:
        return ": ".join(part for part in (place.partition(".init_args")[0], reason) if part)
    if unknown := re.search(r"(?:Group '([\w.]+)' does not accept option|Option) '([\w.]+)'", message):
        group, key = unknown[1], unknown[2]
        where = ".".join(part for part in (place, group) if part)
        return f"unknown key {key!r}{f' in {where}' if where else ''}{_hint(key)}"
    if one_type := re.search(
        r'Parser key "[^"]+":\s*Expected an? (.+?)\. Got value: (.+?)(?:\. Got value: .*)?$', message, re.MULTILINE
    ):
        return f"{place} must be {_types(one_type[1])}, but got {one_type[2]}"
    if types := re.search(
        r"\n *Subtypes: \[(.+)\]\n *Errors:\n(?: *- Expected .+\n)+ *Given.+\n *Given value: (?!Namespace)(.*)$",
        message,
    ):
        value = re.split(r"\. Got value: (?=Namespace|\{)", types[2])[0]  # without the class that has the key
        return f"{place} must be {_union(types[1])}, but got {value}"
    message = re.sub(r"<class '([^']+)'>", r"\1", message)
    message = re.sub(r"Namespace\(.*", "...", message, flags=re.DOTALL)
    return " ".join(message.replace('Parser key "', '"').split())


def reason_in_union(message: str) -> str | None:
    """Why the named class cannot be created, from a message with one reason for every type of a key.

    Returns:
        The reason; None if no reason is about the class, or if it is an unknown key, for which `one_sentence` finds the
        nearest valid one.
    """
    found = re.search(r"^( *)Errors:\n(.*?)(?=^\1Given value type:|\Z)", message, re.MULTILINE | re.DOTALL)
    if found is None:
        return None
    for item in re.split(rf"^{found[1]}  - ", found[2], flags=re.MULTILINE):
        text = " ".join(item.split())
        if not text or text.startswith(("Expected a", "Not a valid subclass", "Does not validate")):
            continue
        if "is not accepted" in text or "does not accept" in text:
            return None
        name, reason = None, text
        if of_class := re.match(r"Problem with given class_path '(?:[\w.]+\.)?(\w+)': (.*)", text):
            name, reason = of_class.groups()
        elif len(classes := set(re.findall(r"class_path='(?:[\w.]+\.)?(\w+)'", message))) == 1:
            (name,) = classes
        if missing := re.fullmatch(r"the following arguments are required: (.*)", reason):
            reason = f"{missing[1]} must be given"
        elif one_type := re.fullmatch(r'Parser key "([\w.]+)": Expected an? (.+?)\. Got value: (.*)', reason):
            reason = f"{one_type[1]} must be {_types(one_type[2])}, but got {one_type[3]}"
        elif of_union := re.fullmatch(
            r'Parser key "([\w.]+)": Does not validate .*? Subtypes: \[(.+)\] Errors: .* Given value: (.*)', reason
        ):
            reason = f"{of_union[1]} must be {_union(of_union[2])}, but got {of_union[3]}"
        elif "Errors:" in reason:
            return None
        return reason if name is None else f"{name}: {reason}"
    return None


def _union(types: str) -> str:
    """The types or values of a key, spelled as in a config."""
    values = [value for literal in re.findall(r"typing\.Literal\[(.*?)\]", types) for value in literal.split(", ")]
    others = re.sub(r"typing\.Literal\[.*?\](, )?", "", types).removesuffix(", ")
    distinct = dict.fromkeys(value.strip("'") for value in values)
    listed = [f"one of {', '.join(distinct)}"] if distinct else []
    return " or ".join([*listed, *(_types(name) for name in others.split(", <") if name)])


def _types(name: str) -> str:
    """A type or its values, spelled as in a config."""
    values = re.sub(r"^typing\.Literal\[(.*)\]$", r"one of \1", name)
    classes = re.sub(r"<?class '([^']+)'>", r"\1", values).replace("NoneType", "null")
    classes = re.sub(r"\b(?:collections\.abc|typing)\.", "", classes)
    return re.sub(r"\blightning\.(?:\w+\.)*(\w+)", r"\1", classes)


def _hint(key: str) -> str:
    """The right place of a misplaced key, or the nearest valid key."""
    names = _known_names()
    if at_home := [name for name in names if name.rpartition(".")[2] == key]:
        return f"; there is {at_home[0]!r}"
    return nearest(key, names if "." in key else [name.rpartition(".")[2] for name in names])


def _known_names() -> list[str]:
    """Every full key of a config; keys of heads without the optional `init_args`."""
    from lightning.pytorch import Trainer

    from qlit import heads
    from qlit.data.contrastive import ContrastiveSettings
    from qlit.tracking.tracker import MLflowTracker
    from qlit.training.datamodule import SentenceDataModule
    from qlit.training.module import SentenceClassifier

    public = [getattr(heads, name) for name in heads.__all__]
    places: list[tuple[str, type]] = [
        ("model", SentenceClassifier),
        *(("model.head.pqc", each) for each in (heads.ReuploadingPQC, heads.AnsatzPQC, heads.QNodePQC)),
        ("model.head.pqc.noise", heads.GateNoise),
        *(("model.head.encoder", each) for each in public if issubclass(each, heads.Encoder)),
        *(("model.head.preprocessing", each) for each in public if issubclass(each, heads.Preprocessing)),
        *(("model.head", each) for each in public if issubclass(each, heads.Head)),
        ("data", SentenceDataModule),
        ("contrastive", ContrastiveSettings),
        ("tracking", MLflowTracker),
        ("trainer", Trainer),
    ]
    names = [
        "config",
        "ckpt_path",
        "seed_everything",
        "test_after_fit",
        "model",
        "data",
        "tracking",
        "trainer",
        "output",
    ]
    keys = [f"{place}.{key}" for place, of_place in places for key in inspect.signature(of_place).parameters]
    return names + list(dict.fromkeys(keys))  # heads share keys
