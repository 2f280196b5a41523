"""A body that is trained together with the head."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from qlit.data.body import BodyFolder, load_body
from qlit.data.lengths import Lengths, lengths_of

_NO_ROWS = "no_rows"


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
        """Token features of B sentences, padded to the longest, cut at the body's own max_seq_length; on the CPU.

        No transformer runs an empty batch, which a process is given where rows are fewer than processes: its features
        are those of a stand-in, and marked, so that the embeddings have no row.
        """
        if not texts:
            return {**self.tokenize(["."]), _NO_ROWS: torch.ones(1)}
        tokenize = getattr(self.model, "preprocess", None) or self.model.tokenize
        features = tokenize(list(texts))
        return {key: value for key, value in features.items() if isinstance(value, Tensor)}

    def forward(self, features: dict[str, Tensor]) -> Tensor:
        """Embeddings, shape (B, D), with gradients.

        Args:
            features: From `tokenize`, on the module's device.
        """
        given = dict(features)  # the model writes into what it is given
        is_empty = given.pop(_NO_ROWS, None) is not None
        embeddings: Tensor = self.model(given)["sentence_embedding"]
        return embeddings[: 0 if is_empty else None, : self.embedding_dim]

    def freeze_unused(self, texts: Sequence[str]) -> bool:
        """Take parameters out of training that no embedding depends on, such as a pooler that mean pooling passes by.

        They have no gradient: they would never move, would count as trained, and DDP would wait for them. One of
        several parts that a body chooses from (an expert) stays as it is: other sentences may use it.

        Args:
            texts: Some sentences, at least one.
        Returns:
            Whether parameters that stay in training are used by some sentences only.
        Cost: a forward and a backward pass of `texts`; draws no random numbers.
        """
        named = {name: parameter for name, parameter in self.named_parameters() if parameter.requires_grad}
        device, was_training = next(iter(named.values())).device, self.training
        self.eval()
        with torch.enable_grad():
            embeddings = self({key: value.to(device) for key, value in self.tokenize(texts).items()})
            found = torch.autograd.grad(embeddings.sum(), list(named.values()), allow_unused=True)
        self.train(was_training)
        used = [name for name, gradient in zip(named, found, strict=True) if gradient is not None]
        unused = [name for name, gradient in zip(named, found, strict=True) if gradient is None]
        optional = [name for name in unused if self._is_one_of_several(name, used)]
        for name in set(unused) - set(optional):
            named[name].requires_grad_(False)
        return bool(optional)

    def _is_one_of_several(self, name: str, used: Sequence[str]) -> bool:
        """Whether a parameter belongs to an entry of a list of modules whose other entries are used."""
        parts = name.split(".")
        lists = [
            ".".join(parts[:k])
            for k in range(1, len(parts))
            if isinstance(self.get_submodule(".".join(parts[:k])), nn.ModuleList)
        ]
        return any(other.startswith(f"{found}.") for found in lists for other in used)
