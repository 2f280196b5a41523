"""Reword jsonargparse's errors about classes, sections and numbers."""

import re
from pathlib import Path

from qlit.runtime.yaml_text import shortened

MOST_CHARS = 300
_WRAPPERS = (
    re.compile(r"Problem with given class_path '[^']*': "),
    re.compile(r"Type (?:collections\.abc|typing)\.Callable\[.*?\] expects a function or a callable class: "),
    re.compile(r"Problem with given class_path \S+ "),
)
_VALUE = r"(?P<value>.*?)"
_AS_CLASS = "must be a class, as class_path and init_args"
_REASONS = (
    (rf"Not a valid subclass of [\w.]+\. Got value: {_VALUE} Subclass types expect one of: .*",
     "{as_class}, but got {value}"),
    (rf"Dict must include a class_path and optionally init_args, but got {_VALUE}", "{as_class}, but got {value}"),
    (rf"Expected an import path or a subclass spec, but got {_VALUE}", "{as_class}, but got {value}"),
    (rf"(?:Expected a dot import path string|Unexpected import path format): {_VALUE}", "{as_class}, but got {value}"),
    (rf"Subclasses are disabled for (?P<kind>[\w.]+), thus {_VALUE} is not accepted as class_path\..*",
     "is always a {kind}: leave class_path out, but got {value}"),
    (rf"Unable to load config '{_VALUE}' - .*", "must be keys with values, but got {value}"),
    (r"Exceeds the limit \(\d+ digits\) for integer string conversion.*", "is a number with too many digits"),
    (rf"Expected an? <class '(?:[\w.]*\.)?(?P<kind>\w+)'>\. Got value: {_VALUE}", "must be {kind}, but got {value}"),
    (rf"Expected an? typing\.Literal\[(?P<kind>.*?)\]\. Got value: {_VALUE}", "must be one of {kind}, but got {value}"),
    (rf"Expected an? (?:collections\.abc|typing)\.(?P<kind>\w+)(?:\[.*?\])?\. Got value: {_VALUE}",
     "must be a {kind}, but got {value}"),
    (r"the following arguments are required: (?P<value>[\w., ]+)", "lacks {value}, which must be given"),
)  # fmt: skip


def reworded(message: str) -> str | None:
    """Reword a message about one key of a config as one sentence; None for other messages.

    Args:
        message: Message of jsonargparse, with several lines.
    """
    text = " ".join(message.split())
    place, reason, named = "", text, None
    while True:
        before = reason
        if of_key := re.match(r'Parser key "([^"]+)"(?: element \d+)?: ', reason):
            place = ".".join(part for part in (place, of_key[1]) if part)
            reason = reason[of_key.end() :]
        if of_class := re.match(r"Problem with given class_path '([^']*)': ", reason):
            named = of_class[1]
        for wrapper in _WRAPPERS:
            reason = wrapper.sub("", reason, count=1) if wrapper.match(reason) else reason
        if reason == before:
            break
    place = place.replace(".init_args", "")
    if place == "config" or not place:
        missing = re.fullmatch(r"the following arguments are required: (?:fit\.|validate\.|test\.)?([\w., ]+)", reason)
        return f"{missing[1]} must be given" if missing and "--" not in reason else None
    first = re.split(r"(?<=.)(?: - Parser key |\. Got value: (?=Namespace|\{))", reason)[0]
    for pattern, words in _REASONS:
        for part in (first, reason):
            if found := re.fullmatch(pattern + r"\. Got value: .*", part) or re.fullmatch(pattern, part):
                groups = {name: _value(value) for name, value in found.groupdict().items() if value is not None}
                return f"{place} {words.format(as_class=_AS_CLASS, **groups)}"
    of_union = re.fullmatch(r"Does not validate .*? Subtypes: \[(.*?)\] Errors: .* Given value: (.*)", reason)
    if of_union is not None and "subclass" in reason and "Namespace(" not in of_union[2] and "{" not in of_union[2]:
        return f"{place} must be {_kinds(of_union[1])}, but got {_value(of_union[2])}"
    if "Subtypes:" not in reason and (unknown := _of_import(reason)) is not None:
        return f"{place} names {'a class' if named is None else repr(shortened(named))}, which is not there: {unknown}"
    return None


def clipped(sentence: str) -> str:
    """Shorten a sentence to at most `MOST_CHARS` characters, a long value first."""
    if len(sentence) > MOST_CHARS and (
        found := re.fullmatch(r"(.*?(?:but got|given:|value) )(.*)", sentence, re.DOTALL)
    ):
        sentence = f"{found[1]}{shortened(found[2])}"
    return shortened(sentence, MOST_CHARS)


def _kinds(types: str) -> str:
    """The distinct types of a union by their last names, in order."""
    names = [name.rpartition(".")[2] for name in re.findall(r"[\w.]+", types)]
    shown = ["null" if name == "NoneType" else name for name in names if name not in ("class", "Union", "Iterable")]
    return " or ".join(dict.fromkeys(shown))


def _value(text: str) -> str:
    return shortened(re.sub(r"\bNone\b", "null", text)) if "Namespace(" not in text else "something else"


def _of_import(reason: str) -> str | None:
    found = re.match(
        r"(No module named '[^']*'|module '[^']*' has no attribute '[^']*'|[^.]*has no attribute '[^']*')", reason
    )
    if found is None:
        return None
    where = f" in the current folder ({Path.cwd()}) or among the installed packages"
    return f"{found[1]}{where if found[1].startswith('No module') else ''}"
