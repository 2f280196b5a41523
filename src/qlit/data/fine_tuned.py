"""Record of the sentences that a fine-tuned body was trained on, so that no run tests on them."""

import json
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from qlit.data.body import BodyFolder
from qlit.data.cuts import Indices
from qlit.data.datasets import LabelledTexts
from qlit.data.seen import are_seen, sentence_key, sentence_keys
from qlit.data.splits import Split

_FILE = "qlit.json"


def write_record(folder: Path, seen: Iterable[str], facts: Mapping[str, Any], *, before: Collection[str] = ()) -> None:
    """Write a record into a body's folder: hashes of the sentences it was fine-tuned on, and its settings.

    Args:
        folder: The body's folder.
        seen: Sentences it was fine-tuned on.
        facts: Settings of the fine-tuning, as plain values.
        before: Hashes of the sentences of earlier fine-tunings.
    """
    record = {**facts, "seen": sorted({*before, *sentence_keys(seen)})}
    (folder / _FILE).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def seen_by(body: BodyFolder) -> frozenset[str]:
    """Hashes of the labelled sentences a body was fine-tuned on; empty if qlit did not fine-tune it.

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
            f"{file} does not list the sentences that the body {body.name} was fine-tuned on: fine-tune it again."
        ) from error


def check_unseen(
    body: BodyFolder, data: LabelledTexts, split: Split, *, trained: Collection[str] | None = None
) -> None:
    """Raise a ValueError if a split validates or tests on sentences that its body was fine-tuned on.

    Sentences that are also in the training part are allowed: they are duplicates in the data set, and the split reports
    them.

    Args:
        body: The body.
        data: The data set.
        split: Its split.
        trained: Hashes of the training sentences; None for those of the split.
    Raises:
        ValueError: If there are such sentences.
    """
    seen = seen_by(body)
    if not seen:
        return
    if trained is None:
        trained = sentence_keys(data.texts[k] for k in split.train)

    def leaked(indices: Indices) -> int:
        held_out = [data.texts[k] for k in indices if sentence_key(data.texts[k]) not in trained]
        return int(are_seen(held_out, seen).sum())

    validated, tested = leaked(split.validation), leaked(split.test)
    if validated or tested:
        way_out = "" if validated else ", or leave them out of the test with `--data.unseen_only true`"
        raise ValueError(
            f"The body {body.name} was fine-tuned on {validated + tested} of the sentences that this split validates "
            "or tests on: use the `source`, `num_per_label`, `train_fraction` and `seed` of its fine-tuning, or "
            f"fine-tune a body on this split{way_out}."
        )
