"""A fair comparison of models: the same splits, paired differences, and a plain word on what is noise."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from qlit.studies.statistics import (
    McNemar,
    bootstrap_interval,
    cohens_dz,
    cohens_h,
    mcnemar,
    t_interval,
    t_test,
)
from qlit.training.kept_runs import KeptRun
from qlit.training.scores import wilson_interval

SIGNIFICANCE = 0.05
_TESTED = "; the epoch of the best validation accuracy was tested"


@dataclass(frozen=True, eq=False)
class Model:
    """A model and its runs.

    Args:
        name: How it is called in tables.
        runs: One a split, in an order that is the same for all models of a comparison.
    """

    name: str
    runs: tuple[KeptRun, ...]

    @property
    def accuracies(self) -> NDArray[np.float64]:
        """Test accuracy of each run, in [0, 1], shape (S,)."""
        return np.array([run.predictions.is_right.mean() for run in self.runs])


@dataclass(frozen=True)
class ModelResult:
    """What one model reached.

    Args:
        name: Its name.
        run_ids: Its runs.
        accuracies: Test accuracy of each, in [0, 1].
        mean: Of the accuracies.
        low, high: 95 % interval: Student's t over several runs, Wilson's over the sentences of a single one.
        num_parameters: Trainable parameters, None if its runs do not say.
        max_epochs: Epochs that it was given, None if it is not trained by epochs.
        num_settings: Settings that were tried to find its own: the tag `tuning.num_settings`, or 1.
    """

    name: str
    run_ids: tuple[str, ...]
    accuracies: tuple[float, ...]
    mean: float
    low: float
    high: float
    num_parameters: int | None
    max_epochs: int | None
    num_settings: int


@dataclass(frozen=True)
class SplitResult:
    """Two models on the test sentences of one split.

    Args:
        split_fingerprint: The split.
        difference: Of the accuracies, second minus first.
        low, high: Its 95 % interval, paired bootstrap over the sentences.
        cohens_h: Effect size of two proportions.
        mcnemar: McNemar's test.
    """

    split_fingerprint: str
    difference: float
    low: float
    high: float
    cohens_h: float
    mcnemar: McNemar


@dataclass(frozen=True)
class PairResult:
    """Two models, paired by split.

    Args:
        first, second: Their names; differences are second minus first.
        difference: Mean difference of the accuracies.
        low, high: Its 95 % interval over splits (paired t); None with a single split.
        p_value: Of the paired t test; None with a single split or where all differences are equal.
        cohens_dz: Effect size of the paired differences; None in the same cases.
        splits: The comparison on each split.
        is_noise: Whether the difference is within noise: the interval over splits holds 0, or with a single split
            McNemar's mid-p is 0.05 or more.
        verdict: That in a sentence.
    """

    first: str
    second: str
    difference: float
    low: float | None
    high: float | None
    p_value: float | None
    cohens_dz: float | None
    splits: tuple[SplitResult, ...]
    is_noise: bool
    verdict: str


@dataclass(frozen=True)
class Comparison:
    """Models and all their pairs.

    Args:
        dataset: Name of the data set.
        num_test: Test sentences of each split.
        num_splits: Splits.
        models: Each model.
        pairs: Each pair, in the models' order.
        budget: One sentence on what was spent to tune and train them.
    """

    dataset: str
    num_test: int
    num_splits: int
    models: tuple[ModelResult, ...]
    pairs: tuple[PairResult, ...]
    budget: str


def compare(models: Sequence[Model]) -> Comparison:
    """Compare models pair by pair.

    Intervals over splits take the luck of splits, starting parameters and shots into account; the test sentences of
    two splits of one data set are mostly the same, so they tell nothing of other sentences. McNemar's test and the
    bootstrap take the luck of the sentences into account, for models trained on that one split.

    Args:
        models: At least two, of as many runs each: the k-th runs of all must be of one split.
    Raises:
        ValueError: If they cannot be compared fairly.
    """
    if len(models) < 2:
        raise ValueError(f"A comparison needs two models at least, but got {len(models)}.")
    _check_same_splits(models)
    results = tuple(model_result(model) for model in models)
    return Comparison(
        dataset=models[0].runs[0].predictions.dataset,
        num_test=len(models[0].runs[0].predictions.indices),
        num_splits=len(models[0].runs),
        models=results,
        pairs=tuple(compare_pair(*pair) for pair in combinations(models, 2)),
        budget=_budget(results),
    )


def _check_same_splits(models: Sequence[Model]) -> None:
    first = models[0]
    for other in models[1:]:
        if len(other.runs) != len(first.runs):
            raise ValueError(
                f"A fair comparison needs one run of each model on each split, but {first.name} has "
                f"{len(first.runs)} and {other.name} has {len(other.runs)}."
            )
        for run, its in zip(first.runs, other.runs, strict=True):
            ours, theirs = run.predictions, its.predictions
            where = f"runs {run.run_id} ({first.name}) and {its.run_id} ({other.name})"
            if ours.dataset != theirs.dataset:
                raise ValueError(f"The {where} are of different data, {ours.dataset} and {theirs.dataset}.")
            if ours.split_fingerprint != theirs.split_fingerprint:
                raise ValueError(
                    f"The {where} are of different splits, {ours.split_fingerprint} and {theirs.split_fingerprint}; "
                    "compare runs with the same data and `data` settings, `data.seed` included."
                )
            if not np.array_equal(ours.indices, theirs.indices):
                raise ValueError(f"The {where} were tested on different sentences of the same split; test them on all.")


def model_result(model: Model) -> ModelResult:
    accuracies, run = model.accuracies, model.runs[0]
    mean = float(accuracies.mean())
    low, high = t_interval(accuracies) or wilson_interval(mean, len(run.predictions.indices))
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
    )


def _num_settings(run: KeptRun) -> int:
    value = run.tags.get("tuning.num_settings", "1")
    if not value.isdecimal():
        raise ValueError(f"Tag tuning.num_settings of run {run.run_id} must be a whole number, but is {value!r}.")
    return int(value)


def compare_pair(first: Model, second: Model) -> PairResult:
    """Compare two models whose k-th runs are of one split, which is not checked here; `compare` checks."""
    splits = tuple(_split_result(*runs) for runs in zip(first.runs, second.runs, strict=True))
    differences = [split.difference for split in splits]
    interval = t_interval(differences)
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
        verdict=_verdict(first.name, second.name, mean, interval, splits, is_noise=is_noise),
    )


def _split_result(first: KeptRun, second: KeptRun) -> SplitResult:
    ours, theirs = first.predictions.is_right, second.predictions.is_right
    low, high = bootstrap_interval(ours, theirs)
    test = mcnemar(ours, theirs)
    return SplitResult(
        split_fingerprint=first.predictions.split_fingerprint,
        # From whole numbers, so that equal differences are equal to the last bit.
        difference=(test.only_second - test.only_first) / len(ours),
        low=low,
        high=high,
        cohens_h=cohens_h(float(ours.mean()), float(theirs.mean())),
        mcnemar=test,
    )


def _verdict(
    first: str,
    second: str,
    mean: float,
    interval: tuple[float, float] | None,
    splits: Sequence[SplitResult],
    *,
    is_noise: bool,
) -> str:
    better, worse = (second, first) if mean >= 0 else (first, second)
    points = f"{100 * abs(mean):.2f} points"
    if interval is None:
        low, high, what = splits[0].low, splits[0].high, "over the sentences of this one split"
        caveat = "; another split or seed may say otherwise"
    else:
        low, high, what = *interval, f"paired over {len(splits)} splits"
        caveat = "; two splits say little" if len(splits) == 2 else ""
    ends = (low, high) if mean >= 0 else (-high, -low)
    shown = f"95 % interval {100 * ends[0]:.2f} to {100 * ends[1]:.2f}, {what}"
    if is_noise:
        return f"The difference between {better} and {worse}, {points} ({shown}), is within noise{caveat}."
    return f"{better} is better than {worse} by {points} ({shown}){caveat}."


def _budget(models: Sequence[ModelResult]) -> str:
    parts = []
    for model in models:
        settings = "one setting" if model.num_settings == 1 else f"the best of {model.num_settings} settings"
        epochs = "" if model.max_epochs is None else f", {model.max_epochs:,} epoch{'s' * (model.max_epochs != 1)}"
        parts.append(f"{settings}{epochs}")
    trained = {model.max_epochs for model in models} - {None}
    if len({model.num_settings for model in models}) == 1 and len(trained) <= 1:
        longest = max(parts, key=len)  # with its epochs, where another model has none
        return f"Equal tuning budget: {longest} each{_TESTED if trained else ''}."
    told = "; ".join(f"{model.name} had {part}" for model, part in zip(models, parts, strict=True))
    return f"The tuning budgets differ: {told}{_TESTED if trained else ''}."
