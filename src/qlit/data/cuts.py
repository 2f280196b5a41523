"""Divide the drawn sentences of a split into training and validation, with or without stratification."""

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]
_MOST_TRIED = 1000


def check_sizes(*, num_per_label: int, train_fraction: float) -> None:
    """Raise a ValueError if no data could be divided with these sizes; arguments as in `draw_split`."""
    if num_per_label < 2:
        raise ValueError(
            f"`num_per_label >= 2` must hold (training and validation need one each), got {num_per_label}."
        )
    if not 0 < train_fraction < 1:
        raise ValueError(f"`0 < train_fraction < 1` must hold, but got {train_fraction=}.")


def train_and_validation_sizes(num_classes: int, *, num_per_label: int, train_fraction: float) -> tuple[int, int]:
    """Numbers of training and validation sentences; arguments and errors as in `draw_split`."""
    check_sizes(num_per_label=num_per_label, train_fraction=train_fraction)
    num_drawn = num_per_label * num_classes
    num_train = math.floor(train_fraction * num_drawn + 1e-9)  # 0.29 * 100 is 28.999...
    return num_train, num_drawn - num_train


def plain_cut(drawn: Indices, num_train: int) -> tuple[Indices, Indices]:
    """Use the first `num_train` of the drawn sentences for training, the others for validation.

    A label may be missing in either part.
    """
    return drawn[:num_train], drawn[num_train:]


def stratified_cut(
    drawn: Indices, labels: Indices, num_validation: int, label_order: Sequence[int]
) -> tuple[Indices, Indices]:
    """Divide the drawn sentences label by label, into parts of the same sizes as the plain cut.

    Args:
        drawn: Indices into the data set, equally many per label, in random order.
        labels: Classes of the whole data set.
        num_validation: Number of validation sentences; at least one per label, and at least one per label must remain
            for training.
        label_order: The labels. If they cannot share equally, the first ones get one validation sentence more.
    Returns:
        Training and validation indices, in the order drawn.
    """
    share, remainder = divmod(num_validation, len(label_order))
    validates = np.zeros(len(drawn), dtype=np.bool_)
    for place, label in enumerate(label_order):
        of_label = np.flatnonzero(labels[drawn] == label)
        validates[of_label[len(of_label) - share - (place < remainder) :]] = True
    return drawn[~validates], drawn[validates]


def stratified_num_per_label(num_classes: int, train_fraction: float) -> int | None:
    """Smallest `num_per_label` with which a stratified cut has every label in training and in validation.

    None if it is more than a million.
    """

    def suffices(num_per_label: int) -> bool:
        sizes = train_and_validation_sizes(num_classes, num_per_label=num_per_label, train_fraction=train_fraction)
        return min(sizes) >= num_classes

    stop = (
        math.ceil(max(1 / train_fraction, 1 / (1 - train_fraction))) + 2
    )  # with this many, the smaller part always suffices
    return next((n for n in range(2, stop) if suffices(n)), None) if stop < 1_000_000 else None


def lacking_label(
    what: str,
    lacking: str,
    *,
    num_classes: int,
    num_per_label: int,
    train_fraction: float,
    suffices: Callable[[int], bool],
    most: int,
) -> ValueError:
    """Error for a plain cut with a label missing in one part; it names settings that would work.

    Args:
        what: The part and its size.
        lacking: The missing labels.
        num_classes, num_per_label, train_fraction: Settings of the draw.
        suffices: Whether the plain cut with this `num_per_label` and the same seed has every label in both parts.
        most: Number of sentences of the rarest label.
    """
    fewest = stratified_num_per_label(num_classes, train_fraction)
    advice = []
    if fewest is not None and fewest <= most:
        raised = f" and raise `num_per_label` to {fewest}" if fewest > num_per_label else ""
        advice.append(f"set `data.stratified: true` to cut label by label{raised}")
    tried = range(num_per_label + 1, min(most, num_per_label + _MOST_TRIED) + 1)
    if (enough := next(filter(suffices, tried), None)) is not None:
        advice.append(f"raise `num_per_label` (now {num_per_label}) to {enough}, where this seed's cut has every label")
    advice.append(f"change `train_fraction` (now {train_fraction})")
    return ValueError(f"{what} has no sentence of label {lacking}; {', or '.join(advice)}.")


def check_stratified(sizes: tuple[int, int], *, num_classes: int, num_per_label: int, train_fraction: float) -> None:
    """Raise a ValueError unless every label can have one sentence in training and one in validation."""
    if min(sizes) >= num_classes:
        return
    part = "train" if sizes[0] < num_classes else "validate"
    fewest = stratified_num_per_label(num_classes, train_fraction)
    raised = f"raise `num_per_label` (now {num_per_label}) to {fewest}, or " if fewest else ""
    raise ValueError(
        f"Of {num_classes} labels with {num_per_label} sentences per label, only {min(sizes)} would {part}, less than "
        f"one per label; {raised}change `train_fraction` (now {train_fraction})."
    )
