"""Heads that scikit-learn fits once to the training split. Fitted values are buffers, evaluated in torch.

Checkpoints therefore contain plain tensors, and scoring, prediction and tracking are the same as for other heads.

Shapes: N rows of the training split, B batch, D features, k classes, S support vectors, P = k (k - 1) / 2 pairs.
"""

import math
import warnings
from abc import abstractmethod
from typing import Any, Literal, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qlit.heads.base import NUM_CLASSES, NUM_FEATURES, Head, check_classes, check_made_for
from qlit.heads.fitted_buffers import FittedBuffers, check_fitted
from qlit.heads.preprocessing import Preprocessing

Array = NDArray[Any]


class EstimatorHead(FittedBuffers, Head):
    """A head that is fitted once instead of trained by gradients.

    Subclasses register their buffers in float64, empty, and fill them in `fit`, after the preprocessing is fitted.
    """

    complaint: str = ""
    """Problem of the last fit, one sentence; empty if there was none."""

    @property
    @abstractmethod
    def num_parameters(self) -> int | None:
        """Parameters, as the paper counts them; None if they are known only after the fit."""

    @abstractmethod
    def fit(self, embeddings_ND: Tensor, labels_N: Tensor) -> None:
        """Fit to the training split, embeddings (N, D) and classes (N,); sets `complaint` if it did not converge."""

    def check_features(self, num_features: int) -> None:
        if self.num_features is not None:
            check_made_for(self.num_features, num_features)

    def _fitted(self, estimator: Any, inputs_NO: Tensor, labels_N: Tensor) -> Any:
        """Fit `estimator` to preprocessed embeddings; a convergence warning becomes `complaint`."""
        from sklearn.exceptions import ConvergenceWarning

        if lacking := sorted(set(range(self.num_classes)) - set(labels_N.tolist())):
            raise ValueError(
                f"The training split has no sentence of class {', '.join(map(str, lacking))}, but the head has "
                f"num_classes={self.num_classes}: draw another split, or set `num_classes`."
            )
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", ConvergenceWarning)
            estimator.fit(inputs_NO.double().cpu().numpy(), labels_N.cpu().numpy())
        self.complaint = ""
        for warning in caught:
            if issubclass(warning.category, ConvergenceWarning):
                self.complaint = (
                    f"{type(estimator).__name__} has not converged within max_iter={estimator.max_iter} iterations, so "
                    "its scores may be far from those of the model: raise `max_iter`, or lower `C`."
                )
            else:
                warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
        return estimator


@final
class LogisticRegressionHead(EstimatorHead):
    """Logistic regression by L-BFGS, multinomial for k > 2: D + 1 parameters for two classes, k * (D + 1) for more.

    Args:
        num_features: D of the body's embeddings, at least 1; null for that of the body, or 768 without a body.
        C: Inverse strength of the L2 penalty, > 0; null for none.
        class_weight: `balanced` weighs classes by the inverse of their frequency; null gives all classes weight 1.
        max_iter: Maximum number of iterations, at least 1.
        num_classes: k, at least 2; null for the number of labels in the data, or 2 without data.
        preprocessing: Fixed map in front of the head, such as `qlit.heads.PrincipalComponents`, fitted before it; null
            for none. With one, D in the number of parameters is the number of its outputs.

    Raises:
        ValueError: If a number is out of range.
    Source: arXiv:2504.08732, Tables II and IX; `sklearn.linear_model.LogisticRegression`.
    """

    def __init__(
        self,
        *,
        num_features: int | None = None,
        C: float | None = 1.0,
        class_weight: Literal["balanced"] | None = None,
        max_iter: int = 100,
        num_classes: int | None = None,
        preprocessing: Preprocessing | None = None,
    ) -> None:
        super().__init__(preprocessing=preprocessing)
        num_features = NUM_FEATURES if num_features is None else num_features
        num_classes = NUM_CLASSES if num_classes is None else num_classes
        if num_features < 1:
            raise ValueError(f"`num_features >= 1` must hold, but got {num_features=}.")
        if C is not None:
            _check_positive("C", C, "; null is no penalty")
        _check_max_iter(max_iter)
        self.num_features, self.num_classes = num_features, check_classes(num_classes)
        self._num_inputs = self.num_inputs(num_features)
        self.C, self.class_weight, self.max_iter = C, class_weight, max_iter
        self.weight: Tensor
        self.bias: Tensor
        self.register_buffer("weight", torch.zeros(0, dtype=torch.float64))
        self.register_buffer("bias", torch.zeros(0, dtype=torch.float64))

    @property
    def num_parameters(self) -> int:
        """D + 1 for each logit, with the outputs of the preprocessing as D."""
        return (self._num_inputs + 1) * (1 if self.num_classes == 2 else self.num_classes)

    def fit(self, embeddings_ND: Tensor, labels_N: Tensor) -> None:
        from sklearn.linear_model import LogisticRegression

        estimator = LogisticRegression(
            C=np.inf if self.C is None else self.C, class_weight=self.class_weight, max_iter=self.max_iter
        )
        fitted = self._fitted(estimator, self.preprocessed(embeddings_ND.double()), labels_N)
        self.keep(weight=fitted.coef_, bias=fitted.intercept_)

    def forward(self, embeddings_BD: Tensor) -> Tensor:
        check_fitted(self.weight, "LogisticRegressionHead")
        return self.preprocessed(embeddings_BD.to(self.weight.dtype)) @ self.weight.T + self.bias


@final
class SVCHead(EstimatorHead):
    """A support vector classifier with the RBF kernel exp(-gamma |x - s|^2); parameters are its support vectors.

    The logit of two classes is the decision function, a margin, not log-odds: accuracy and AUROC are those of the
    classifier, but loss and calibration error interpret the margin as log-odds. For k > 2 classes, all pairs are
    decided, and a logit is the number of decisions won plus a value in (-1/3, 1/3) that breaks ties by confidence.

    Args:
        C: Inverse strength of the penalty, > 0; every dual coefficient is at most C.
        gamma: Of the kernel, > 0; `scale` is 1 / (D * variance of all features), `auto` is 1 / D.
        max_iter: Maximum number of solver iterations, at least 1; null for no limit.
        num_classes: k, at least 2; null for the number of labels in the data, or 2 without data.
        preprocessing: Fixed map in front of the head, such as `qlit.heads.PrincipalComponents`, fitted before it; null
            for none.

    Raises:
        ValueError: If a number is out of range.
    Source: arXiv:2504.08732, Tables II and VIII; `sklearn.svm.SVC`.
    """

    def __init__(
        self,
        *,
        C: float = 1.0,
        gamma: Literal["scale", "auto"] | float = "scale",
        max_iter: int | None = None,
        num_classes: int | None = None,
        preprocessing: Preprocessing | None = None,
    ) -> None:
        super().__init__(preprocessing=preprocessing)
        _check_positive("C", C)
        if not isinstance(gamma, str):
            _check_positive("gamma", gamma, "; or `scale` or `auto`")
        if max_iter is not None:
            _check_max_iter(max_iter)
        self.num_classes = check_classes(NUM_CLASSES if num_classes is None else num_classes)
        self.C, self.gamma, self.max_iter = C, gamma, max_iter
        self.support_vectors: Tensor
        self.coefficients: Tensor
        self.bias: Tensor
        self.kernel_gamma: Tensor
        for name in ("support_vectors", "coefficients", "bias", "kernel_gamma"):
            self.register_buffer(name, torch.zeros(0, dtype=torch.float64))

    @property
    def num_parameters(self) -> int | None:
        """Support vectors; None before the fit."""
        return len(self.support_vectors) if len(self.support_vectors) else None

    def fit(self, embeddings_ND: Tensor, labels_N: Tensor) -> None:
        from sklearn.svm import SVC

        inputs_NO = self.preprocessed(embeddings_ND.double())
        num_features, variance = inputs_NO.shape[1], inputs_NO.var(correction=0).item()
        named = {"auto": 1 / num_features, "scale": 1 / (num_features * variance) if variance else 1.0}
        gamma = named[self.gamma] if isinstance(self.gamma, str) else self.gamma
        estimator = SVC(C=self.C, gamma=gamma, max_iter=-1 if self.max_iter is None else self.max_iter)
        fitted = self._fitted(estimator, inputs_NO, labels_N)
        self.keep(
            support_vectors=fitted.support_vectors_,
            coefficients=_coefficients_of_pairs(fitted.dual_coef_, fitted.n_support_),
            bias=fitted.intercept_,
            kernel_gamma=gamma,
        )

    def check_features(self, num_features: int) -> None:
        num_inputs = self.num_inputs(num_features)  # its preprocessing may refuse D
        if len(self.support_vectors):
            check_made_for(self.support_vectors.shape[1], num_inputs)

    def forward(self, embeddings_BD: Tensor) -> Tensor:
        check_fitted(self.support_vectors, "SVCHead")
        x_BD, s_SD = self.preprocessed(embeddings_BD.to(self.support_vectors.dtype)), self.support_vectors
        squares_BS = x_BD.square().sum(1, keepdim=True) + s_SD.square().sum(1) - 2 * x_BD @ s_SD.T
        decisions_BP = torch.exp(-self.kernel_gamma * squares_BS) @ self.coefficients + self.bias
        return decisions_BP if self.num_classes == 2 else _votes(decisions_BP, self.num_classes)


def _coefficients_of_pairs(dual_coefficients: Array, num_support: Array) -> Array:
    """libsvm's dual coefficients (k - 1, S), sorted by class, as one column for each pair of classes, (S, P).

    Those of class i against class j lie in row j - 1 where j > i, and in row j where j < i.
    """
    if len(num_support) == 2:
        return np.asarray(dual_coefficients.T)
    ends = np.cumsum(num_support)
    rows = [slice(end - count, end) for end, count in zip(ends, num_support, strict=True)]
    columns = []
    for first in range(len(rows)):
        for second in range(first + 1, len(rows)):
            column = np.zeros(ends[-1])
            column[rows[first]] = dual_coefficients[second - 1, rows[first]]
            column[rows[second]] = dual_coefficients[first, rows[second]]
            columns.append(column)
    return np.stack(columns, axis=1)


def _votes(decisions_BP: Tensor, num_classes: int) -> Tensor:
    """Decisions won by each class plus its summed confidence squeezed into (-1/3, 1/3), shape (B, k)."""
    pairs_2P = torch.triu_indices(num_classes, num_classes, 1, device=decisions_BP.device)
    first, second = pairs_2P[0], pairs_2P[1]  # TorchScript unpacks no tensor
    won_by_first = (decisions_BP >= 0).to(decisions_BP)
    zeros_Bk = decisions_BP.new_zeros(decisions_BP.shape[0], num_classes)
    votes_Bk = zeros_Bk.index_add(1, first, won_by_first).index_add(1, second, 1 - won_by_first)
    confidence_Bk = zeros_Bk.index_add(1, first, decisions_BP).index_add(1, second, -decisions_BP)
    return votes_Bk + confidence_Bk / (3 * (confidence_Bk.abs() + 1))


def _check_positive(name: str, value: float, otherwise: str = "") -> None:
    if not 0 < value < math.inf:
        raise ValueError(f"`{name} > 0` must hold, but got {name}={value}{otherwise}.")


def _check_max_iter(max_iter: int) -> None:
    if max_iter < 1:
        raise ValueError(f"`max_iter >= 1` must hold, but got {max_iter=}.")
