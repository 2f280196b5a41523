"""Compare models fairly: on the same splits, with paired differences and a verdict on noise."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from qlit.comparisons.results import SIGNIFICANCE, Comparison, ModelResult, PairResult, SplitResult
from qlit.comparisons.same_data import bodies_text, check_same_splits
from qlit.comparisons.statistics import (
    DIFFERENCE,
    PROPORTION,
    bootstrap_interval,
    cohens_dz,
    cohens_h,
    mcnemar,
    t_interval,
    t_test,
)
from qlit.comparisons.verdicts import budget_of, verdict_of
from qlit.runtime.intervals import wilson_interval
from qlit.tracking.kept_runs import KeptRun


@dataclass(frozen=True, eq=False)
class Model:
    """A model and its runs.

    Args:
        name: Name in tables.
        runs: One run per split, in the same order of splits for all models of a comparison.
    """

    name: str
    runs: tuple[KeptRun, ...]

    @property
    def accuracies(self) -> NDArray[np.float64]:
        """Test accuracies of the runs, in [0, 1], shape (S,)."""
        return np.array([run.predictions.is_right.mean() for run in self.runs])


def compare(models: Sequence[Model], margin: float | None = None) -> Comparison:
    """Compare models pair by pair.

    Intervals over splits cover the chance of splits, starting parameters and shots. They say nothing about other
    sentences, because the test sentences of two splits of one data set are mostly the same. McNemar's test and the
    bootstrap cover the chance of the test sentences, for models trained on one split.

    Args:
        models: At least two models with equal numbers of runs; the k-th runs of all models must have the same split.
        margin: Largest loss of accuracy, in (0, 1], that counts as none; chosen before the results are known.
    Raises:
        ValueError: If a fair comparison is impossible.
    """
    if len(models) < 2:
        raise ValueError(f"A comparison needs at least two models, but got {len(models)}.")
    check_same_splits([(model.name, model.runs) for model in models])
    results = tuple(model_result(model) for model in models)
    return Comparison(
        dataset=models[0].runs[0].predictions.dataset,
        num_test=len(models[0].runs[0].predictions.indices),
        num_splits=len(models[0].runs),
        models=results,
        pairs=tuple(_judged(compare_pair(*pair), margin) for pair in combinations(models, 2)),
        budget=budget_of(results),
        bodies=bodies_text([(model.name, model.runs) for model in models]),
        margin=margin,
    )


def _judged(pair: PairResult, margin: float | None) -> PairResult:
    """The pair with its judgement on the margin: the end of the interval decides, not the mean."""
    if margin is None:
        return pair
    low, high = pair.ends
    return replace(pair, first_is_not_worse=high < margin, second_is_not_worse=low > -margin)


def model_result(model: Model) -> ModelResult:
    """Summarise the runs of one model.

    Raises:
        ValueError: If a run's tag `tuning.num_settings` is not a whole number.
    """
    accuracies, run = model.accuracies, model.runs[0]
    mean = float(accuracies.mean())
    low, high = t_interval(accuracies, PROPORTION) or wilson_interval(mean, len(run.predictions.indices))
    epochs, parameters = run.params.get("trainer.max_epochs"), run.params.get("parameters.total")
    return ModelResult(
        name=model.name,
        run_ids=tuple(each.run_id for each in model.runs),
        accuracies=tuple(accuracies.tolist()),
        mean=mean,
        low=low,
        high=high,
        num_parameters=int(parameters) if parameters else None,
        max_epochs=int(epochs) if epochs and epochs.isdecimal() else None,
        num_settings=max(map(_num_settings, model.runs)),
        select_by=tuple(dict.fromkeys(each.params.get("model.select_by", "accuracy") for each in model.runs)),
    )


def _num_settings(run: KeptRun) -> int:
    value = run.tags.get("tuning.num_settings", "1")
    if not value.isdecimal():
        raise ValueError(f"Tag tuning.num_settings of run {run.run_id} must be a whole number, but is {value!r}.")
    return int(value)


def compare_pair(first: Model, second: Model) -> PairResult:
    """Compare two models whose k-th runs have the same split. Only `compare` checks this."""
    splits = tuple(_split_result(*runs) for runs in zip(first.runs, second.runs, strict=True))
    differences = [split.difference for split in splits]
    interval = t_interval(differences, DIFFERENCE)
    is_noise = splits[0].mcnemar.mid_p >= SIGNIFICANCE if interval is None else interval[0] <= 0 <= interval[1]
    mean = float(np.mean(differences))
    return PairResult(
        first=first.name,
        second=second.name,
        difference=mean,
        low=interval[0] if interval else None,
        high=interval[1] if interval else None,
        p_value=t_test(differences),
        cohens_dz=cohens_dz(differences),
        splits=splits,
        is_noise=is_noise,
        verdict=verdict_of(first.name, second.name, mean, interval, splits, is_noise=is_noise),
    )


def _split_result(first: KeptRun, second: KeptRun) -> SplitResult:
    ours, theirs = first.predictions.is_right, second.predictions.is_right
    low, high = bootstrap_interval(ours, theirs)
    test = mcnemar(ours, theirs)
    return SplitResult(
        split_fingerprint=first.predictions.split_fingerprint,
        # Computed from whole numbers, so that equal differences are bit-identical.
        difference=(test.only_second - test.only_first) / len(ours),
        low=low,
        high=high,
        cohens_h=cohens_h(float(ours.mean()), float(theirs.mean())),
        mcnemar=test,
    )
