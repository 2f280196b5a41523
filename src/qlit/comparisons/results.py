"""What a comparison found."""

from dataclasses import dataclass

from qlit.comparisons.statistics import McNemar

SIGNIFICANCE = 0.05
"""Below this p value a difference on one split is none of chance."""


@dataclass(frozen=True)
class ModelResult:
    """What one model reached.

    Args:
        name: Its name.
        run_ids: Its runs.
        accuracies: Test accuracy of each, in [0, 1].
        mean: Of the accuracies.
        low, high: 95 % interval, in [0, 1]: Student's t over several runs, cut at the ends of that range, Wilson's over
            the sentences of a single one.
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
        low, high: Its 95 % interval over splits (paired t), cut at -1 and 1; None with a single split.
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
        bodies: One sentence on their bodies, if the files of those differ.
    """

    dataset: str
    num_test: int
    num_splits: int
    models: tuple[ModelResult, ...]
    pairs: tuple[PairResult, ...]
    budget: str
    bodies: str = ""
