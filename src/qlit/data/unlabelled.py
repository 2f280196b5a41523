"""Remove unlabelled rows, and distinguish -1 as a mark of unlabelled rows from -1 as a class."""

import math
from collections.abc import Sequence
from itertools import groupby

from qlit.data.notices import Notice
from qlit.data.quoting import enumerated, joined, quoted
from qlit.data.rows import Found, Role, Row, Unlabelled

_MISSING = ("", "nan", "<na>")  # missing values in text files written by pandas, in lower case


def label_value(row: Row) -> str:
    """Label of a row as text without surrounding spaces; "" if it is missing.

    Raises:
        ValueError: If it is neither text nor a whole number.
    """
    label = row.label
    if label is None or (isinstance(label, float) and math.isnan(label)):
        return ""
    if label == -1.0:  # pandas turns whole numbers into floats if a label is missing
        return "-1"
    if not isinstance(label, str | int):
        raise ValueError(
            f"The label in {row.place} is {quoted(label)} ({type(label).__name__}); labels must be whole numbers or "
            "text."
        )
    value = str(label).strip()
    return "" if value.lower() in _MISSING else "-1" if value == "-1.0" else value


def labelled_rows(found: Found, known: Sequence[str] = ()) -> tuple[list[Row], list[str], list[Role], list[Notice]]:
    """Remove unlabelled rows; return the labelled rows, their labels and roles, and notices about the removed rows.

    A file or split counts as unlabelled if all of its labels are missing or all are -1, and another file or split has
    at least two labels. A row with the label -1 counts as unlabelled if the other labels are text; or are class numbers
    of the Hugging Face hub; or are numbers in mixed order while all -1 of the file are in one block, as after a test
    set was appended. Otherwise -1 is a class, as in -1 / 1 and -1 / 0 / 1.

    Args:
        found: From `read_path` or `read_hub`.
        known: Names of a checkpoint's classes, or none; if -1 is one of them, it is a class here too.
    Returns:
        Rows; their labels as text, "" for a missing one; the roles of their parts; notices.
    Raises:
        ValueError: As `label_value`.
    """
    parts = [(part.name, part.role, part.rows, [label_value(row) for row in part.rows]) for part in found.parts]
    unlabelled = list(found.unlabelled)
    notices: list[Notice] = []
    others = {value for *_, values in parts for value in values} - {"", "-1"}
    has_labelled_part = any(len({*values} - {"", "-1"}) > 1 for *_, values in parts)
    is_mark = found.class_names is not None or _is_mark([values for *_, values in parts], others)
    is_mark = is_mark and "-1" not in known

    rows: list[Row] = []
    labels: list[str] = []
    roles: list[Role] = []
    for name, role, part_rows, values in parts:
        if values and not any(values) and has_labelled_part:
            unlabelled.append(Unlabelled(name, len(values), "no label in any row"))
            continue
        num_marked = values.count("-1") if is_mark else 0
        if num_marked:
            reason = "all labelled -1" if num_marked == len(values) else "labelled -1"
            unlabelled.append(Unlabelled(name, num_marked, reason))
        for row, value in zip(part_rows, values, strict=True):
            if not (is_mark and value == "-1"):
                rows.append(row)
                labels.append(value)
                roles.append(role)
    if unlabelled:
        total = sum(part.num_rows for part in unlabelled)
        where = enumerated([f"{part.num_rows:,} of {part.name} ({part.reason})" for part in unlabelled])
        what = "1 sentence without a label was" if total == 1 else f"{total:,} sentences without a label were"
        notices.append(Notice("unlabelled", f"{what} left out: {where}."))
    if (
        not is_mark
        and "-1" not in known
        and others > {"1"}
        and "-1" in labels
        and not any(value.startswith("-") for value in others)
    ):
        notices.append(
            Notice(
                "minus_one",
                f"The label -1 of {labels.count('-1'):,} sentences is read as a class, like "
                f"{joined(sorted(others))}; if it marks sentences without a label, remove them.",
            )
        )
    return rows, labels, roles, notices


def _is_mark(parts: Sequence[Sequence[str]], others: set[str]) -> bool:
    """Whether -1 marks unlabelled rows, decided from the labels of all files or splits."""
    if len(others) < 2 or any(_number(value) < 0 for value in others):
        return False  # -1 is needed as a class, or belongs to a scale such as -2 .. 2
    if any(math.isnan(_number(value)) for value in others):
        return True  # the classes have names
    is_mixed = [("-1" in values and {*values} != {"-1"}) for values in parts]
    if any(is_mixed):
        return all(_is_block(values) for values, mixed in zip(parts, is_mixed, strict=True) if mixed)
    return any(len({*values}) > 1 for values in parts)  # otherwise there is one file per class


def _is_block(values: Sequence[str]) -> bool:
    """Whether all -1 are in one block while the other labels are in mixed order (not sorted by class)."""
    others = [value for value in values if value != "-1"]
    num_blocks = sum(value == "-1" for value, _ in groupby(values))
    return num_blocks == 1 and sum(1 for _ in groupby(others)) > len({*others})


def _number(value: str) -> float:
    """Numeric value of a label; nan for a name."""
    try:
        return float(value)
    except ValueError:
        return math.nan
