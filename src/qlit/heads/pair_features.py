"""Preprocessing of sentence pairs: features that compare both sentences, for any head.

Shapes: B batch, D features of one sentence, 2 D of a pair.
"""

from typing import final

import torch
from torch import Tensor

from qlit.heads.preprocessing import Preprocessing


@final
class PairFeatures(Preprocessing):
    """The features [u, v, |u - v|, u * v] of a pair, 4 D: products, which no linear head has of [u, v].

    u and v are first scaled to the norm sqrt(D), so that all features are of order 1 and the mean of u * v is the
    cosine. Nothing is fitted.

    Source: Conneau et al. (2017), InferSent, arXiv:1705.02364, sec. 3.1, without the scaling.
    """

    def __init__(self) -> None:
        super().__init__()

    def forward(self, embeddings_BD: Tensor) -> Tensor:
        dim = embeddings_BD.shape[1] // 2
        u_BD, v_BD = _scaled(embeddings_BD[:, :dim]), _scaled(embeddings_BD[:, dim:])
        return torch.cat([u_BD, v_BD, (u_BD - v_BD).abs(), u_BD * v_BD], dim=1)

    def num_outputs(self, num_features: int) -> int:
        return 2 * num_features

    def check_features(self, num_features: int) -> None:
        _check_even(num_features, "PairFeatures")

    @property
    def needs(self) -> str:
        return "finite embeddings of both sentences that are not all zeros"  # TorchScript reads no global text


@final
class PairCosine(Preprocessing):
    """The cosine of the two embeddings of a pair, one feature in [-1, 1]; nothing is fitted.

    In front of a `LogisticRegressionHead` with `C: null` it is the usual baseline: a fitted threshold of the cosine.
    """

    def __init__(self) -> None:
        super().__init__()

    def forward(self, embeddings_BD: Tensor) -> Tensor:
        dim = embeddings_BD.shape[1] // 2
        u_BD, v_BD = _scaled(embeddings_BD[:, :dim]), _scaled(embeddings_BD[:, dim:])
        return (u_BD * v_BD).mean(dim=1, keepdim=True)

    def num_outputs(self, num_features: int) -> int:  # noqa: ARG002 - others depend on it
        return 1

    def check_features(self, num_features: int) -> None:
        _check_even(num_features, "PairCosine")

    @property
    def needs(self) -> str:
        return "finite embeddings of both sentences that are not all zeros"  # TorchScript reads no global text


def _scaled(embeddings_BD: Tensor) -> Tensor:
    """Embeddings of norm sqrt(D); NaN for zeros, which `Head.unusable` reports."""
    scale = float(embeddings_BD.shape[1]) ** 0.5
    scaled_BD: Tensor = scale * embeddings_BD / torch.linalg.vector_norm(embeddings_BD, dim=1, keepdim=True)
    return scaled_BD


def _check_even(num_features: int, name: str) -> None:
    if num_features % 2:
        raise ValueError(
            f"{name} takes the embeddings of two sentences side by side, an even number of features, but got "
            f"{num_features}: set `data.second_text_column`, or leave the preprocessing out."
        )
