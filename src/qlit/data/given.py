"""Splits as the source provides them: training, validation and test sentences keep their roles."""

import math
from collections.abc import Collection

import numpy as np

from qlit.data.cuts import Indices
from qlit.data.datasets import LabelledTexts
from qlit.data.labels import names_of
from qlit.data.notices import Notice
from qlit.data.quoting import enumerated
from qlit.data.splits import Split, check_settings, finished_split, rows_of, shuffled


def given_split(
    data: LabelledTexts,
    *,
    num_per_label: int | None = None,
    train_fraction: float = 0.85,
    seed: int,
    max_test: int | None = None,
    unseen_only: bool = False,
    seen: Collection[str] = (),
) -> Split:
    """Use the training, validation and test sentences of the source; without validation sentences, cut some from train.

    Args:
        data: The data set with roles. Labels without any sentence are ignored.
        num_per_label: Training sentences to draw per label, at least 2; a label with fewer keeps all of its sentences,
            with a notice. None for all.
        train_fraction: Fraction of the training sentences, in (0, 1), that remain for training if validation sentences
            are cut from them; otherwise not used. Every label with two sentences or more gets at least one for
            validation and keeps at least one.
        seed: Seed of the draw, of the cut and of the order of the training and validation sentences.
        max_test, unseen_only, seen: As of `draw_split`.
    Raises:
        ValueError: If a setting is out of range, there is no training or no test sentence, a label of validation or
            test has no training sentence, or every label has only one training sentence and none is for validation.
    """
    check_settings(num_per_label=num_per_label, train_fraction=train_fraction, seed=seed, max_test=max_test)
    train, validation, tested = (rows_of(data, role) for role in ("train", "validation", "test"))
    _check_parts(data, train, validation, tested)
    stream, notices = np.random.PCG64(seed), list[Notice]()
    train = shuffled(train, stream)
    if num_per_label is not None:
        train, notices = _few(data, train, num_per_label)
    labels = np.asarray(data.labels, dtype=np.int64)
    if len(validation):
        validation = shuffled(validation, stream)
    else:
        train, validation = _cut(data, train, labels, train_fraction)
    if single := sorted({*labels[train].tolist()} - {*labels[validation].tolist()}):
        text = (
            f"The validation set ({len(validation):,} sentences) has no sentence of label "
            f"{names_of([data.label_names[k] for k in single])}."
        )
        notices.append(Notice("not_validated_labels", text))
    rest = shuffled(tested, np.random.PCG64(seed))
    return finished_split(
        data, (train, validation), rest, max_test=max_test, unseen_only=unseen_only, seen=seen, notices=notices
    )


def split_of_test(
    data: LabelledTexts, *, seed: int, max_test: int | None, unseen_only: bool, seen: Collection[str]
) -> Split:
    """Use all sentences for the test; arguments and errors as of `draw_split`."""
    nothing: Indices = np.zeros(0, dtype=np.int64)
    rest = shuffled(np.arange(len(data)), np.random.PCG64(seed))
    return finished_split(
        data, (nothing, nothing), rest, max_test=max_test, unseen_only=unseen_only, seen=seen, notices=()
    )


def _check_parts(data: LabelledTexts, train: Indices, validation: Indices, tested: Indices) -> None:
    """Raise a ValueError if a part has no sentence, or a label of the others has no training sentence."""
    if not len(train):
        raise ValueError(f"The training split of {data.name} has no labelled sentence.")
    if not len(tested):
        raise ValueError(
            f"{data.name} has no test split with labels: with `data.splits: given` a file or split must be called "
            "test; or name a labelled file as `data.test_source`, or draw few-shot splits (`data.splits: few_shot`)."
        )
    labels = np.asarray(data.labels, dtype=np.int64)
    trained = set(labels[train].tolist())
    for name, part in (("validation", validation), ("test", tested)):
        if lacking := sorted(set(labels[part].tolist()) - trained):
            raise ValueError(
                f"The training split of {data.name} has no sentence of label "
                f"{names_of([data.label_names[k] for k in lacking])}, but its {name} split has: remove them, or "
                "rename their labels."
            )


def _few(data: LabelledTexts, train: Indices, num_per_label: int) -> tuple[Indices, list[Notice]]:
    """The first `num_per_label` sentences per label, in their order, and a notice about labels with fewer."""
    labels = np.asarray(data.labels, dtype=np.int64)[train]
    kept, fewer = np.zeros(len(train), dtype=np.bool_), []
    for label in np.unique(labels).tolist():
        of_label = np.flatnonzero(labels == label)
        kept[of_label[:num_per_label]] = True
        if len(of_label) < num_per_label:
            fewer.append(f"{data.label_names[label]} ({len(of_label):,})")
    if not fewer:
        return train[kept], []
    text = f"Labels with fewer than {num_per_label} training sentences keep all they have: {enumerated(fewer)}."
    return train[kept], [Notice("few_of_label", text)]


def _cut(data: LabelledTexts, train: Indices, labels: Indices, train_fraction: float) -> tuple[Indices, Indices]:
    """Cut validation sentences from the training sentences, label by label in proportion."""
    of_train = labels[train]
    found, counts = np.unique(of_train, return_counts=True)
    num_validation = len(train) - math.floor(train_fraction * len(train) + 1e-9)
    ideal = counts * num_validation / len(train)
    shares = np.minimum(np.maximum(np.floor(ideal), counts > 1), counts - 1).astype(np.int64)
    while shares.sum() < num_validation and (shares < counts - 1).any():
        shares[np.argmax(np.where(shares < counts - 1, ideal - shares, -np.inf))] += 1
    if not shares.any():
        raise ValueError(
            f"Every label of {data.name} has one training sentence, which leaves none to validate; name validation "
            "sentences as `data.validation_source`."
        )
    validates = np.zeros(len(train), dtype=np.bool_)
    for label, share in zip(found, shares, strict=True):
        of_label = np.flatnonzero(of_train == label)
        validates[of_label[len(of_label) - share :]] = True
    return train[~validates], train[validates]
