"""Few-shot splits: so many sentences a label, most for training, some for validation, the rest for testing."""

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qlit.data.datasets import LabelledTexts
from qlit.data.notices import Notice

Indices = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Split:
    """Which sentences train, validate and test.

    Args:
        train: Indices into the data set, in the order drawn.
        validation: Indices, in the order drawn.
        test: Indices, ascending.
        fingerprint: 16 hex digits over the data set's sentences and labels and the three index arrays.
        num_leaked: Test sentences whose very text is also in train or validation. They are kept, as the published
            counts keep them; 0 in a data set without duplicates.
        notices: What a user should know about the split.
    """

    train: Indices
    validation: Indices
    test: Indices
    fingerprint: str
    num_leaked: int
    notices: tuple[Notice, ...] = ()


def draw_split(
    data: LabelledTexts,
    *,
    num_per_label: int = 256,
    train_fraction: float = 0.85,
    seed: int,
    max_test: int | None = None,
) -> Split:
    """Draw `num_per_label` sentences of each label, split them plainly, and leave the rest for testing.

    The second cut is a plain permutation, not stratified. SST-2 gives 435 / 77 / 9,101.

    Args:
        data: The data set.
        num_per_label: Sentences drawn of each label, at least 2.
        train_fraction: Share of the drawn ones that trains, in (0, 1), rounded down.
        seed: Non-negative; the same seed draws the same split on every platform and numpy version.
        max_test: Test on a random subset of at most this many; None for all. A larger one holds the smaller.
    Raises:
        ValueError: If a setting is out of range, a label has too few sentences, nothing is left to test, or training
            or validation lacks a label.
    Source: arXiv:2504.08732, which splits the drawn sentences "as 85%/15%".
    """
    num_train, _ = train_and_validation_sizes(
        len(data.label_names), num_per_label=num_per_label, train_fraction=train_fraction
    )
    if seed < 0:
        raise ValueError(f"`seed >= 0` must hold, but got {seed=}.")
    if max_test is not None and max_test < 1:
        raise ValueError(f"`max_test >= 1` must hold, but got {max_test=}. Leave it out to test on all.")
    labels = np.asarray(data.labels, dtype=np.int64)
    for label, name in enumerate(data.label_names):
        count = int((labels == label).sum())
        if count < num_per_label:
            raise ValueError(
                f"Label {name!r} of {data.name} has {count} sentences, fewer than {num_per_label=}; "
                f"set it to {count} or less."
            )

    # Only the generator's raw 64-bit stream is used: numpy promises it for ever, unlike `Generator.permutation`.
    stream = np.random.PCG64(seed)
    order = _shuffled(np.arange(len(labels)), stream)
    by_label = [order[labels[order] == label][:num_per_label] for label in range(len(data.label_names))]
    drawn = _shuffled(np.concatenate(by_label), stream)
    # Shuffled again: of a frequent label, sentences are left from the front of the order on, of a rare one at its end.
    rest = _shuffled(np.sort(order[~np.isin(order, drawn)]), stream)
    train, validation, test = drawn[:num_train], drawn[num_train:], np.sort(rest[:max_test])

    if not len(test):
        raise ValueError(
            f"{num_per_label=} draws all {len(labels)} sentences of {data.name} and leaves none to test; set it lower."
        )
    for part, indices in (("Training", train), ("Validation", validation)):
        if lacking := _lacking(data, labels[indices]):
            raise ValueError(
                f"{part} ({len(indices)} of the {len(drawn)} drawn) has no sentence of label {lacking}; raise "
                f"`num_per_label` (now {num_per_label}), or change `train_fraction` (now {train_fraction}) or the seed."
            )
    notices = []
    if lacking := _lacking(data, labels[test]):
        text = (
            f"The test set ({len(test):,} sentences) has none of label {lacking}: its accuracy says nothing about it."
        )
        notices.append(Notice("lacking_labels", text))
    seen = {data.texts[index] for index in drawn}
    num_leaked = sum(data.texts[index] in seen for index in test)
    fingerprint = _fingerprint(data, (train, validation, test))
    return Split(train, validation, test, fingerprint, num_leaked, tuple(notices))


def train_and_validation_sizes(num_classes: int, *, num_per_label: int, train_fraction: float) -> tuple[int, int]:
    """How many sentences train and validate; arguments and errors as `draw_split`."""
    if num_per_label < 2:
        raise ValueError(
            f"`num_per_label >= 2` must hold (training and validation need one each), got {num_per_label}."
        )
    if not 0 < train_fraction < 1:
        raise ValueError(f"`0 < train_fraction < 1` must hold, but got {train_fraction=}.")
    num_drawn = num_per_label * num_classes
    num_train = math.floor(train_fraction * num_drawn + 1e-9)  # 0.29 * 100 is 28.999...
    return num_train, num_drawn - num_train


def _shuffled(values: Indices, stream: np.random.PCG64) -> Indices:
    return values[np.argsort(stream.random_raw(len(values)), kind="stable")]


def _lacking(data: LabelledTexts, labels: Indices) -> str:
    present = set(labels.tolist())
    return ", ".join(repr(name) for label, name in enumerate(data.label_names) if label not in present)


def _fingerprint(data: LabelledTexts, parts: Iterable[Indices]) -> str:
    digest = hashlib.sha256()
    for text, label in zip(data.texts, data.labels, strict=True):
        encoded = text.encode("utf-8", "surrogatepass")
        digest.update(f"{label} {len(encoded)} ".encode() + encoded)
    for indices in parts:
        digest.update(f"{len(indices)} ".encode() + indices.astype("<i8").tobytes())
    return digest.hexdigest()[:16]
