"""Check that models were trained and tested on the same sentences, labels and splits."""

from collections.abc import Sequence

import numpy as np

from qlit.tracking.config_hash import BODY, DATA
from qlit.tracking.kept_runs import KeptRun

Named = tuple[str, Sequence[KeptRun]]
"""A model's name and its runs."""


def check_same_splits(models: Sequence[Named]) -> None:
    """Raise a ValueError if the runs of models cannot be compared pairwise.

    Sentences and labels must be equal; the names of data sets may differ.

    Args:
        models: Models; the k-th runs of all models must have the same split.
    Raises:
        ValueError: If runs of one model read different data or bodies, or two models have different numbers of runs,
            or their k-th runs have different data, splits or test sentences.
    """
    for model in models:
        _check_one_model(model)
    name, runs = models[0]
    for other, others in models[1:]:
        if len(others) != len(runs):
            raise ValueError(
                f"A fair comparison needs one run per model and split, but {name} has {len(runs)} and {other} has "
                f"{len(others)}."
            )
        for first, second in zip(runs, others, strict=True):
            _check_pair(first, second, f"runs {first.run_id} ({name}) and {second.run_id} ({other})")


def bodies_text(models: Sequence[Named]) -> str:
    """One sentence if the files of the models' bodies differ; empty if they are equal or unknown."""
    bodies = [(name, runs[0].tags[BODY]) for name, runs in models if BODY in runs[0].tags]
    if len({body for _, body in bodies}) < 2:
        return ""
    return f"The files of the bodies differ: {', '.join(f'{name} {body}' for name, body in bodies)}."


def _check_one_model(model: Named) -> None:
    name, (first, *others) = model
    for other in others:
        where = f"The runs {first.run_id} and {other.run_id} of {name}"
        if first.predictions.label_names != other.predictions.label_names or _differ(first, other, DATA):
            raise ValueError(f"{where} read different data; train one of them again.")
        if _differ(first, other, BODY):
            raise ValueError(f"{where} have bodies with different files; train one of them again.")
        # An older qlit did not record fingerprints, but changed labels show in common test sentences.
        _, at, its = np.intersect1d(first.predictions.indices, other.predictions.indices, return_indices=True)
        if (changed := int((first.predictions.labels[at] != other.predictions.labels[its]).sum())) > 0:
            raise ValueError(
                f"{where} read different data: {changed} of their {len(at)} common test sentences have different "
                "labels. Train one of them again."
            )


def _check_pair(first: KeptRun, second: KeptRun, where: str) -> None:
    ours, theirs = first.predictions, second.predictions
    if ours.split_fingerprint != theirs.split_fingerprint:
        if ours.dataset != theirs.dataset or _differ(first, second, DATA):
            names = [f"{run.predictions.dataset}{_known(run)}" for run in (first, second)]
            raise ValueError(f"The {where} read different data, {names[0]} and {names[1]}.")
        raise ValueError(
            f"The {where} have different splits, {ours.split_fingerprint} and {theirs.split_fingerprint}; compare "
            "runs with the same data and the same `data` settings, including `data.seed`."
        )
    if ours.label_names != theirs.label_names:
        raise ValueError(
            f"The {where} have different label names, {', '.join(ours.label_names)} and "
            f"{', '.join(theirs.label_names)}; train one of them again."
        )
    if not np.array_equal(ours.indices, theirs.indices):
        raise ValueError(f"The {where} were tested on different sentences of the same split; test them on all.")


def _differ(first: KeptRun, second: KeptRun, tag: str) -> bool:
    """Whether both runs have a fingerprint and the two differ."""
    return tag in first.tags and tag in second.tags and first.tags[tag] != second.tags[tag]


def _known(run: KeptRun) -> str:
    return f" ({run.tags[DATA]})" if DATA in run.tags else ""
