"""Labelled sentences from the built-in sample, local files or the Hugging Face hub, checked once."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

from qlit.data.files import SUFFIXES, Row, read_path
from qlit.data.folders import expanded
from qlit.data.hub_datasets import read_hub
from qlit.data.notices import Notice

SAMPLE = "sample"


@dataclass(frozen=True)
class LabelledTexts:
    """Sentences and their classes.

    Args:
        texts: N sentences, none of them blank; not stripped, duplicates kept.
        labels: N classes in [0, k).
        label_names: k names, in the order of the classes.
        name: What the data set is called in reports.
        note: One sentence to be told with every result on it; empty for data of one's own.
        notices: What reading them did that a user should know, such as rows left out.
    """

    texts: tuple[str, ...]
    labels: tuple[int, ...]
    label_names: tuple[str, ...]
    name: str
    note: str = ""
    notices: tuple[Notice, ...] = ()

    def __len__(self) -> int:
        return len(self.texts)


def load_texts(source: str, *, text_column: str = "text", label_column: str = "label") -> LabelledTexts:
    """Labelled sentences from `source`; all splits found there are pooled.

    Labels become 0..k-1 after sorting their values: by number if all are whole numbers, else by alphabet.

    Args:
        source: "sample", the built-in one (a folder of that name is "./sample"); or an existing .tsv, .csv, .jsonl or
            .parquet file, or a folder of such; or a Hugging Face data set, `owner/name` or `owner/name:config`.
            A .tsv or .csv file needs no header if it has two fields, sentence and label. Text is UTF-8.
        text_column: Column of the sentences.
        label_column: Column of the labels: whole numbers or text.
    Raises:
        FileNotFoundError: If `source` looks like a path and nothing is there.
        ConnectionError: If the data set is not in the local cache and the hub does not answer (about 10 s at most).
        ValueError: If a column is missing, a sentence blank, a label missing or a fraction, a row ragged, or there are
            fewer than two classes.
    """
    if not source:
        raise ValueError("`source` is empty; give 'sample', a file, a folder or a Hugging Face data set.")
    path = expanded(source, "data.source")
    columns = {"text_column": text_column, "label_column": label_column}
    if source == SAMPLE:
        with as_file(files("qlit.data") / "sample.tsv") as sample:
            rows = read_path(sample, text_column="text", label_column="label")
        note = (
            f"built-in sample of {len(rows)} sentences, written for trying the commands: "
            "its accuracy says nothing about SST-2"
        )
        return _labelled(rows, name=SAMPLE, note=note)
    if path.exists():
        return _labelled(read_path(path, **columns), name=path.resolve().name)
    if source.startswith((".", "/", "~")) or path.suffix.lower() in SUFFIXES:
        raise FileNotFoundError(f"There is no data file or folder {source} (in {Path.cwd()}); check the path.")
    rows, class_names = read_hub(source, **columns)
    return _labelled(rows, name=source, class_names=class_names)


def _labelled(
    rows: Sequence[Row], *, name: str, note: str = "", class_names: Sequence[str] | None = None
) -> LabelledTexts:
    if not rows:
        raise ValueError(f"{name} holds no rows; it needs sentences of at least two labels.")
    for row in rows:
        if row.text is not None and not isinstance(row.text, str):
            raise ValueError(f"The sentence in {row.place} is {row.text!r}, no text; set `text_column`.")
    texts = [row.text if isinstance(row.text, str) else "" for row in rows]
    _refuse([row for row, text in zip(rows, texts, strict=True) if not text.strip()], "sentence is blank or missing")
    values = [_label_value(row) for row in rows]
    _refuse([row for row, value in zip(rows, values, strict=True) if not value], "label is missing")
    distinct = _sorted_labels(set(values))
    if len(distinct) < 2:
        raise ValueError(
            f"{name} has one label only, {distinct[0]!r} in all of its {len(rows)} rows; "
            "a classifier needs at least two: check `label_column`."
        )
    number = {value: index for index, value in enumerate(distinct)}
    names = [class_names[int(value)] for value in distinct] if class_names else distinct
    return LabelledTexts(tuple(texts), tuple(number[v] for v in values), tuple(names), name, note)


def _refuse(bad: Sequence[Row], what: str) -> None:
    if bad:
        rows = "1 such row" if len(bad) == 1 else f"{len(bad)} such rows"
        raise ValueError(f"The {what} in {bad[0].place} ({rows} in all); remove or complete them.")


def _label_value(row: Row) -> str:
    """The label as text, "" if it is missing."""
    label = row.label
    if label is None or (isinstance(label, float) and math.isnan(label)):
        return ""
    if not isinstance(label, str | int):
        raise ValueError(
            f"The label in {row.place} is {label!r} ({type(label).__name__}); labels must be whole numbers or text."
        )
    return str(label).strip()


def _sorted_labels(values: set[str]) -> list[str]:
    def is_whole(value: str) -> bool:
        return value.removeprefix("-").isdecimal() and str(int(value)) == value

    return sorted(values, key=int) if all(map(is_whole, values)) else sorted(values)
