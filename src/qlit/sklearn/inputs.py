"""Check arrays as scikit-learn does, with one clear sentence for what people often pass by mistake."""

import warnings
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_array, column_or_1d, validate_data

from qlit.data.quoting import quoted
from qlit.heads import EstimatorHead
from qlit.training.module import SentenceClassifier

Array = NDArray[Any]

_DTYPES = [np.float64, np.float32]


def checked_pair(estimator: Any, X: ArrayLike, y: ArrayLike) -> tuple[Array, Array]:
    """Embeddings, shape (N, D), and labels, shape (N,), of a fit; sets `n_features_in_` and the names of columns.

    Raises:
        ValueError, TypeError: If they cannot be used.
    """
    _check_is_no_text(X, "X")
    try:
        X_ND, labels = validate_data(estimator, X, y, dtype=_DTYPES, ensure_all_finite=False)
    except ValueError as error:
        raise _explained(error, "X") from error
    _check_finite(X_ND, "X")
    check_classification_targets(labels)
    return X_ND, labels


def checked_matrix(estimator: Any, X: ArrayLike, name: str = "X") -> Array:
    """Embeddings of the width of the fit, shape (N, D).

    Raises:
        ValueError, TypeError: If they cannot be used.
    """
    _check_is_no_text(X, name)
    try:
        X_ND = validate_data(estimator, X, reset=False, dtype=_DTYPES, ensure_all_finite=False)
    except ValueError as error:
        raise _explained(error, name) from error
    _check_finite(X_ND, name)
    return np.asarray(X_ND)


def checked_labels(y: ArrayLike | None, num_rows: int) -> Array:
    """Labels of the validation rows, shape (M,)."""
    found = column_or_1d(check_array(y, ensure_2d=False, dtype=None, ensure_all_finite=False))
    if len(found) != num_rows:
        raise ValueError(
            f"`y_val` must have a label for each of the {num_rows:,} rows of X_val, but has {len(found):,}."
        )
    return np.asarray(found)


def classes_of(y: Array) -> Array:
    """Sorted labels, at least two.

    Raises:
        ValueError: If there is one class.
    """
    classes = np.unique(y)
    if len(classes) < 2:
        raise ValueError(
            f"A classifier needs labels of at least two classes, but y has one class, {classes[0].item()!r}: give rows "
            "of another class."
        )
    return classes


def warn(module: SentenceClassifier) -> None:
    """Pass on notices of a training as warnings."""
    if isinstance(module.head, EstimatorHead) and module.head.complaint:
        warnings.warn(module.head.complaint, ConvergenceWarning, stacklevel=3)
    for notice in module.notices:
        warnings.warn(notice.text, UserWarning, stacklevel=3)


def _check_finite(X: Array, name: str) -> None:
    broken = np.flatnonzero(~np.isfinite(X).all(axis=1))
    if len(broken):
        raise ValueError(
            f"Input {name} contains NaN or infinity in {len(broken):,} of {len(X):,} rows, the first is row "
            f"{broken[0]}: remove or impute these rows."
        )


def _check_is_no_text(X: ArrayLike, name: str) -> None:
    """Raise a ValueError for sentences, also in one dimension, in which scikit-learn would ask to reshape them."""
    first: Any = X
    while isinstance(first, list | tuple | np.ndarray) and np.ndim(first) and len(first):
        first = first[0]
    if isinstance(first, str):
        raise _text_error(name, first)


def _explained(error: ValueError, name: str) -> ValueError:
    """A clearer error for a table with text, otherwise the error itself."""
    _, is_text, found = str(error).partition("could not convert string to float: ")
    return _text_error(name, found.removeprefix("np.str_(").removesuffix(")").strip("'\"")) if is_text else error


def _text_error(name: str, text: str) -> ValueError:
    return ValueError(
        f"{name} must hold embeddings, numbers of shape (N, D), but it holds text ({quoted(str(text))}): embed the "
        "sentences first, for example with `SentenceTransformer(...).encode(sentences)`."
    )
