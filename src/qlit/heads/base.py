"""Interface between heads and training."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import final

from torch import Tensor, nn

from qlit.engines.memory import check_free
from qlit.heads.preprocessing import Preprocessing
from qlit.heads.runs_circuit import RunsCircuit

_COPIES = 4  # weights, gradients and two moments


class Head(nn.Module, ABC):
    """Maps embeddings (B, D) to logits: (B, 1) for two classes, (B, k) for k > 2.

    Args:
        preprocessing: Map of the embeddings in front of the head, which `preprocessed` applies; None for none.
    """

    num_classes: int
    num_features: int | None = None
    """D that the head was made for; None if its constructor does not fix D."""

    def __init__(self, *, preprocessing: Preprocessing | None = None) -> None:
        super().__init__()
        self.preprocessing: Preprocessing | None = preprocessing  # annotated here: TorchScript reads those of the class

    @abstractmethod
    def forward(self, embeddings_BD: Tensor) -> Tensor:
        """Logits, shape (B, 1) for two classes, (B, k) for more."""

    @abstractmethod
    def check_features(self, num_features: int) -> None:
        """Raise a ValueError, before any training, if embeddings of D features do not fit."""

    def preprocessed(self, embeddings_BD: Tensor) -> Tensor:
        """Features that the layers of the head take, (B, O); the embeddings themselves without a preprocessing.

        `forward`, and `fit` of a head that is fitted once, call it on the embeddings that they get.
        """
        if self.preprocessing is None:
            return embeddings_BD
        features_BO: Tensor = self.preprocessing(embeddings_BD)
        return features_BO

    def num_inputs(self, num_features: int) -> int:
        """O, number of features that the layers of the head take, for embeddings of D = `num_features` features.

        Raises:
            ValueError: If the preprocessing cannot take embeddings of D features.
        """
        if self.preprocessing is None:
            return num_features
        self.preprocessing.check_features(num_features)
        return self.preprocessing.num_outputs(num_features)

    def num_fitted_values(self) -> int:
        """Number of values that the fit of the preprocessing found, which are no parameters; 0 before it."""
        return 0 if self.preprocessing is None else sum(each.numel() for each in self.preprocessing.buffers())

    @property
    def needs(self) -> str:
        """Requirement on embeddings, as a clause of a message."""
        return "finite embeddings" if self.preprocessing is None else self.preprocessing.needs

    def unusable(self, embeddings_BD: Tensor) -> Tensor:
        """Mask of unusable embeddings, bool, shape (B,); called after `fit_preprocessing`, before training."""
        return ~self.preprocessed(embeddings_BD).isfinite().all(dim=1)

    @final
    def fit_preprocessing(self, embeddings_ND: Tensor) -> None:
        """Fit the preprocessing to the embeddings of the training split, then what `fit_center` fits to its outputs."""
        if self.preprocessing is not None:
            self.preprocessing.fit(embeddings_ND)
        self.fit_center(self.preprocessed(embeddings_ND))

    def fit_center(self, features_NO: Tensor) -> None:
        """Fit further statistics (not trained parameters) of the head to the training split, after `preprocessed`."""

    def is_replayable(self, device_type: str) -> bool:  # noqa: ARG002 - heads with circuits read it
        """Whether a CUDA graph may record a training step and repeat it: on a device of this type, every step is the
        same sequence of tensor operations, and draws random numbers by torch's generator or from `use_normals` alone.

        It does not speak of the preprocessing, which has a method of this name.
        """
        return False

    def normals(self, seed: int, num_rows: int) -> Tensor | None:  # noqa: ARG002 - heads with shots read them
        """The standard normal numbers that the shots of a batch use after `seed_shots(seed, 0, num_rows)`.

        Returns:
            float64, on the CPU, shape (num_rows, V); None for a head that draws none.
        """
        return None

    def use_normals(self, normals_BV: Tensor) -> None:
        """Have the next call use these `normals` in place of those of a seed."""
        raise NotImplementedError(f"{type(self).__name__} draws no normal numbers")

    def seed_shots(self, seed: int, first_row: int, num_rows: int) -> None:
        """Fix the randomness of the next call as that of rows `first_row`, .. of a batch of `num_rows`."""

    def seed_rows(self, seeds: Sequence[int]) -> None:
        """Fix the randomness of the next call row by row: row k depends on `seeds[k]`, but not on the other rows."""

    def num_circuits_sent(self) -> int | None:
        """Number of circuits that devices got so far from this head; None if qlit simulates all of its circuits."""
        # No property: TorchScript compiles the properties of a module.
        engines = {id(part.engine): part.engine for part in self.modules() if isinstance(part, RunsCircuit)}
        sent = [engine.num_sent for engine in engines.values() if engine.num_sent is not None]
        return sum(sent) if sent else None

    @property
    def remark(self) -> str:
        """A sentence about a setting that limits the head, for its user; "" if there is none."""
        return ""

    @property
    def randomness(self) -> str:
        """What random draws the outputs in evaluation are estimated from, such as "100 shots"; "" for exact outputs."""
        return ""

    def make_exact(self) -> None:
        """Compute outputs in evaluation exactly from now on, without random draws.

        Raises:
            ValueError: If the head cannot.
        """
        if type(self).seed_shots is not Head.seed_shots:
            raise ValueError(
                f"{type(self).__name__} draws random numbers, but has no method `make_exact`: leave out --exact (in "
                "Python `exact`), or add the method to the class."
            )


NUM_FEATURES, NUM_CLASSES = 768, 2
"""Sizes of a head that is made without data and body, as published."""

MAX_CLASSES = 5_000
"""Largest number of classes: validation and test each keep a matrix of `num_classes`**2 entries."""


def check_linear(**sizes: int) -> None:
    """Raise a ValueError if a linear layer of these two sizes, given by their keys, does not fit into memory."""
    names = " and ".join(f"{name}={size}" for name, size in sizes.items())
    num_bytes = _COPIES * 4 * math.prod(sizes.values())
    check_free(num_bytes, f"Weights, gradients and Adam's moments of a layer with {names}", "Lower one of them.")


def check_finite(name: str, value: float, *, least: float = -math.inf) -> None:
    """Raise a ValueError if a number is NaN, infinite or less than `least`."""
    if not least <= value < math.inf or value == -math.inf:
        bound = "" if least == -math.inf else f" of at least {least:g}"
        raise ValueError(f"`{name}` must be a finite number{bound}, but got {name}={value}.")


def check_made_for(made_for: int, num_features: int) -> None:
    """Raise a ValueError if embeddings have another number of features than a module was made for."""
    if num_features != made_for:
        raise ValueError(
            f"The body's embeddings have {num_features} features, but the model was made for num_features={made_for}: "
            f"set `num_features` to {num_features}, or take another body."
        )


def check_classes(num_classes: int) -> int:
    """`num_classes`, or a ValueError if there are fewer than two, or more than a confusion matrix can hold."""
    if num_classes > MAX_CLASSES:
        raise ValueError(f"`num_classes <= {MAX_CLASSES:,}` must hold, but got {num_classes=}.")
    if num_classes < 2:
        raise ValueError(f"`num_classes >= 2` must hold, but got {num_classes=}.")
    return num_classes
