"""Load and check labelled sentences from the built-in sample, local files or the Hugging Face hub."""

import hashlib
import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.resources import as_file, files
from typing import NamedTuple

from qlit.data.files import SUFFIXES, read_path
from qlit.data.hub_datasets import read_hub
from qlit.data.labels import OF_CHECKPOINT, match_labels
from qlit.data.local_paths import existing_path, is_hub_name, shown_name, source_in_words
from qlit.data.notices import Notice
from qlit.data.pairs import is_pair, noun, paired
from qlit.data.quoting import quoted
from qlit.data.rows import Columns, Found, Role, Row
from qlit.data.unlabelled import labelled_rows

SAMPLE = "sample"
_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,999}")  # Python refuses numbers of more than 4,300 digits
_LONG_LABEL = 1000  # characters; longer ones are sentences
_BROKEN = "contains half of a character (a lone surrogate), which no text encoding can represent"
_MANY_LABELS = 100  # a data set may have this many labels, however small it is


@dataclass(frozen=True)
class LabelledTexts:
    """Sentences and their classes.

    Args:
        texts: N sentences, or N pairs as of `qlit.data.pairs`, none of them blank; not stripped, duplicates kept.
        labels: N classes in [0, k).
        label_names: k names, in the order of the classes.
        name: Name of the data set in reports.
        note: A sentence to print with every result on these data; empty for the user's own data.
        notices: Facts about the reading that a user should know, such as omitted rows.
        roles: Roles of the N sentences if the source decides about the split; empty if all are pooled.
    """

    texts: tuple[str, ...]
    labels: tuple[int, ...]
    label_names: tuple[str, ...]
    name: str
    note: str = ""
    notices: tuple[Notice, ...] = ()
    roles: tuple[Role, ...] = ()

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def are_pairs(self) -> bool:
        """Whether the texts are pairs of sentences."""
        return bool(self.texts) and is_pair(self.texts[0])

    @property
    def noun(self) -> str:
        """The word for the texts: "sentences" or "pairs"."""
        return noun(self.texts)

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits over the sentences, the label names and their order, and the roles; `name` does not count."""
        digest = hashlib.sha256(json.dumps(self.label_names).encode())
        for text, label in zip(self.texts, self.labels, strict=True):
            encoded = text.encode("utf-8", "surrogatepass")
            digest.update(f"{label} {len(encoded)} ".encode() + encoded)
        if self.roles:
            digest.update("".join(role[:1] or "-" for role in self.roles).encode())
        return digest.hexdigest()[:16]


class Source(NamedTuple):
    """A data source that was read, but not checked.

    Args:
        found: Its rows.
        name: Its name in reports.
        note: As of `LabelledTexts`.
    """

    found: Found
    name: str
    note: str = ""


def load_texts(
    source: str,
    *,
    text_column: str = "text",
    label_column: str = "label",
    second_text_column: str = "",
    label_names: Sequence[str] | None = None,
) -> LabelledTexts:
    """Load the labelled sentences of `source`, with all its splits pooled.

    Labels become 0..k-1 in sorted order: by number if all are whole numbers, else alphabetically. If the class names of
    a checkpoint are given, labels get the checkpoint's numbers instead, and some classes may be absent. Rows without a
    label and other files of a folder are left out, with a notice (docs/data.md).

    Args:
        source: "sample" for the built-in sample (write "./sample" for a folder of this name); or a .tsv, .csv, .jsonl,
            .json or .parquet file (the first four also compressed: .gz, .bz2, .xz), or a folder of such files; or a
            Hugging Face data set, `owner/name` or `owner/name:config`. A .tsv or .csv file with two fields, sentence
            and label, needs no header. Text is UTF-8.
        text_column: Column of the sentences.
        label_column: Column of the labels: whole numbers or text.
        second_text_column: Column of the second sentences of pairs; empty for single sentences.
        label_names: Names of the k classes of a checkpoint, in their order; None to take them from the data.
    Raises:
        FileNotFoundError: If `source` can only be a path and does not exist.
        ConnectionError: If the data set is not in the local cache and the hub does not answer (about 10 s at most).
        ValueError: If a column is missing, a sentence is blank, a label is missing or a fraction, a row has the wrong
            number of fields, a text is not Unicode, there are fewer than two classes, or a label is not in
            `label_names`.
        OSError: If a file cannot be read.
    """
    read = read_source(source, Columns(text_column, label_column, second_text_column))
    return replace(labelled(read, label_names=label_names), roles=())


def read_source(source: str, wanted: Columns) -> Source:
    """Read the rows of a data source; arguments and errors as of `load_texts`, except those about labels."""
    wanted.check_distinct()
    if not source:
        raise ValueError("`source` is empty; give 'sample', a file, a folder or a Hugging Face data set.")
    if source == SAMPLE:
        if wanted.second:
            raise ValueError(
                "The built-in sample has single sentences, no pairs: give a file, a folder or a Hugging Face data set "
                "as `data.source`, or leave `data.second_text_column` out."
            )
        with as_file(files("qlit.data") / "sample.tsv") as sample:
            found = read_path(sample, Columns("text", "label"))
        note = (
            f"built-in sample of {len(found.parts[0].rows)} sentences, written for trying the commands: "
            "its accuracy says nothing about SST-2"
        )
        return Source(found, SAMPLE, note)
    if (path := existing_path(source)) is not None:
        return Source(read_path(path, wanted), shown_name(path.resolve()))
    if not is_hub_name(source) or source.lower().endswith(SUFFIXES):
        raise FileNotFoundError(f"There is no data file or folder {source_in_words(source)}; check the path.")
    return Source(read_hub(source, wanted), source)


def labelled(read: Source, *, label_names: Sequence[str] | None = None, owner: str = OF_CHECKPOINT) -> LabelledTexts:
    """Check the rows of a source and number their labels.

    Args:
        read: The source.
        label_names: As of `load_texts`.
        owner: Owner of `label_names`, as of `match_labels`.
    Raises:
        ValueError: As `load_texts`.
    """
    found, name, note = read
    rows, values, roles, notices = labelled_rows(found, label_names or ())
    if not rows:
        raise ValueError(f"{name} holds no rows; it needs sentences of at least two labels.")
    texts = _checked_texts(rows)
    _refuse([row for row, value in zip(rows, values, strict=True) if not value], "label is missing")
    _refuse([row for row, value in zip(rows, values, strict=True) if _is_broken(value)], f"label {_BROKEN},")
    distinct = _sorted_labels(set(values))
    _check_labels(distinct, rows, values, name, at_least=2 if label_names is None else 1)
    names = [found.class_names[int(value)] for value in distinct] if found.class_names else distinct
    numbers = range(len(names)) if label_names is None else match_labels(names, label_names, name, owner)
    number = dict(zip(distinct, numbers, strict=True))
    names = list(label_names or names)
    return LabelledTexts(
        tuple(texts),
        tuple(number[v] for v in values),
        tuple(names),
        name,
        note,
        (*found.notices, *notices),
        tuple(roles),
    )


def _checked_texts(rows: Sequence[Row]) -> list[str]:
    """The sentence or the pair of every row.

    Raises:
        ValueError: If a sentence is blank, missing, no text, or has half of a character.
    """
    parts: list[list[str]] = []
    for number in range(len(rows[0].texts)):
        name = ("first sentence", "second sentence")[number] if len(rows[0].texts) > 1 else "sentence"
        option = ("text_column", "second_text_column")[number]
        sentences = [_text(row.texts[number], row, option) for row in rows]
        _refuse(
            [row for row, text in zip(rows, sentences, strict=True) if not text.strip()], f"{name} is blank or missing"
        )
        _refuse([row for row, text in zip(rows, sentences, strict=True) if _is_broken(text)], f"{name} {_BROKEN},")
        parts.append(sentences)
    return parts[0] if len(parts) == 1 else [paired(first, second) for first, second in zip(*parts, strict=True)]


def _text(value: object, row: Row, option: str) -> str:
    """The sentence; "" if it is missing."""
    if isinstance(value, str):
        return value
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    raise ValueError(f"The sentence in {row.place} is {quoted(value)}, which is not text; set `{option}`.")


def _is_broken(text: str) -> bool:
    return not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text)


def _refuse(bad: Sequence[Row], what: str) -> None:
    if bad:
        rows = "1 such row" if len(bad) == 1 else f"{len(bad)} such rows"
        raise ValueError(f"The {what} in {bad[0].place} ({rows} in all); remove or complete them.")


def _check_labels(
    distinct: Sequence[str], rows: Sequence[Row], values: Sequence[str], name: str, *, at_least: int
) -> None:
    """Raise a ValueError for a single label, and for labels that are evidently values of another column."""
    if len(distinct) < at_least:
        raise ValueError(
            f"{name} has only one label, {quoted(distinct[0])} in all of its {len(rows)} rows; "
            "a classifier needs at least two: check `label_column`."
        )
    if len(distinct) > max(_MANY_LABELS, len(rows) // 2):
        raise ValueError(
            f"{name} has {len(distinct):,} different labels in {len(rows):,} rows, such as {quoted(distinct[0])}; "
            "check `label_column`."
        )
    for value in distinct:
        if len(value) > _LONG_LABEL or "\0" in value:
            what = "contains a NUL character" if "\0" in value else f"has {len(value):,} characters"
            raise ValueError(f"The label in {rows[values.index(value)].place} {what}; check `label_column`.")


def _sorted_labels(values: set[str]) -> list[str]:
    """Sort labels by number if all are whole numbers as Python writes them, else alphabetically."""
    if all(_WHOLE.fullmatch(value) for value in values):
        return sorted(values, key=int)
    return sorted(values)
