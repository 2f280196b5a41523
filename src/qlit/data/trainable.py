"""A body that is trained together with the head."""

from collections.abc import Sequence

from torch import Tensor, nn

from qlit.data.body import BodyFolder, load_body
from qlit.data.lengths import Lengths, lengths_of


class TrainableBody(nn.Module):
    """A sentence transformer as a plain module: token features in, embeddings with gradients out.

    In evaluation mode it gives what the frozen body gives.

    Args:
        folder: From `resolve_body`. Loaded to the CPU; move the module as any other.
    Raises:
        ValueError: If the body puts a default prompt before every sentence, which is not supported here.
    """

    def __init__(self, folder: BodyFolder) -> None:
        super().__init__()
        self.model = load_body(folder)
        if self.model.default_prompt_name is not None:
            raise ValueError(
                f"The body {folder.name} has a default prompt ({self.model.default_prompt_name!r}), which training it "
                "does not support; use it frozen, or another body."
            )
        # sentence-transformers 6 renamed this and `tokenize`; version 5 has the old names only.
        renamed = hasattr(self.model, "get_embedding_dimension")
        dim = self.model.get_embedding_dimension() if renamed else self.model.get_sentence_embedding_dimension()
        assert isinstance(dim, int), f"{folder.name} does not tell its embedding dimension"
        self.embedding_dim: int = dim
        """Components D of an embedding."""

    def lengths(self, texts: Sequence[str]) -> Lengths:
        """How many tokens N sentences have, and how many of them are read; shape (N, 3)."""
        return lengths_of(self.model, texts)

    def tokenize(self, texts: Sequence[str]) -> dict[str, Tensor]:
        """Token features of B sentences, padded to the longest, cut at the body's own max_seq_length; on the CPU."""
        tokenize = getattr(self.model, "preprocess", None) or self.model.tokenize
        features = tokenize(list(texts))
        return {key: value for key, value in features.items() if isinstance(value, Tensor)}

    def forward(self, features: dict[str, Tensor]) -> Tensor:
        """Embeddings, shape (B, D), with gradients.

        Args:
            features: From `tokenize`, on the module's device.
        """
        embeddings: Tensor = self.model(dict(features))["sentence_embedding"]  # the model writes into what it is given
        return embeddings[:, : self.embedding_dim]
