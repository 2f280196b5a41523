"""Splits of a data set; few-shot splits train and validate on a few sentences per label, and test on all others."""

import hashlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from qlit.data.cuts import (
    Indices,
    check_sizes,
    check_stratified,
    lacking_label,
    plain_cut,
    stratified_cut,
    train_and_validation_sizes,
)
from qlit.data.datasets import LabelledTexts
from qlit.data.labels import names_of
from qlit.data.notices import Notice
from qlit.data.rows import Role
from qlit.data.seen import are_seen, counted, duplicate_notices, sentence_keys


@dataclass(frozen=True, eq=False)
class Split:
    """Training, validation and test sentences of a data set.

    Args:
        train: Indices into the data set, in the order drawn.
        validation: Indices, in the order drawn.
        test: Indices, ascending.
        fingerprint: 16 hex digits over the data set's sentences and labels and the three index arrays.
        num_leaked: Number of test sentences whose exact text is also in training or validation. They stay in the test,
            as in the published counts, unless `unseen_only` removes them.
        notices: Facts about the split that a user should know.
    """

    train: Indices
    validation: Indices
    test: Indices
    fingerprint: str
    num_leaked: int
    notices: tuple[Notice, ...] = ()


def check_settings(*, num_per_label: int | None, train_fraction: float, seed: int, max_test: int | None) -> None:
    """Raise a ValueError if a setting of `draw_split` or `given_split` is out of range for any data."""
    if seed < 0:
        raise ValueError(f"`seed >= 0` must hold, but got {seed=}.")
    if max_test is not None and max_test < 1:
        raise ValueError(f"`max_test >= 1` must hold, but got {max_test=}. Leave it out to test on all.")
    check_sizes(num_per_label=2 if num_per_label is None else num_per_label, train_fraction=train_fraction)


def draw_split(
    data: LabelledTexts,
    *,
    num_per_label: int = 256,
    train_fraction: float = 0.85,
    seed: int,
    max_test: int | None = None,
    stratified: bool = False,
    unseen_only: bool = False,
    seen: Collection[str] = (),
) -> Split:
    """Draw `num_per_label` sentences per label for training and validation, and use the rest for testing.

    The drawn sentences are divided by a plain permutation, as published, or stratified by label. For SST-2, both give
    435 / 77 / 9,101 sentences.

    Args:
        data: The data set. Labels without any sentence are ignored. If it has test sentences by their roles, those are
            the test, and nothing is drawn from them.
        num_per_label: Sentences to draw per label, at least 2.
        train_fraction: Fraction of the drawn sentences used for training, in (0, 1); the number is rounded down.
        seed: Non-negative; the same seed draws the same split on every platform and numpy version.
        max_test: Test on a random subset of at most this many sentences; None for all. A larger subset contains every
            smaller one.
        stratified: Divide label by label, so that every label has its share of the validation sentences, at least one.
            The drawn sentences and the test sentences are the same as without it.
        unseen_only: Remove sentences from the test that are also in training, in validation or in `seen`.
        seen: Hashes (`qlit.data.seen.sentence_key`) of further sentences that `unseen_only` removes.
    Raises:
        ValueError: If a setting is out of range, a label has too few sentences, no sentence is left to test, or a label
            is missing in training or validation.
    Source: arXiv:2504.08732, which splits the drawn sentences "as 85%/15%".
    """
    check_settings(num_per_label=num_per_label, train_fraction=train_fraction, seed=seed, max_test=max_test)
    tested = rows_of(data, "test")
    pool = np.setdiff1d(np.arange(len(data)), tested)
    labels = np.asarray(data.labels, dtype=np.int64)[pool]
    counts = np.bincount(labels, minlength=len(data.label_names))
    present: list[int] = np.flatnonzero(counts).tolist()
    sizes = train_and_validation_sizes(len(present), num_per_label=num_per_label, train_fraction=train_fraction)
    for label in present:
        if counts[label] < num_per_label:
            raise ValueError(
                f"Label {data.label_names[label]!r} of {data.name} has {counts[label]} {data.noun}, fewer than "
                f"{num_per_label=}; set it to {counts[label]} or less."
            )

    stream = np.random.PCG64(seed)
    order, drawn = _drawn(labels, present, num_per_label, stream)
    # Shuffled again, because the remaining sentences of a rare label are all at the end of the order.
    rest = shuffled(np.sort(order[~np.isin(order, drawn)]), stream)
    if not len(rest) and not len(tested):
        raise ValueError(
            f"{num_per_label=} draws all {len(labels)} {data.noun} of {data.name} and leaves none to test; set it "
            "lower."
        )
    if stratified:
        classes = {"num_classes": len(present), "num_per_label": num_per_label}
        check_stratified(sizes, **classes, train_fraction=train_fraction)
        label_order = shuffled(np.asarray(present), stream).tolist()
        train, validation = stratified_cut(drawn, labels, sizes[1], label_order)
    else:
        train, validation = plain_cut(drawn, sizes[0])
        _check_plain(data.label_names, labels, (train, validation), present, num_per_label, train_fraction, seed)

    rest = shuffled(tested, np.random.PCG64(seed)) if len(tested) else pool[rest]
    parts = pool[train], pool[validation]
    return finished_split(data, parts, rest, max_test=max_test, unseen_only=unseen_only, seen=seen)


def rows_of(data: LabelledTexts, role: Role) -> Indices:
    """Indices of the sentences with a role; empty if the data set has no roles."""
    return np.flatnonzero(np.fromiter((each == role for each in data.roles), np.bool_, len(data.roles)))


def finished_split(
    data: LabelledTexts,
    parts: tuple[Indices, Indices],
    rest: Indices,
    *,
    max_test: int | None,
    unseen_only: bool,
    seen: Collection[str],
    notices: Sequence[Notice] = (),
) -> Split:
    """Make a split of training and validation sentences, and of those left to test in random order.

    Args:
        data: The data set.
        parts: Indices of the training and the validation sentences.
        rest: Indices of the sentences to test, in random order.
        max_test, unseen_only, seen: As of `draw_split`.
        notices: Facts about the division.
    Raises:
        ValueError: If `unseen_only` leaves no test sentence.
    """
    notices = list(notices)
    used = np.concatenate(parts)
    if unseen_only:
        rest, removed = _unseen(data, rest, {*seen, *sentence_keys(data.texts[k] for k in used)})
        notices += removed
    test = np.sort(rest[:max_test])
    labels = np.asarray(data.labels, dtype=np.int64)
    lacking = sorted(set(range(len(data.label_names))) - set(labels[test].tolist()))
    if lacking:
        notices.append(
            Notice(
                "lacking_labels",
                f"The test set ({len(test):,} sentences) has no sentence of label "
                f"{names_of([data.label_names[k] for k in lacking])}: its accuracy says nothing about this label.",
            )
        )
    notices += duplicate_notices(data.texts, data.labels, *parts, test)
    exact = {data.texts[index] for index in used}
    num_leaked = sum(data.texts[index] in exact for index in test)
    fingerprint = split_fingerprint(data, (*parts, test))
    return Split(*parts, test, fingerprint, num_leaked, tuple(notices))


def split_fingerprint(data: LabelledTexts, parts: Iterable[Indices]) -> str:
    """16 hex digits over a data set's sentences and labels and the index arrays of a split's parts."""
    digest = hashlib.sha256()
    for text, label in zip(data.texts, data.labels, strict=True):
        encoded = text.encode("utf-8", "surrogatepass")
        digest.update(f"{label} {len(encoded)} ".encode() + encoded)
    for indices in parts:
        digest.update(f"{len(indices)} ".encode() + indices.astype("<i8").tobytes())
    return digest.hexdigest()[:16]


def former_fingerprints(data: LabelledTexts, split: Split, seed: int) -> set[str]:
    """Fingerprints that older checkpoints may record for a split with the same training and validation sentences.

    An older qlit tested on all remaining sentences, or on the first ones, because `max_test` was not random.
    """
    order = shuffled(np.arange(len(data)), np.random.PCG64(seed))
    left = order[~np.isin(order, np.concatenate([split.train, split.validation]))]
    tests = (np.sort(left[:size]) for size in (len(split.test), None))
    return {split_fingerprint(data, (split.train, split.validation, test)) for test in tests}


def _drawn(
    labels: Indices, present: Iterable[int], num_per_label: int, stream: np.random.PCG64
) -> tuple[Indices, Indices]:
    """Indices of all sentences in random order, and of the first ones per label in another random order."""
    # Only the generator's raw 64-bit stream is used: numpy guarantees that it never changes, unlike
    # `Generator.permutation`.
    order = shuffled(np.arange(len(labels)), stream)
    by_label = [order[labels[order] == label][:num_per_label] for label in present]
    return order, shuffled(np.concatenate(by_label), stream)


def _check_plain(
    names: Sequence[str],
    labels: Indices,
    parts: tuple[Indices, Indices],
    present: list[int],
    num_per_label: int,
    train_fraction: float,
    seed: int,
) -> None:
    """Raise a ValueError if a label is missing in training or validation."""
    for name, indices in zip(("Training", "Validation"), parts, strict=True):
        if lacking := set(present) - set(labels[indices].tolist()):
            rarest = int(np.bincount(labels)[present].min())
            raise lacking_label(
                f"{name} ({len(indices)} of the {sum(map(len, parts))} drawn)",
                names_of([names[label] for label in sorted(lacking)]),
                num_classes=len(present),
                num_per_label=num_per_label,
                train_fraction=train_fraction,
                suffices=lambda n: _suffices(labels, present, n, train_fraction, seed),
                most=rarest - (rarest * len(present) == len(labels)),  # at least one sentence must be left to test
            )


def _suffices(labels: Indices, present: list[int], num_per_label: int, train_fraction: float, seed: int) -> bool:
    """Whether the plain cut with this `num_per_label` has every label in training and in validation."""
    num_train, _ = train_and_validation_sizes(len(present), num_per_label=num_per_label, train_fraction=train_fraction)
    _, drawn = _drawn(labels, present, num_per_label, np.random.PCG64(seed))
    return all(set(labels[part].tolist()) == set(present) for part in plain_cut(drawn, num_train))


def _unseen(data: LabelledTexts, rest: Indices, seen: Collection[str]) -> tuple[Indices, list[Notice]]:
    """Remove the sentences in `seen` from the remaining ones, with a notice about the removed ones."""
    left = rest[~are_seen([data.texts[k] for k in rest], seen)]
    if not len(left):
        raise ValueError(
            f"All {len(rest):,} {data.noun} of {data.name} that are left to test are also trained or validated on, and "
            "`unseen_only` leaves them out; test on other data."
        )
    num_seen = len(rest) - len(left)
    text = (
        f"Of the {len(rest):,} {data.noun} left to test, {counted(num_seen)} left out (`data.unseen_only`): the model "
        "is also trained or validated on them."
    )
    return left, [Notice("unseen_only", text)] if num_seen else []


def shuffled(values: Indices, stream: np.random.PCG64) -> Indices:
    """Values in the random order of the next numbers of a stream."""
    return values[np.argsort(stream.random_raw(len(values)), kind="stable")]
