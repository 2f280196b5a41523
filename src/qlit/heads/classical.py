"""Classical heads that are trained by gradients: linear, and the paper's neural network.

Shapes: B batch, D features of an embedding, k classes.
"""

from typing import final

from torch import Tensor, nn

from qlit.heads.base import NUM_CLASSES, NUM_FEATURES, Head, check_classes, check_linear, check_made_for
from qlit.heads.perceptron import Perceptron
from qlit.heads.preprocessing import Preprocessing


@final
class LinearHead(Head):
    """One linear layer: D + 1 parameters for two classes, k * (D + 1) for more.

    The model of logistic regression, trained by gradients like the other heads.

    Args:
        num_features: D of the body's embeddings, at least 1; null for that of the body, or 768 without a body.
        num_classes: k, at least 2; null for the number of labels in the data, or 2 without data.
        preprocessing: Fixed map in front of the layer, such as `qlit.heads.PrincipalComponents`; null for none. With
            one, D in the number of parameters is the number of its outputs.

    Raises:
        ValueError: If a number is out of range.
    """

    def __init__(
        self,
        *,
        num_features: int | None = None,
        num_classes: int | None = None,
        preprocessing: Preprocessing | None = None,
    ) -> None:
        super().__init__(preprocessing=preprocessing)
        num_features = NUM_FEATURES if num_features is None else num_features
        num_classes = NUM_CLASSES if num_classes is None else num_classes
        self.num_features, self.num_classes = num_features, check_classes(num_classes)
        if num_features < 1:
            raise ValueError(f"`num_features >= 1` must hold, but got {num_features=}.")
        num_inputs = self.num_inputs(num_features)
        check_linear(num_features=num_inputs, num_classes=num_classes)
        self.linear = nn.Linear(num_inputs, 1 if num_classes == 2 else num_classes)

    def forward(self, embeddings_BD: Tensor) -> Tensor:
        logits: Tensor = self.linear(self.preprocessed(embeddings_BD))
        return logits

    def is_replayable(self, device_type: str) -> bool:  # noqa: ARG002 - it is on every device
        return True

    def check_features(self, num_features: int) -> None:
        assert self.num_features is not None
        check_made_for(self.num_features, num_features)


@final
class MLPHead(Head):
    """The paper's neural network head: one output a class, also for two classes, after 0 or 1 hidden layers.

    Two classes have two outputs, as the published counts say; the logit is their difference, whose binary
    cross-entropy is the cross-entropy of the two.

    Args:
        num_features: D of the body's embeddings, at least 1; null for that of the body, or 768 without a body.
        num_hidden_layers: 0 or 1.
        hidden_dim: Width of the hidden layer, at least 1; 0 without one.
        batch_norm: Whether to apply batch normalisation to the hidden layer before its ReLU, or to the embedding if
            there is no hidden layer.
        num_classes: k, at least 2; null for the number of labels in the data, or 2 without data.
        preprocessing: Fixed map in front of the network, such as `qlit.heads.PrincipalComponents`; null for none.

    Raises:
        ValueError: If a number is out of range.
    Source: arXiv:2504.08732, Tables II and XIV: 1,538 parameters without a hidden layer, 37,010 with one of 48.
    """

    def __init__(
        self,
        *,
        num_features: int | None = None,
        num_hidden_layers: int = 1,
        hidden_dim: int = 48,
        batch_norm: bool = False,
        num_classes: int | None = None,
        preprocessing: Preprocessing | None = None,
    ) -> None:
        super().__init__(preprocessing=preprocessing)
        num_features = NUM_FEATURES if num_features is None else num_features
        num_classes = NUM_CLASSES if num_classes is None else num_classes
        self.num_features, self.num_classes = num_features, check_classes(num_classes)
        self.network = Perceptron(
            self.num_inputs(num_features),
            num_classes,
            num_hidden_layers=num_hidden_layers,
            hidden_dim=hidden_dim,
            batch_norm=batch_norm,
        )

    def forward(self, embeddings_BD: Tensor) -> Tensor:
        outputs_Bk: Tensor = self.network(self.preprocessed(embeddings_BD))
        return outputs_Bk if self.num_classes > 2 else outputs_Bk[:, 1:] - outputs_Bk[:, :1]

    def is_replayable(self, device_type: str) -> bool:  # noqa: ARG002 - it is on every device
        return True

    def check_features(self, num_features: int) -> None:
        assert self.num_features is not None
        check_made_for(self.num_features, num_features)
