"""Results of a comparison."""

from dataclasses import dataclass

from qlit.comparisons.statistics import McNemar

SIGNIFICANCE = 0.05
"""Significance level of the difference on one split."""


@dataclass(frozen=True)
class ModelResult:
    """Results of one model.

    Args:
        name: Name of the model.
        run_ids: Ids of its runs.
        accuracies: Test accuracies of the runs, in [0, 1].
        mean: Mean accuracy.
        low, high: 95 % interval, in [0, 1]: Student's t over several runs, cut to this range, or Wilson's over the
            sentences of a single run.
        num_parameters: Trainable parameters; None if its runs do not record them.
        max_epochs: Maximum number of epochs; None if it is not trained in epochs.
        num_settings: Number of settings tried in its tuning: the tag `tuning.num_settings`, or 1.
        select_by: Validation scores that chose the tested epochs of its runs, in order of first occurrence: the key
            `model.select_by`.
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
    select_by: tuple[str, ...] = ("accuracy",)


@dataclass(frozen=True)
class SplitResult:
    """Two models on the test sentences of one split.

    Args:
        split_fingerprint: Fingerprint of the split.
        difference: Difference of the accuracies, second minus first.
        low, high: 95 % interval of the difference, by paired bootstrap over the sentences.
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
        first, second: Names of the models; differences are second minus first.
        difference: Mean difference of the accuracies.
        low, high: 95 % interval of the difference over splits (paired t), cut at -1 and 1; None with a single split.
        p_value: p value of the paired t test; None with a single split or if all differences are equal.
        cohens_dz: Effect size of the paired differences; None in the same cases.
        splits: Results on every split.
        is_noise: Whether the difference is within noise: the interval over splits contains 0 or, with a single split,
            McNemar's mid-p is at least 0.05.
        verdict: One sentence on the difference.
        first_is_not_worse, second_is_not_worse: Whether the interval shows that the model is worse than the other by
            less than the margin (non-inferiority); None without a margin.
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
    first_is_not_worse: bool | None = None
    second_is_not_worse: bool | None = None

    @property
    def ends(self) -> tuple[float, float]:
        """95 % interval of the difference: over splits, or over the sentences of a single split."""
        if self.low is None or self.high is None:
            return self.splits[0].low, self.splits[0].high
        return self.low, self.high


@dataclass(frozen=True)
class Comparison:
    """Models and all their pairs.

    Args:
        dataset: Name of the data set.
        num_test: Number of test sentences per split.
        num_splits: Number of splits.
        models: Results of the models.
        pairs: Results of all pairs, in the models' order.
        budget: One sentence on the tuning and training budgets.
        bodies: One sentence on the bodies if their files differ, else "".
        margin: Largest loss of accuracy, in [0, 1], that counts as none; None if none was stated.
    """

    dataset: str
    num_test: int
    num_splits: int
    models: tuple[ModelResult, ...]
    pairs: tuple[PairResult, ...]
    budget: str
    bodies: str = ""
    margin: float | None = None
