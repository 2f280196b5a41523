from functools import partial

import pytest
import torch

from qlit.heads import NeuralEncoder, ProjectedEncoder, SimulatedQuantumEncoder

INNER = partial(SimulatedQuantumEncoder, num_qubits=3, connectivity=1, num_layers=0)


def embeddings(batch_size=4, num_features=12):
    return torch.randn(batch_size, num_features, generator=torch.Generator().manual_seed(0))


def projected(**kwargs):
    torch.manual_seed(0)
    return ProjectedEncoder(3, **{"num_features": 12, "num_projected": 6, "encoder": INNER} | kwargs)


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("hidden_dim", [0, 5])
def test_a_neural_encoder_gives_angles_of_any_size(hidden_dim, batch_norm):
    torch.manual_seed(0)
    encoder = NeuralEncoder(
        3, num_features=12, num_hidden_layers=int(hidden_dim > 0), hidden_dim=hidden_dim, batch_norm=batch_norm
    )
    angles = encoder(100 * embeddings())
    assert angles.shape == (4, 3)
    assert batch_norm or angles.abs().max() > 3.2  # no squashing to one turn


def test_a_projection_is_what_its_encoder_encodes():
    encoder = projected()
    matrix, bias = encoder.projection.weight, encoder.projection.bias
    torch.testing.assert_close(encoder(embeddings()), encoder.encoder(embeddings() @ matrix.T + bias))
    encoder(embeddings()).square().sum().backward()
    assert all(parameter.grad.abs().max() > 0 for parameter in encoder.parameters())
    assert sum(parameter.numel() for parameter in encoder.projection.parameters()) == 12 * 6 + 6


def test_a_projection_gives_expectation_values_a_part_that_is_odd_in_the_embedding():
    x = embeddings()
    bare = INNER(3)
    torch.testing.assert_close(bare(x[:, :8]), bare(-x[:, :8]))
    encoder = projected()
    assert (encoder(x) - encoder(-x)).abs().max() > 0.01


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_projected": 9}, "9 features needs num_qubits >= 4, but the encoder has num_qubits=3"),
        ({"num_projected": 0}, "`num_projected >= 1` must hold, but got num_projected=0"),
        ({"num_features": 0}, "`num_features >= 1` must hold, but got num_features=0"),
        ({"encoder": partial(INNER, center=True)}, "set `center: false`"),
    ],
)
def test_projections_that_cannot_be_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        projected(**settings)


@pytest.mark.parametrize("make", [partial(NeuralEncoder, 3, num_features=12), projected])
def test_embeddings_of_another_body_are_refused(make):
    encoder = make()
    encoder.check_features(12)
    with pytest.raises(ValueError, match="have 384 features, but the model was made for num_features=12"):
        encoder.check_features(384)
