"""What a fine-tuned body has seen, kept in its folder, so that no run tests on what its body was trained on."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from qlit.data.body import BodyFolder
from qlit.data.cuts import Indices
from qlit.data.datasets import LabelledTexts
from qlit.data.splits import Split

_FILE = "qlit.json"
_KEY_DIGITS = 16  # 64 bits: ten thousand sentences share none


def write_record(folder: Path, seen: Iterable[str], facts: Mapping[str, Any]) -> None:
    """Write into a body's folder which sentences it has seen, as hashes, and how it was made, as plain values."""
    record = {**facts, "seen": sorted({_key(text) for text in seen})}
    (folder / _FILE).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def seen_by(body: BodyFolder) -> frozenset[str]:
    """Hashes of the labelled sentences that a body has seen; none for a body that qlit did not fine-tune.

    Raises:
        ValueError: If its record cannot be read.
    """
    file = body.path / _FILE
    if not file.is_file():
        return frozenset()
    try:
        return frozenset(json.loads(file.read_text(encoding="utf-8"))["seen"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{file} does not say which sentences the body {body.name} was fine-tuned on: make it again."
        ) from error


def check_unseen(body: BodyFolder, data: LabelledTexts, split: Split) -> None:
    """Refuse a split that validates or tests on sentences that its body was fine-tuned on.

    Sentences that also train are let through: they are duplicates in the data set, which the split counts.

    Raises:
        ValueError: If there are such sentences.
    """
    seen = seen_by(body)
    if not seen:
        return

    def keys(indices: Indices) -> set[str]:
        return {_key(data.texts[k]) for k in indices}

    held_out = (keys(split.validation) | keys(split.test)) - keys(split.train)
    if leaked := len(held_out & seen):
        raise ValueError(
            f"The body {body.name} was fine-tuned on {leaked} of the sentences that this split validates or tests on: "
            "take the `source`, `num_per_label`, `train_fraction` and `seed` it was made with, or fine-tune one on "
            "this split."
        )


def _key(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_KEY_DIGITS]
