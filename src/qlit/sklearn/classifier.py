"""`HeadClassifier`: a head as a scikit-learn classifier.

Shapes: N rows, D features, k classes.
"""

import math
from copy import deepcopy
from typing import Any, Self, get_args

import numpy as np
import torch
import yaml
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import train_test_split
from sklearn.utils.validation import check_is_fitted, check_random_state
from torch import Tensor

from qlit.heads import EstimatorHead
from qlit.jobs.checks.engines import check_engines
from qlit.serving.predictor import Predictor, check_device
from qlit.sklearn.inputs import checked_labels, checked_matrix, checked_pair, classes_of, warn
from qlit.sklearn.models import HeadLike, model_with
from qlit.training.arrays import Rows, fit_rows, seeded
from qlit.training.evaluation import CHECKPOINT_KEY, SelectBy
from qlit.training.logits import logits_in_batches, probabilities_of, seed_of_row
from qlit.training.module import SentenceClassifier

_EPOCHS = 50
_DEVICES = ("cpu", "cuda", "mps")


class HeadClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A head of qlit as a scikit-learn classifier of embeddings.

    Training is that of `qlit fit`: with the same rows in the same order, settings and seeds, the weights on the CPU are
    equal bit for bit. Nothing is printed or written, no run is recorded, and torch's generators and threads are left as
    they are. Fits in threads wait for each other; fits in processes run together.

    Args:
        head: A class of `qlit.heads` by name ("LinearHead") or import path; a mapping with `class_path` and
            `init_args`, as `model.head` of a config; or a class or function that returns a head. `num_features` and
            `num_classes` are taken from the data where the head takes them and they are not given. Instances are
            refused, because their weights would be shared by clones.
        lr: Learning rate, > 0.
        lr_decay: Factor applied to the learning rate after every epoch, in (0, 1].
        weight_decay: L2 penalty of Adam, >= 0.
        max_epochs: Epochs, at least 1. None is 50, and 1 for heads that are fitted once (logistic regression, SVC).
        batch_size: Rows of a training batch, at least 1.
        select_by: Validation score that chooses the best epoch: accuracy (highest, among equals the lowest loss) or
            loss (lowest).
        validation_fraction: Share of the rows, in (0, 1), that chooses the best epoch instead of training, drawn label
            by label; None trains with all rows and keeps the last epoch.
        random_state: Seed of initial weights, shots and the order of batches (`seed_everything` of a config); None
            draws one from numpy's global generator.
        order_seed: Seed of the order of batches (`data.seed` of a config); None for that of `random_state`.
        device: Torch device of training and prediction: cpu, cuda, cuda:1, mps.

    Attributes:
        classes_: Labels, shape (k,), sorted.
        n_features_in_: D.
        feature_names_in_: Names of the D columns, if X had names.
        head_: The trained head, a torch module.
        n_epochs_: Trained epochs.
        best_epoch_: Epoch of the weights, counted from 0; the last one without validation rows.
        validation_scores_: Scores of the weights on the validation rows by name (`val/accuracy`); empty without them.
        history_: (epoch, value) of every training and validation score by name.
        random_state_: The seed.
    """

    _module: SentenceClassifier | None
    _config: dict[str, Any] | None
    _recipe: dict[str, Any]
    _weights: dict[str, NDArray[Any]]
    _validation: dict[str, Any] | None

    def __init__(
        self,
        head: HeadLike = "LinearHead",
        *,
        lr: float = 2.5e-3,
        lr_decay: float = 1.0,
        weight_decay: float = 0.0,
        max_epochs: int | None = None,
        batch_size: int = 16,
        select_by: str = "accuracy",
        validation_fraction: float | None = None,
        random_state: int | np.random.RandomState | None = None,
        order_seed: int | None = None,
        device: str = "cpu",
    ) -> None:
        self.head = head
        self.lr = lr
        self.lr_decay = lr_decay
        self.weight_decay = weight_decay
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.select_by = select_by
        self.validation_fraction = validation_fraction
        self.random_state = random_state
        self.order_seed = order_seed
        self.device = device

    def fit(self, X: ArrayLike, y: ArrayLike, X_val: ArrayLike | None = None, y_val: ArrayLike | None = None) -> Self:
        """Train the head.

        Args:
            X: Embeddings, numbers of shape (N, D), finite. Heads that are trained by gradients use them in float32.
            y: Labels, shape (N,), numbers or strings, of at least two classes.
            X_val: Embeddings that choose the best epoch, shape (M, D); None for none or `validation_fraction`.
            y_val: Their labels, shape (M,).
        Returns:
            This estimator.
        Raises:
            ValueError: If the data or a setting cannot be used, or the training diverges.
        """
        X_ND, y = checked_pair(self, X, y)
        self._check_settings()
        classes = classes_of(y)
        seed = self._seed()
        X_train, y_train, X_val, y_val = self._parts(X_ND, y, X_val, y_val, seed)
        recipe = {
            "head": deepcopy(self.head),
            "num_features": X_ND.shape[1],
            "num_classes": len(classes),
            "lr": _number("lr", self.lr),
            "lr_decay": _number("lr_decay", self.lr_decay),
            "weight_decay": _number("weight_decay", self.weight_decay),
            "select_by": self.select_by,
        }
        with seeded(seed, self.device):
            module, config = model_with(**recipe)
        check_engines(module.head)
        max_epochs = self.max_epochs or (1 if isinstance(module.head, EstimatorHead) else _EPOCHS)
        dtype = _dtype_of(module)
        best = fit_rows(
            module,
            Rows(torch.tensor(X_train, dtype=dtype), _indices(y_train, classes, "y")),
            None if X_val is None else Rows(torch.tensor(X_val, dtype=dtype), _indices(y_val, classes, "y_val")),
            label_names=[str(label) for label in classes],
            max_epochs=max_epochs,
            batch_size=self.batch_size,
            seed=seed,
            order_seed=seed if self.order_seed is None else self.order_seed,
            device=self.device,
        )
        warn(module)
        self._recipe, self._module, self._config = recipe, module, config
        self._weights = {name: value.cpu().numpy() for name, value in module.state_dict().items()}
        self.classes_, self.n_epochs_, self.random_state_ = classes, max_epochs, seed
        self.best_epoch_ = max_epochs - 1 if best is None else best.epoch
        self._validation = None if best is None else best.as_dict()
        self.validation_scores_ = {} if best is None else _scores(best.scores)
        self.history_ = module.history
        return self

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Most probable labels, shape (N,), of embeddings of shape (N, D)."""
        chosen = self.predict_proba(X).argmax(axis=1)
        found: NDArray[Any] = self.classes_[chosen]
        return found

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Probabilities, float64 of shape (N, k) in the order of `classes_`, of embeddings of shape (N, D).

        With a head that draws shots, equal rows get equal shots, in every call.

        Raises:
            ValueError: If X has another width than in the fit, or a row that the head cannot use.
        """
        check_is_fitted(self)
        module = self._built
        X_ND = torch.tensor(checked_matrix(self, X), dtype=_dtype_of(module))
        module.check_usable({"X": (X_ND, [f"X[{row}]" for row in range(len(X_ND))])})
        seeds = [seed_of_row(row) for row in X_ND.numpy()]
        logits = logits_in_batches(module, seeds, lambda batch: X_ND[batch].to(self.device))
        if not logits.isfinite().all():
            row = int((~logits.isfinite().all(dim=1)).nonzero()[0, 0])
            raise ValueError(f"The head gives no finite number for row {row} of X: its values are too large; scale X.")
        probabilities: NDArray[np.float64] = probabilities_of(logits).numpy()
        return probabilities

    def with_body(
        self, body: str, *, dataset: str = "arrays", pairs: bool = False, trust_remote_code: bool = False
    ) -> Predictor:
        """The fitted head with the body that made its embeddings: a model of sentences.

        It is what `qlit.load` returns, so `qlit.save_pretrained` and `qlit.push_to_hub` save and share it.

        Args:
            body: The body: a hub name, a folder or an installed package. It is not checked that it made the embeddings.
            dataset: Name of the training data in the model card.
            pairs: Whether every row had the embeddings of two sentences, those of the first sentence first.
            trust_remote_code: Whether Python code of the body may run.
        Raises:
            ValueError: If embeddings of the body do not fit, or `head` is a function, which no config can name.
        """
        check_is_fitted(self)
        if self._config is None:
            raise ValueError(
                "A model of sentences needs a config, which cannot name a function that makes a head: give `head` as a "
                "class name, or as `class_path` and `init_args`."
            )
        data = {"body": str(body), **({"second_text_column": "second_text"} if pairs else {})}
        notes = {
            "config": yaml.safe_dump({"model": self._config, "data": data}, sort_keys=False),
            "label_names": [str(label) for label in self.classes_],
            "dataset": dataset,
            "validation": self._validation,
            "history": self.history_,
        }
        weights = {name: torch.tensor(value) for name, value in self._weights.items()}
        return Predictor.from_parts(
            {"state_dict": weights, CHECKPOINT_KEY: notes},
            body=None,
            trust_remote_code=trust_remote_code,
            device=str(self.device),
        )

    @property
    def head_(self) -> Any:
        """The trained head, a torch module in evaluation mode."""
        check_is_fitted(self)
        return self._built.head

    @property
    def _built(self) -> SentenceClassifier:
        """The fitted model on its device; an unpickled estimator builds it from its weights."""
        if self._module is None:
            with seeded(0):
                module, _ = model_with(**self._recipe)
            module.load_state_dict({name: torch.tensor(value) for name, value in self._weights.items()})
            self._module = module.eval()
        check_device(str(self.device))
        return self._module.to(self.device)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "classes_")

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = dict(super().__getstate__())
        if "_module" in state:
            state["_module"] = None
        return state

    def _check_settings(self) -> None:
        for name, value in (("max_epochs", self.max_epochs), ("batch_size", self.batch_size)):
            if not (_is_whole(value, least=1) or (value is None and name == "max_epochs")):
                raise ValueError(f"`{name}` must be a whole number of at least 1, but got {value!r}.")
        if self.select_by not in (rules := get_args(SelectBy)):
            raise ValueError(f"`select_by` must be one of {', '.join(rules)}, but got {self.select_by!r}.")
        share = self.validation_fraction
        if share is not None and not 0 < share < 1:
            raise ValueError(f"`0 < validation_fraction < 1` must hold, but got {share!r}; None keeps the last epoch.")
        if self.order_seed is not None and not _is_whole(self.order_seed, least=0):
            raise ValueError(f"`order_seed` must be a whole number of at least 0, but got {self.order_seed!r}.")
        if str(self.device).partition(":")[0] not in _DEVICES:
            raise ValueError(f"`device` must be one of {', '.join(_DEVICES)}, but got {self.device!r}.")
        check_device(str(self.device))

    def _seed(self) -> int:
        given: Any = self.random_state
        if _is_whole(given, least=0) and given < 2**32:
            return int(given)
        return int(check_random_state(given).randint(2**31 - 1))

    def _parts(
        self, X: NDArray[Any], y: NDArray[Any], X_val: ArrayLike | None, y_val: ArrayLike | None, seed: int
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any] | None, NDArray[Any] | None]:
        """Training and validation rows with their labels."""
        if (X_val is None) != (y_val is None):
            raise ValueError("`X_val` and `y_val` belong together, but only one of them was given.")
        if X_val is not None:
            if self.validation_fraction is not None:
                raise ValueError("Validation rows come from X_val or from `validation_fraction`, but both were given.")
            return X, y, checked_matrix(self, X_val, "X_val"), checked_labels(y_val, len(np.asarray(X_val)))
        if self.validation_fraction is None:
            return X, y, None, None
        try:
            train, validation = train_test_split(
                np.arange(len(y)), test_size=self.validation_fraction, stratify=y, random_state=seed
            )
        except ValueError as error:
            raise ValueError(
                f"No validation rows can be drawn with validation_fraction={self.validation_fraction} ({error}) Give "
                "more rows of every label, another fraction, or X_val and y_val."
            ) from error
        train, validation = np.sort(train), np.sort(validation)
        return X[train], y[train], X[validation], y[validation]


def _number(name: str, value: Any) -> float:
    """A setting as Python's float."""
    if not isinstance(value, int | float | np.number) or isinstance(value, bool):
        raise ValueError(f"`{name}` must be a number, but got {value!r}.")
    return float(value)


def _is_whole(value: Any, *, least: int) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and bool(value >= least)


def _dtype_of(module: SentenceClassifier) -> torch.dtype:
    return next(iter([*module.head.parameters(), *module.head.buffers()])).dtype


def _indices(y: Any, classes: NDArray[Any], name: str) -> Tensor:
    """Class indices of labels, int64."""
    known = np.isin(y, classes)
    if not known.all():
        raise ValueError(
            f"`{name}` has the label {y[~known][0].item()!r}, which is not a label of y "
            f"({', '.join(map(repr, classes[:10].tolist()))}{', ..' * (len(classes) > 10)})."
        )
    return torch.from_numpy(np.searchsorted(classes, y).astype(np.int64))


def _scores(scores: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in scores.items() if name != "val/selection" and not math.isnan(value)}
