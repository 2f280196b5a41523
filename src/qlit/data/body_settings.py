"""Keys of the section `data` of a config that name a body."""

from dataclasses import dataclass
from typing import Protocol

from qlit.data.cache import EmbeddingCache


class NamesBody(Protocol):
    """The body of a config: a data module, or `BodySettings`."""

    @property
    def body_name(self) -> str:
        """As of `resolve_body`."""

    @property
    def is_body_trainable(self) -> bool:
        """Whether the body was trained with the head."""

    @property
    def cache_dir(self) -> str | None:
        """Folder of the embedding cache; None for the default."""

    @property
    def embeddings(self) -> str | None:
        """Embeddings of a file in place of sentences and body; None with a body."""


@dataclass(frozen=True)
class BodySettings:
    """What a prediction needs of the section `data`.

    Args:
        body: As of `resolve_body`.
        trainable_body: Whether the body was trained with the head.
        cache_dir: Folder of the embedding cache; null for the default.
        embeddings: Embeddings of a file that the head was trained on; null for sentences.
        second_text_column: Column of the second sentences of pairs; empty for single sentences.
    """

    body: str
    trainable_body: bool = False
    cache_dir: str | None = None
    embeddings: str | None = None
    second_text_column: str = ""

    @property
    def body_name(self) -> str:
        """As of `resolve_body`."""
        return self.body

    @property
    def is_body_trainable(self) -> bool:
        """Whether the body was trained with the head."""
        return self.trainable_body

    @property
    def are_pairs(self) -> bool:
        """Whether the head was trained on pairs of sentences."""
        return bool(self.second_text_column)

    def embedding_cache(self) -> EmbeddingCache:
        """Cache of the embeddings.

        Raises:
            ValueError: If the home folder is needed and does not exist.
        """
        return EmbeddingCache(self.cache_dir or None)
