"""Preprocessing: fixed maps of embeddings in front of any head, fitted once to the training split.

Shapes: N rows of the training split, B batch, D features of an embedding, O outputs, K components.
"""

from abc import ABC, abstractmethod
from typing import Any, final

import torch
from torch import Tensor, nn

from qlit.heads.fitted_buffers import FittedBuffers, check_fitted


class Preprocessing(FittedBuffers, ABC):
    """Maps embeddings (B, D) to the features (B, O) that a head takes. Nothing in it is trained by gradients.

    A training fits it to the embeddings of the training split, before anything else of the head. Subclasses keep
    fitted values in buffers of their own, which are empty before the fit and belong to the checkpoint. A map without
    fitted values has no buffers and no `fit`.
    """

    @abstractmethod
    def forward(self, embeddings_BD: Tensor) -> Tensor:
        """Features, shape (B, O).

        Raises:
            ValueError: If values are to be fitted, and were not.
        """

    @abstractmethod
    def num_outputs(self, num_features: int) -> int:
        """O for embeddings of D = `num_features` features."""

    def fit(self, embeddings_ND: Tensor) -> None:
        """Fit to the embeddings of the training split, which are finite.

        Raises:
            ValueError: If they do not determine the values.
        """

    def num_fitted(self, num_features: int) -> int:  # noqa: ARG002 - maps with fitted values read it
        """Number of values that a fit to embeddings of `num_features` features finds; 0 if nothing is fitted."""
        return 0

    def check_features(self, num_features: int) -> None:
        """Raise a ValueError, before any training, if embeddings of D features do not fit."""

    def check_sentences(self, num_sentences: int) -> None:
        """Raise a ValueError, before any training, if a training split of this size is too small."""

    @property
    def needs(self) -> str:
        """Requirement on embeddings, as a clause of a message."""
        return "finite embeddings"

    def is_replayable(self) -> bool:
        """Whether every `forward` in training is the same sequence of tensor operations, without reading numbers on the
        host; see `Head.is_replayable`."""
        return False

    def is_fitted_once(self) -> bool:
        """Whether it keeps values of a fit, so that embeddings must not change afterwards."""
        # No property: TorchScript compiles the properties of a module.
        return next(self.buffers(), None) is not None


@final
class Centering(Preprocessing):
    """Subtracts the mean embedding of the training split: D fitted values."""

    def __init__(self) -> None:
        super().__init__()
        self.mean: Tensor
        self.register_buffer("mean", torch.zeros(0))

    def forward(self, embeddings_BD: Tensor) -> Tensor:
        check_fitted(self.mean, "Centering")
        return embeddings_BD - self.mean

    def is_replayable(self) -> bool:
        return True

    def fit(self, embeddings_ND: Tensor) -> None:
        self.keep(mean=embeddings_ND.mean(dim=0))

    def num_outputs(self, num_features: int) -> int:
        return num_features

    def num_fitted(self, num_features: int) -> int:
        return num_features

    def check_features(self, num_features: int) -> None:
        _check_fitted_to(self.mean, num_features)


@final
class PrincipalComponents(Preprocessing):
    """Projects centred embeddings on the principal components of the training split: (K + 1) * D fitted values.

    The sign of each component is such that its largest entry is positive. Outputs are computed in float64 and
    returned in the type of the embeddings.

    Args:
        num_components: K, at least 1, at most D, less than the number of training sentences.
        whiten: Whether to divide every component by its standard deviation in the training split, so that all have
            variance 1 there.

    Raises:
        ValueError: If a number is out of range.
    Source: Jolliffe (2002), Principal Component Analysis, sec. 3.5; by the singular value decomposition.
    """

    def __init__(self, num_components: int, *, whiten: bool = False) -> None:
        super().__init__()
        if num_components < 1:
            raise ValueError(f"`num_components >= 1` must hold, but got {num_components=}.")
        self.num_components, self.whiten = num_components, whiten
        self.mean: Tensor
        self.components: Tensor
        self.register_buffer("mean", torch.zeros(0))
        self.register_buffer("components", torch.zeros(0))

    def forward(self, embeddings_BD: Tensor) -> Tensor:
        check_fitted(self.components, "PrincipalComponents")
        # In float64, which autocast leaves alone; Apple's GPUs have none.
        dtype = embeddings_BD.dtype if embeddings_BD.device.type == "mps" else torch.float64
        centred_BD = embeddings_BD.to(dtype) - self.mean.to(dtype)
        return (centred_BD @ self.components.to(dtype).T).to(embeddings_BD.dtype)

    def is_replayable(self) -> bool:
        return True

    def fit(self, embeddings_ND: Tensor) -> None:
        num_sentences, num_features = embeddings_ND.shape
        self.check_sentences(num_sentences)
        self._check_most(num_features)
        # On the CPU, so that all machines of a training and all devices find equal components.
        x_ND = embeddings_ND.detach().cpu().double()
        mean_D = x_ND.mean(dim=0)
        _, scales, directions = torch.linalg.svd(x_ND - mean_D, full_matrices=False)
        noise = torch.finfo(embeddings_ND.dtype).eps * torch.linalg.vector_norm(x_ND)
        if (num_found := int((scales > noise).sum())) < self.num_components:
            raise ValueError(
                f"The embeddings of the {num_sentences:,} training sentences vary along {num_found:,} directions only, "
                f"beyond rounding errors, but got num_components={self.num_components}: lower `num_components`."
            )
        components_KD = directions[: self.num_components]
        largest_K1 = components_KD.abs().argmax(dim=1, keepdim=True)
        components_KD = components_KD * components_KD.gather(1, largest_K1).sign()
        if self.whiten:
            deviations_K = scales[: self.num_components] / (num_sentences - 1) ** 0.5
            components_KD = components_KD / deviations_K[:, None]
        self.keep(mean=mean_D, components=components_KD)

    def num_outputs(self, num_features: int) -> int:
        self._check_most(num_features)
        return self.num_components

    def num_fitted(self, num_features: int) -> int:
        return (self.num_components + 1) * num_features

    def check_features(self, num_features: int) -> None:
        self._check_most(num_features)
        _check_fitted_to(self.mean, num_features)

    def check_sentences(self, num_sentences: int) -> None:
        if self.num_components >= num_sentences:
            raise ValueError(
                f"{num_sentences:,} training sentences determine at most {num_sentences - 1:,} principal components, "
                f"but got num_components={self.num_components}: lower `num_components`, or take more sentences."
            )

    def _check_most(self, num_features: int) -> None:
        if self.num_components > num_features:
            raise ValueError(
                f"Embeddings of {num_features:,} features have at most {num_features:,} principal components, but got "
                f"num_components={self.num_components}: lower `num_components`, or take a body with larger embeddings."
            )


def rename_earlier_means(head: nn.Module, state_dict: dict[str, Any], prefix: str) -> None:
    """Rename the means that encoders kept in earlier versions, in the state of a hybrid head, to that of `Centering`.

    Every `SimulatedQuantumEncoder` kept one, an empty one without centring.

    Args:
        head: The head, with its attribute `preprocessing`.
        state_dict: State with the head's; changed in place.
        prefix: Of the head's names in it, such as "head.".
    """
    start, own = f"{prefix}encoder.", {f"{prefix}{name}" for name, _ in head.named_buffers()}
    for name in [name for name in state_dict if name.startswith(start) and _is_mean(name[len(start) :])]:
        if name in own:  # of an encoder of another class
            continue
        if not state_dict[name].numel():
            del state_dict[name]
        elif isinstance(head.preprocessing, Centering):  # encoders side by side had equal means
            state_dict.setdefault(f"{prefix}preprocessing.mean", state_dict.pop(name))


def _is_mean(name: str) -> bool:
    """Whether a name within an encoder is "mean", or that of an inner encoder, such as "encoders.0.mean"."""
    *outer, last = name.split(".")
    return last == "mean" and all(part in ("encoder", "encoders") or part.isdigit() for part in outer)


def _check_fitted_to(mean: Tensor, num_features: int) -> None:
    if len(mean) and len(mean) != num_features:
        raise ValueError(
            f"The embeddings have {num_features:,} features, but the preprocessing was fitted to embeddings of "
            f"{len(mean):,}: take the body of the training."
        )
