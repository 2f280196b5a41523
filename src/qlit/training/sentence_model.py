"""The parts of a classifier that a prediction needs: head and body, without Lightning.

Shapes: N sentences, B a batch, D features, k classes.
"""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, final

from torch import Tensor, nn

from qlit.data.trainable import TrainableBody
from qlit.heads import Head
from qlit.training.usable import check_usable


class Classifies(nn.Module):
    """Part of a module that classifies sentences; its constructor sets `head`, `body` and `_of_head`."""

    head: Head
    body: TrainableBody | None
    _of_head: tuple[Tensor]
    """From `of_head`."""

    def forward(self, inputs: Any) -> Tensor:
        """Logits, shape (B, 1) or (B, k), of embeddings (B, D) or of a trainable body's token features."""
        embeddings: Tensor = inputs if self.body is None else self.body(inputs)
        return self.logits(embeddings)

    def logits(self, embeddings: Tensor) -> Tensor:
        """Logits, shape (B, 1) or (B, k), of embeddings, shape (B, D)."""
        logits: Tensor = self.head(embeddings.to(self._of_head[0].dtype))
        return logits

    def check_usable(self, parts: Mapping[str, tuple[Tensor | None, Sequence[str]]]) -> None:
        """Raise a ValueError that names a sentence if the head cannot take its embedding.

        Args:
            parts: Embeddings, shape (N, D), and their N sentences, by the name of the part; None for the embeddings of
                a trainable body, which change.
        """
        known = {name: (part[0].to(self._of_head[0]), part[1]) for name, part in parts.items() if part[0] is not None}
        check_usable(self.head, known)


@final
class SentenceModel(Classifies):
    """A trained model without the settings of its training.

    Args:
        head: The head: embedding -> logits.
    """

    def __init__(self, head: Head) -> None:
        super().__init__()
        self.head, self.body, self._of_head = head, None, of_head(head)


def of_head(head: Head) -> tuple[Tensor]:
    """A parameter or buffer of a head, which has its type; in a tuple, so that torch does not register it twice."""
    return (next(chain(head.parameters(), head.buffers())),)
