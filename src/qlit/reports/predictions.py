"""Predicted labels as a table for people, and as CSV, TSV or JSON Lines for programs."""

import csv
import json
import math
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

_SHOWN_CHARS = 70
_SHOWN_BETWEEN = " | "
_PREDICTED = "predicted_"
_TEXTS = ("text", "second_text")


@dataclass(frozen=True)
class PredictedTable:
    """Predictions for N sentences, with the columns of the table that they come from.

    Args:
        texts: N lists of the labelled text: one sentence, or the two of a pair.
        labels: N labels, each the most probable one.
        probabilities: N times the probabilities of all labels by name, in [0, 1].
        columns: Columns of the input; none for sentences without a table.
        rows: N rows of the input, values by column.
    """

    texts: Sequence[Sequence[str]]
    labels: Sequence[str]
    probabilities: Sequence[Mapping[str, float]]
    columns: Sequence[str] = ()
    rows: Sequence[Mapping[str, object]] = ()


def check_columns(columns: Sequence[str], where: object) -> None:
    """Raise a ValueError if a column of the input has the name of one that is added.

    Args:
        columns: Columns of the input.
        where: Its file, for the message.
    """
    if taken := [name for name in columns if name.startswith(_PREDICTED)]:
        raise ValueError(
            f"{where} has a column {taken[0]!r}, but names with {_PREDICTED!r} are those of the predictions: rename it."
        )


def write_predictions(table: PredictedTable, form: str, file: TextIO, *, shows_all: bool = False) -> None:
    """Write predictions: labels, probabilities with 6 digits (3 in a table for people), and the columns of the input.

    Without a table, the columns are `text` (and `second_text` for pairs), `label` and `probability`. Predictions for a
    table keep its columns and add `predicted_label` and `predicted_probability`, so that they are not taken for the
    labels of the table.

    Args:
        table: The predictions.
        form: "table", "csv", "tsv" or "jsonl".
        file: Output.
        shows_all: Whether to write the probabilities of all labels.
    """
    if form == "table":
        _write_for_people(table, file, shows_all=shows_all)
    elif form == "jsonl":
        for row in _rows(table, shows_all=shows_all):
            file.write(json.dumps(_finite(row), ensure_ascii=False, default=str) + "\n")
    else:
        rows = list(_rows(table, shows_all=shows_all))
        writer = csv.writer(file, delimiter="\t" if form == "tsv" else ",", lineterminator="\n")
        key = f"{_PREDICTED if table.columns else ''}probabilities"
        names = [name for name in rows[0] if name != key]
        labels = list(table.probabilities[0]) if shows_all else []
        one = key.removesuffix("ies") + "y"
        writer.writerow([*names, *(f"{one}_{label}" for label in labels)])
        for row in rows:
            cells = [f"{row[name]:.6f}" if name == one else _cell(row[name]) for name in names]
            writer.writerow([*cells, *(f"{row[key][label]:.6f}" for label in labels)])


def _rows(table: PredictedTable, *, shows_all: bool) -> Iterator[dict[str, Any]]:
    added = _PREDICTED if table.columns else ""
    for number, (sentences, label, probabilities) in enumerate(
        zip(table.texts, table.labels, table.probabilities, strict=True)
    ):
        row: dict[str, Any] = dict(zip(_TEXTS, sentences, strict=False))
        if table.columns:
            row = {name: table.rows[number].get(name) for name in table.columns}
        row |= {f"{added}label": label, f"{added}probability": round(probabilities[label], 6)}
        if shows_all:
            row[f"{added}probabilities"] = {name: round(value, 6) for name, value in probabilities.items()}
        yield row


def _cell(value: object) -> object:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, dict | list) else value


def _finite(value: Any) -> Any:
    """A value without NaN, which JSON does not have: null, as pandas writes it."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {name: _finite(each) for name, each in value.items()}
    return [_finite(each) for each in value] if isinstance(value, list) else value


def _write_for_people(table: PredictedTable, file: TextIO, *, shows_all: bool) -> None:
    width = max(len("label"), *map(len, table.labels))
    others = list(table.probabilities[0]) if shows_all else []
    heads = "".join(f"  {label:>5}" for label in others)
    file.write(f"{'label':<{width}}  probability{heads}  sentence\n")
    for sentences, label, probabilities in zip(table.texts, table.labels, table.probabilities, strict=True):
        cells = "".join(f"  {probabilities[name]:>{max(5, len(name))}.3f}" for name in others)
        shown = _SHOWN_BETWEEN.join(map(_shortened, sentences))
        file.write(f"{label:<{width}}  {probabilities[label]:>11.3f}{cells}  {shown}\n")


def _shortened(sentence: str) -> str:
    printable = "".join(" " if unicodedata.category(character).startswith("C") else character for character in sentence)
    return printable if len(printable) <= _SHOWN_CHARS else f"{printable[: _SHOWN_CHARS - 3]}..."
