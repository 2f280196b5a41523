"""Trainable body, for training the body together with the head."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from qlit.data.body import BodyFolder, load_body
from qlit.data.lengths import Lengths, lengths_of
from qlit.data.onnx_files import refuse_training

_NO_ROWS = "no_rows"


class TrainableBody(nn.Module):
    """Sentence transformer as a module that maps token features to embeddings with gradients.

    In evaluation mode its embeddings equal those of the frozen body.

    Args:
        folder: From `resolve_body`. The module is loaded to the CPU and can be moved like any other module.
    Raises:
        ValueError: If the body adds a default prompt to every sentence, or is an ONNX file; neither can be trained.
    """

    def __init__(self, folder: BodyFolder) -> None:
        super().__init__()
        refuse_training(folder.name, folder.path)
        self.model = load_body(folder)
        if self.model.default_prompt_name is not None:
            raise ValueError(
                f"The body {folder.name} has a default prompt ({self.model.default_prompt_name!r}), which training it "
                "does not support; use it frozen, or another body."
            )
        # sentence-transformers 6 renamed this method and `tokenize`; version 5 has only the old names.
        renamed = hasattr(self.model, "get_embedding_dimension")
        dim = self.model.get_embedding_dimension() if renamed else self.model.get_sentence_embedding_dimension()
        assert isinstance(dim, int), f"{folder.name} does not tell its embedding dimension"
        self.embedding_dim: int = dim
        """Embedding dimension D."""

    def lengths(self, texts: Sequence[str]) -> Lengths:
        """Token counts of N sentences, as described at `Lengths`, shape (N, 3)."""
        return lengths_of(self.model, texts)

    def tokenize(self, texts: Sequence[str]) -> dict[str, Tensor]:
        """Token features of B sentences, padded to the longest, truncated to the body's max_seq_length; on the CPU.

        A process gets an empty batch if there are fewer rows than processes, but transformers cannot run one. An empty
        batch therefore becomes the features of a placeholder sentence with a mark, and `forward` returns no row for it.
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
        given = dict(features)  # a copy, because the model modifies its argument
        is_empty = given.pop(_NO_ROWS, None) is not None
        embeddings: Tensor = self.model(given)["sentence_embedding"]
        return embeddings[: 0 if is_empty else None, : self.embedding_dim]

    def freeze_unused(self, texts: Sequence[str]) -> bool:
        """Freeze parameters that no embedding depends on, such as a pooler that mean pooling does not use.

        They get no gradient, so they would never change, would be counted as trained, and would block DDP. Unused
        experts among several that a body chooses from stay trainable, because other sentences may use them.

        Args:
            texts: Some sentences, at least one.
        Returns:
            Whether some sentences do not use all of the trainable parameters.
        Cost: one forward and one backward pass of `texts`; draws no random numbers.
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
        """Whether a parameter belongs to an entry of a module list with other entries in use."""
        parts = name.split(".")
        lists = [
            ".".join(parts[:k])
            for k in range(1, len(parts))
            if isinstance(self.get_submodule(".".join(parts[:k])), nn.ModuleList)
        ]
        return any(other.startswith(f"{found}.") for found in lists for other in used)
