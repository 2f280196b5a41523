"""Runs as they would be read, of sentences that a model has right or wrong."""

import numpy as np

from qlit.comparisons.comparison import Model
from qlit.tracking.kept_runs import KeptRun
from qlit.tracking.predictions import Predictions


def fake_run(run_id, right, *, split="s0", dataset="set", params=None, tags=None, first_index=0):
    """A run that has the sentences right where `right` is true; all are of class 1."""
    right = np.asarray(right, dtype=bool)
    predictions = Predictions(
        np.arange(first_index, first_index + len(right)),
        np.ones(len(right), dtype=np.int64),
        right.astype(np.float32),
        split,
        ("no", "yes"),
        dataset,
    )
    return KeptRun(run_id, f"name-{run_id}", params or {}, tags or {}, predictions)


def model(name, accuracies, *, num_test=200, params=None, tags=None):
    """A model with one run a split, of these accuracies on random sentences."""
    generator = np.random.default_rng(sum(map(ord, name)))
    runs = []
    for number, accuracy in enumerate(accuracies):
        right = np.zeros(num_test, dtype=bool)
        right[generator.permutation(num_test)[: round(accuracy * num_test)]] = True
        runs.append(fake_run(f"{name}{number}", right, split=f"s{number}", params=params, tags=tags))
    return Model(name, tuple(runs))
