"""What training asks of a head."""

from abc import ABC, abstractmethod

from torch import Tensor, nn


class Head(nn.Module, ABC):
    """Maps embeddings (B, D) to logits: (B, 1) for two classes, (B, k) for k > 2."""

    num_classes: int

    @abstractmethod
    def forward(self, embeddings_BD: Tensor) -> Tensor:
        """Logits, shape (B, 1) for two classes, (B, k) for more."""

    @abstractmethod
    def check_features(self, num_features: int) -> None:
        """Raise a ValueError, before any training, if embeddings of D features do not fit."""

    def fit_center(self, embeddings_BD: Tensor) -> None:
        """Learn what is fitted rather than trained, from the embeddings of the training split alone."""

    def seed_shots(self, seed: int, first_row: int, num_rows: int) -> None:
        """Fix the randomness of the next call as that of rows `first_row`, .. of a batch of `num_rows`."""
