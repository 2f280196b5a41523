"""What a linear and a quadratic classifier reach on the principal components of embeddings.

Shapes: N sentences, D features, K components, F features of a classifier, S splits.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from qlit.comparisons.statistics import DIFFERENCE, PROPORTION, t_interval

C_GRID = tuple(float(c) for c in 10.0 ** np.arange(-4, 4))
"""Inverse strengths of the L2 penalty from which the validation loss chooses."""


class Part(NamedTuple):
    """Embeddings, shape (N, D), and class indices, shape (N,), of one part of a split."""

    embeddings: NDArray[np.float64]
    labels: NDArray[np.int64]


class SplitParts(NamedTuple):
    """The three parts of a split."""

    train: Part
    validation: Part
    test: Part


@dataclass(frozen=True)
class Curve:
    """Test accuracies of logistic regression on K components, or on all features.

    Args:
        num_components: K; None for all D features.
        has_products: Whether all products of two components, squares included, are features too.
        num_features: F.
        accuracies: Test accuracy by split, in [0, 1], shape (S,).
    """

    num_components: int | None
    has_products: bool
    num_features: int
    accuracies: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Mean accuracy over the splits."""
        return float(np.mean(self.accuracies))

    @property
    def interval(self) -> tuple[float, float]:
        """Student's 95 % interval of the mean over the splits."""
        return t_interval(self.accuracies, PROPORTION) or (self.mean, self.mean)

    def minus(self, other: "Curve") -> tuple[float, float, float]:
        """Mean of the differences to another curve, and their paired 95 % interval, as mean, low, high."""
        differences = np.subtract(self.accuracies, other.accuracies)
        low, high = t_interval(differences, DIFFERENCE) or (-1.0, 1.0)
        return float(differences.mean()), low, high


def accuracies_on_components(
    splits: Sequence[SplitParts], numbers: Sequence[int], most_with_products: int
) -> list[Curve]:
    """Fit logistic regression on numbers of principal components, with and without products, and on all features.

    Components are fitted on the training embeddings of each split. C is chosen from `C_GRID` by the validation loss;
    the smallest of equally good values wins.

    Args:
        splits: S >= 2 splits.
        numbers: Numbers of components, increasing.
        most_with_products: Largest number of components whose products are tried: there are K (K + 1) / 2.
    Returns:
        The curve of all features, then for every number the one without products and, if tried, the one with them.
    Raises:
        ValueError: If a number exceeds what the training embeddings determine.
    """
    num_train, num_features = splits[0].train.embeddings.shape
    most = min(num_train - 1, num_features)
    if numbers and max(numbers) > most:
        raise ValueError(
            f"{num_train:,} training sentences with {num_features:,} features determine at most {most:,} components, "
            f"but {max(numbers):,} were asked for."
        )
    wanted: list[tuple[int | None, bool]] = [(None, False)]
    wanted += [(k, products) for k in numbers for products in (False, True) if not products or k <= most_with_products]
    found: dict[tuple[int | None, bool], list[float]] = {each: [] for each in wanted}
    widths: dict[tuple[int | None, bool], int] = {}
    for split in splits:
        components = PCA(n_components=max(numbers, default=1), random_state=0).fit(split.train.embeddings)
        projected = [components.transform(part.embeddings) for part in split]
        for number, products in wanted:
            whole = number is None
            features = [part.embeddings for part in split] if whole else [each[:, :number] for each in projected]
            features = _scaled(features)
            if products:
                features = [_with_products(each) for each in features]
            widths[number, products] = features[0].shape[1]
            found[number, products].append(_test_accuracy(features, split))
    return [
        Curve(number, products, widths[number, products], tuple(found[number, products])) for number, products in wanted
    ]


def _scaled(features: list[NDArray[np.float64]]) -> list[NDArray[np.float64]]:
    """Divide all features by one number, so that their mean square on the training part is 1; no direction gains."""
    size = float(np.sqrt(np.mean(features[0] ** 2))) or 1.0
    return [each / size for each in features]


def _with_products(features_NK: NDArray[np.float64]) -> NDArray[np.float64]:
    first, second = np.triu_indices(features_NK.shape[1])
    return np.hstack([features_NK, features_NK[:, first] * features_NK[:, second]])


def _test_accuracy(features: list[NDArray[np.float64]], split: SplitParts) -> float:
    train, validation, test = features
    best, chosen = np.inf, None
    for c in C_GRID:
        model = LogisticRegression(C=c, max_iter=2000).fit(train, split.train.labels)
        loss = log_loss(split.validation.labels, model.predict_proba(validation), labels=model.classes_)
        if loss < best:
            best, chosen = loss, model
    assert chosen is not None
    return float(chosen.score(test, split.test.labels))


@dataclass(frozen=True)
class Findings:
    """What the curves say.

    Args:
        enough: The smallest number of components that is not worse than all features by the margin; None if none is.
        enough_difference: Its difference to all features: mean, low, high; None with `enough`.
        linear_at: Number of components at which logistic regression without products is best; None for all features.
        gain: Difference between the best accuracy with products and the best without: mean, low, high; None if no
            products were tried.
        gain_at: Number of components with that best accuracy.
        num_tried: Numbers of components for which products were tried.
        gains: Numbers of components at which products exceed the best accuracy without: whose interval lies above 0.
    """

    enough: int | None
    enough_difference: tuple[float, float, float] | None
    linear_at: int | None
    gain: tuple[float, float, float] | None
    gain_at: int | None
    num_tried: int
    gains: tuple[int, ...]


def findings_of(curves: Sequence[Curve], margin: float) -> Findings:
    """Read the curves of `accuracies_on_components`.

    Args:
        curves: The curves.
        margin: Largest loss of accuracy, in (0, 1], that counts as none.
    """
    whole, *others = curves
    linear = {each.num_components: each for each in others if not each.has_products}
    enough = next((k for k, curve in linear.items() if curve.minus(whole)[1] > -margin), None)
    # A gain below what another number of components reaches without products is of no use.
    best_linear = max([whole, *linear.values()], key=lambda curve: curve.mean)
    differences = {each.num_components: each.minus(best_linear) for each in others if each.has_products}
    best = max(differences, key=lambda k: differences[k][0], default=None)
    return Findings(
        enough=enough,
        enough_difference=None if enough is None else linear[enough].minus(whole),
        linear_at=best_linear.num_components,
        gain=None if best is None else differences[best],
        gain_at=best,
        num_tried=len(differences),
        gains=tuple(k for k, (_, low, _) in differences.items() if k is not None and low > 0),
    )
