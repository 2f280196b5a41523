"""`given_split`: the source's own splits, a stratified validation cut, and few sentences per label of train."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from qlit.data import LabelledTexts, Split, draw_split, given_split
from qlit.data.given import split_of_test

NAMES = ("rare", "some", "many")


def make(train: list[int], validation: list[int] = [], test: list[int] = [3, 3, 3]) -> LabelledTexts:  # noqa: B006
    """Sentences with a number per label and part; the test comes first, as in files in another order."""
    parts = {"test": test, "train": train, "validation": validation}
    rows = [
        (f"{role} {label} {k}", label, role)
        for role, counts in parts.items()
        for label, count in enumerate(counts)
        for k in range(count)
    ]
    texts, labels, roles = zip(*rows, strict=True)
    return LabelledTexts(texts, labels, NAMES, "toy", roles=roles)


def counts(data: LabelledTexts, split: Split) -> list[list[int]]:
    labels = np.asarray(data.labels)
    return [np.bincount(labels[part], minlength=3).tolist() for part in (split.train, split.validation, split.test)]


def test_all_parts_are_used_as_given() -> None:
    data = make([2, 10, 30], [1, 2, 3])
    split = given_split(data, seed=0)
    assert counts(data, split) == [[2, 10, 30], [1, 2, 3], [3, 3, 3]]
    for name, part in (("train", split.train), ("validation", split.validation), ("test", split.test)):
        assert {data.roles[k] for k in part} == {name}
    other = given_split(data, seed=1)
    assert sorted(other.train) == sorted(split.train)
    assert other.train.tolist() != split.train.tolist()  # another order
    assert other.test.tolist() == split.test.tolist()


def test_a_validation_cut_is_stratified_and_repeats() -> None:
    data = make([4, 40, 156])
    split, again, other = (given_split(data, seed=seed) for seed in (0, 0, 1))
    assert counts(data, split) == [[3, 34, 133], [1, 6, 23], [3, 3, 3]]  # 15 % of 200, in proportion
    assert split.fingerprint == again.fingerprint != other.fingerprint
    assert {data.roles[k] for k in split.validation} == {"train"}
    assert not set(split.train.tolist()) & set(split.validation.tolist())


@pytest.mark.parametrize("train", [[1, 2, 3], [2, 2, 2], [1, 1, 400], [90, 1, 7]], ids=str)
@pytest.mark.parametrize("train_fraction", [0.1, 0.5, 0.85, 0.99])
def test_a_cut_leaves_every_label_in_training(train: list[int], train_fraction: float) -> None:
    data = make(train)
    split = given_split(data, seed=3, train_fraction=train_fraction)
    trained, validated, _ = counts(data, split)
    assert [a + b for a, b in zip(trained, validated, strict=True)] == train
    assert min(trained) >= 1
    assert all(count >= 1 for count, of_train in zip(validated, train, strict=True) if of_train > 1)
    single = [NAMES[k] for k, count in enumerate(train) if count == 1]
    told = [notice.text for notice in split.notices if notice.key == "not_validated_labels"]
    assert len(told) == bool(single)
    assert all(name in told[0] for name in single)


def test_few_sentences_per_label_of_train() -> None:
    data = make([2, 10, 30], [1, 2, 3])
    split = given_split(data, num_per_label=5, seed=0)
    assert counts(data, split) == [[2, 5, 5], [1, 2, 3], [3, 3, 3]]
    (notice,) = split.notices
    assert notice.text == "Labels with fewer than 5 training sentences keep all they have: rare (2)."
    larger = given_split(data, num_per_label=8, seed=0)
    assert set(split.train.tolist()) < set(larger.train.tolist())


@pytest.mark.parametrize("max_test", [None, 4])
def test_the_test_is_the_one_of_the_file_alone(max_test: int | None) -> None:
    data = make([5, 5, 5], test=[3, 4, 5])
    alone = LabelledTexts(data.texts[:12], data.labels[:12], NAMES, "test alone", roles=("test",) * 12)
    test = split_of_test(alone, seed=7, max_test=max_test, unseen_only=False, seen=())
    whole = given_split(data, seed=7, max_test=max_test)
    assert test.test.tolist() == whole.test.tolist()
    assert len(test.train) == len(test.validation) == 0
    assert len(test.test) == (max_test or 12)


def test_unseen_only_removes_what_training_and_validation_use() -> None:
    data = make([5, 5, 5])
    data = replace(data, texts=(data.texts[20].upper(), *data.texts[1:]))  # the first test sentence
    assert [notice.key for notice in given_split(data, seed=0).notices] == ["duplicates", "contradicting_labels"]
    split = given_split(data, seed=0, unseen_only=True)
    assert 0 not in split.test
    assert len(split.test) == 8


@pytest.mark.parametrize(
    ("data", "settings", "message"),
    [
        (make([3, 3, 3], test=[0, 0, 0]), {}, "toy has no test split with labels"),
        (make([3, 3, 0]), {}, "training split of toy has no sentence of label 'many', but its test split has"),
        (make([0, 3, 3], [1, 0, 0], [0, 1, 1]), {}, "'rare', but its validation split has"),
        (make([1, 1, 1]), {}, "Every label of toy has one training sentence"),
        (make([3, 3, 3]), {"num_per_label": 1}, "num_per_label >= 2"),
        (make([3, 3, 3]), {"train_fraction": 1.0}, "train_fraction < 1"),
    ],
)
def test_impossible_splits_are_refused(data: LabelledTexts, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        given_split(data, seed=0, **settings)


def test_a_few_shot_draw_with_its_own_test_draws_the_same_sentences() -> None:
    pooled = make([20, 30, 40], test=[0, 0, 0])
    tested = LabelledTexts(
        (*pooled.texts, "t0", "t1"), (*pooled.labels, 1, 2), NAMES, "toy", roles=("",) * 90 + ("test",) * 2
    )
    pooled = replace(pooled, roles=())
    for stratified in (False, True):
        settings: dict[str, Any] = {"num_per_label": 14, "seed": 3, "stratified": stratified}
        plain, split = draw_split(pooled, **settings), draw_split(tested, **settings)
        assert split.train.tolist() == plain.train.tolist()
        assert split.validation.tolist() == plain.validation.tolist()
        assert split.test.tolist() == [90, 91]
    first = LabelledTexts(
        ("t0", "t1", *pooled.texts), (1, 2, *pooled.labels), NAMES, "toy", roles=("test",) * 2 + ("",) * 90
    )
    split = draw_split(first, num_per_label=14, seed=3, stratified=True)
    assert (split.train - 2).tolist() == plain.train.tolist()
    assert split.test.tolist() == [0, 1]


def test_a_few_shot_draw_may_take_all_if_there_is_a_test_source() -> None:
    data = make([5, 5, 5])
    split = draw_split(replace(data, roles=("test",) * 9 + ("",) * 15), num_per_label=5, seed=0, train_fraction=0.7)
    assert len(split.train) + len(split.validation) == 15
