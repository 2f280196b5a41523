"""Encoders with learned linear maps: the paper's neural network encoder, and a projection before another encoder.

Shapes: B batch, D features of an embedding, O outputs.
"""

from collections.abc import Callable
from typing import final

from torch import Tensor, nn

from qlit.engines import CircuitAngles, Engine
from qlit.heads.base import NUM_FEATURES, check_linear, check_made_for
from qlit.heads.encoders import Encoder
from qlit.heads.perceptron import Perceptron


@final
class NeuralEncoder(Encoder):
    """A neural network from embedding to angles that replaces simulated quantum encoders.

    Args:
        num_outputs: O, number of output angles (radians), the outputs of the last linear layer.
        num_features: D of the embeddings, or the outputs of the head's `preprocessing`, at least 1; null for that
            number, or 768 without a body.
        num_hidden_layers: 0 or 1.
        hidden_dim: Width of the hidden layer, at least 1; 0 without one.
        batch_norm: Whether to apply batch normalisation to the hidden layer before its ReLU, or to the embedding if
            there is no hidden layer.

    Raises:
        ValueError: If a number is out of range.
    Source: arXiv:2504.08732, Tables III and XIII: 10,766 parameters for 14 angles without a hidden layer.
    """

    def __init__(
        self,
        num_outputs: int,
        *,
        num_features: int | None = None,
        num_hidden_layers: int = 1,
        hidden_dim: int = 48,
        batch_norm: bool = False,
    ) -> None:
        super().__init__()
        num_features = NUM_FEATURES if num_features is None else num_features
        self.num_outputs, self.num_features = num_outputs, num_features
        self.network = Perceptron(
            num_features,
            num_outputs,
            num_hidden_layers=num_hidden_layers,
            hidden_dim=hidden_dim,
            batch_norm=batch_norm,
        )

    def forward(self, embeddings_BD: Tensor) -> Tensor:
        angles_BO: Tensor = self.network(embeddings_BD)
        return angles_BO

    def is_replayable(self, device_type: str) -> bool:  # noqa: ARG002 - it is on every device
        return True

    def check_features(self, num_features: int) -> None:
        assert self.num_features is not None
        check_made_for(self.num_features, num_features)


@final
class ProjectedEncoder(Encoder):
    """A learned linear projection of the embedding, followed by another encoder.

    The projection has a bias, so amplitudes are affine in the embedding: fewer qubits are enough, and expectation
    values have the linear part that zero padding removes. It costs D * `num_projected` + `num_projected`
    parameters. Not in the paper.

    Args:
        num_outputs: O, number of output angles.
        num_features: D of the embeddings, or the outputs of the head's `preprocessing`, at least 1; null for that
            number, or 768 without a body.
        num_projected: Number of projected features, at least 1.
        encoder: The encoder of the projected features, given the number of its outputs.

    Raises:
        ValueError: If a number is out of range, or the encoder centres features that change during training.
    """

    def __init__(
        self,
        num_outputs: int,
        *,
        num_features: int | None = None,
        num_projected: int = 64,
        encoder: Callable[[int], Encoder],
    ) -> None:
        super().__init__()
        num_features = NUM_FEATURES if num_features is None else num_features
        for name, value in (("num_features", num_features), ("num_projected", num_projected)):
            if value < 1:
                raise ValueError(f"`{name} >= 1` must hold, but got {name}={value}.")
        self.num_outputs, self.num_features = num_outputs, num_features
        check_linear(num_features=num_features, num_projected=num_projected)
        self.projection = nn.Linear(num_features, num_projected)
        self.encoder = encoder(num_outputs)
        self.encoder.check_features(num_projected)
        if any(getattr(module, "center", False) for module in self.encoder.modules()):
            raise ValueError(
                "Centring subtracts a mean that is fitted once, but a projection changes during training, and learns "
                "a bias itself: set `center: false`, or centre in front of the projection with the head's "
                "`preprocessing: qlit.heads.Centering`."
            )

    def forward(self, embeddings_BD: Tensor) -> Tensor:
        angles_BO: Tensor = self.encoder(self.projection(embeddings_BD))
        return angles_BO

    def angles_for(self, engine: Engine, embeddings_BD: Tensor) -> Tensor | list[CircuitAngles]:
        return self.encoder.angles_for(engine, self.projection(embeddings_BD))

    def is_replayable(self, device_type: str) -> bool:
        return self.encoder.is_replayable(device_type)

    def check_features(self, num_features: int) -> None:
        check_made_for(self.projection.in_features, num_features)
