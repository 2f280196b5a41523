"""The paper's neural networks: one linear layer, or two around a hidden layer.

Shapes: B batch, D features of an embedding, O outputs.
"""

from typing import final

from torch import Tensor, nn

from qlit.heads.base import check_linear


@final
class Perceptron(nn.Module):
    """(B, D) -> (B, O): linear, or linear, ReLU, linear; the grid of Tables XIII, XIV and XVI.

    D * O + O parameters, or D * H + H + H * O + O with H = `hidden_dim`. Batch normalisation adds 2 * D or 2 * H, which
    the published counts do not include.

    Args:
        num_features: D, at least 1.
        num_outputs: O, at least 1.
        num_hidden_layers: 0 or 1.
        hidden_dim: H, at least 1; 0 without a hidden layer.
        batch_norm: Whether to apply batch normalisation to the hidden layer before its ReLU, or to the features if
            there is no hidden layer. If a batch is split over processes, every part is normalised separately.

    Raises:
        ValueError: If a number is out of range.
    Source: arXiv:2504.08732, Tables II and III, which give the sizes; ReLU and the place of the normalisation are ours.
    """

    def __init__(
        self, num_features: int, num_outputs: int, *, num_hidden_layers: int, hidden_dim: int, batch_norm: bool
    ) -> None:
        super().__init__()
        if num_features < 1:
            raise ValueError(f"`num_features >= 1` must hold, but got {num_features=}.")
        if num_hidden_layers not in (0, 1):
            raise ValueError(f"`num_hidden_layers` must be 0 or 1, but got {num_hidden_layers=}.")
        if num_hidden_layers == 0 and hidden_dim:
            raise ValueError(
                f"Without a hidden layer there is no width, but got {hidden_dim=}: set it to 0, or "
                "`num_hidden_layers` to 1."
            )
        if num_hidden_layers == 1 and hidden_dim < 1:
            raise ValueError(
                f"A hidden layer needs `hidden_dim >= 1`, but got {hidden_dim=}: raise it, or set "
                "`num_hidden_layers` to 0."
            )
        if num_hidden_layers:
            check_linear(num_features=num_features, hidden_dim=hidden_dim)
            check_linear(hidden_dim=hidden_dim, num_outputs=num_outputs)
        else:
            check_linear(num_features=num_features, num_outputs=num_outputs)
        self._is_normalised = batch_norm
        layers: list[nn.Module]
        if num_hidden_layers:
            norm = [nn.BatchNorm1d(hidden_dim)] if batch_norm else []
            layers = [nn.Linear(num_features, hidden_dim), *norm, nn.ReLU(), nn.Linear(hidden_dim, num_outputs)]
        else:
            layers = [*([nn.BatchNorm1d(num_features)] if batch_norm else []), nn.Linear(num_features, num_outputs)]
        self.layers = nn.Sequential(*layers)

    def forward(self, features_BD: Tensor) -> Tensor:
        """Outputs, shape (B, O).

        Raises:
            ValueError: If batch normalisation gets a batch of one row in training.
        """
        if self._is_normalised and self.training and len(features_BD) < 2:
            raise ValueError(
                "Batch normalisation needs at least 2 rows in every training batch, but the last batch of an epoch has "
                "1: change `batch_size`, or set `batch_norm: false`."
            )
        outputs_BO: Tensor = self.layers(features_BD)
        return outputs_BO
