"""The built-in sample: what makes it good enough for trying the commands, and told apart from a result."""

import re
from collections import Counter
from itertools import combinations

import pytest

from qlit.data import LabelledTexts, draw_split, load_texts


@pytest.fixture(scope="module")
def sample() -> LabelledTexts:
    return load_texts("sample")


@pytest.fixture(scope="module")
def words(sample: LabelledTexts) -> list[frozenset[str]]:
    return [frozenset(re.findall(r"[a-z0-9']+", text.lower())) for text in sample.texts]


def test_it_is_large_balanced_and_distinct(sample: LabelledTexts) -> None:
    assert len(sample) >= 1200
    assert sample.labels.count(0) == sample.labels.count(1)
    assert sample.label_names == ("0", "1")
    assert len({text.lower() for text in sample.texts}) == len(sample)
    assert all(text.isascii() and text.isprintable() and text == text.strip() for text in sample.texts)


def test_it_says_what_it_is(sample: LabelledTexts) -> None:
    assert sample.name == "sample"
    assert sample.note.startswith(f"built-in sample of {len(sample)} sentences")
    assert "says nothing about SST-2" in sample.note


def test_it_is_shuffled(sample: LabelledTexts) -> None:
    half = len(sample) // 2
    assert abs(sum(sample.labels[:half]) - half / 2) < 5 * (half / 4) ** 0.5  # 5 sigma of a coin


def test_no_single_word_tells_the_label(sample: LabelledTexts, words: list[frozenset[str]]) -> None:
    total = {label: sample.labels.count(label) for label in (0, 1)}
    counts = {
        label: Counter(w for ws, y in zip(words, sample.labels, strict=True) if y == label for w in ws)
        for label in (0, 1)
    }
    accuracy = {
        word: max((counts[label][word] + total[1 - label] - counts[1 - label][word]) / len(sample) for label in (0, 1))
        for word in counts[0] | counts[1]
    }
    best = max(accuracy, key=lambda word: accuracy[word])
    assert accuracy[best] <= 0.6, best


def test_no_two_sentences_are_nearly_the_same(words: list[frozenset[str]]) -> None:
    near = [(a, b) for a, b in combinations(words, 2) if len(a & b) > 0.7 * len(a | b)]
    assert near == []


def test_it_is_enough_for_the_published_split(sample: LabelledTexts) -> None:
    split = draw_split(sample, seed=0)
    assert (len(split.train), len(split.validation), len(split.test)) == (435, 77, len(sample) - 512)
    assert split.num_leaked == 0
