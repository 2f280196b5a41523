"""Scores by label, and the majority class."""

import numpy as np
import pytest
from sklearn.metrics import precision_recall_fscore_support

from qlit.jobs.label_scores import label_table, majority_of, scores_by_label


def test_scores_by_label_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    truth, predicted = rng.integers(0, 5, 200), rng.integers(0, 4, 200)  # nothing is predicted as class 4
    counts = np.zeros((6, 6), dtype=np.int64)  # and class 5 does not occur
    np.add.at(counts, (truth, predicted), 1)
    theirs = precision_recall_fscore_support(truth, predicted, labels=range(6), zero_division=0)
    np.testing.assert_allclose(scores_by_label(counts), np.stack(theirs, axis=1), rtol=0, atol=1e-12)


def test_the_majority_class_is_the_first_among_equals():
    assert majority_of(np.array([1, 3, 3])) == (1, pytest.approx(3 / 7))


def test_a_table_has_the_labels_with_most_sentences():
    counts = np.diag(np.arange(1, 31))
    lines = label_table(counts, [f"label {number}" for number in range(30)])
    assert [line.split()[1] for line in lines[1:-1]] == [str(number) for number in range(10, 30)]
    assert lines[-1] == "and 10 labels with fewer sentences"
    head, row, _ = label_table(np.array([[2, 1], [0, 1000]]), ["a " * 50, "b"])
    assert row.split()[-4:] == ["1.000", "0.667", "0.800", "3"]
    assert len(row) == len(head)
