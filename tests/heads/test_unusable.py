"""Embeddings that heads cannot take are known before they are run."""

from functools import partial

import pytest
import torch

from qlit.heads import (
    Centering,
    HybridHead,
    LinearHead,
    LogisticRegressionHead,
    ParallelEncoders,
    ProjectedEncoder,
    ReuploadingPQC,
    SimulatedQuantumEncoder,
)

_D = 6
_encoder = partial(SimulatedQuantumEncoder, num_qubits=3, connectivity=1, num_layers=0)


def _embeddings() -> torch.Tensor:
    embeddings = torch.randn(6, _D, generator=torch.Generator().manual_seed(0))
    embeddings[1] = 0
    embeddings[2, 3] = torch.nan
    embeddings[3, 0] = torch.inf
    embeddings[4] = 1e-30  # its square is 0 in float32
    return embeddings


@pytest.mark.parametrize(
    ("encoder", "expected"),
    [
        (_encoder, [1, 2, 3, 4]),
        (partial(_encoder, pad_with=0.1), [2, 3]),
        (partial(ParallelEncoders, num_encoders=2, encoder=_encoder), [1, 2, 3, 4]),
        (partial(ProjectedEncoder, num_features=_D, num_projected=4, encoder=_encoder), [2, 3]),
    ],
    ids=["encoder", "padded", "parallel", "projected"],
)
def test_unusable_is_what_the_encoder_refuses(encoder, expected):
    torch.manual_seed(0)
    head = HybridHead(encoder, ReuploadingPQC(num_qubits=2))
    embeddings = _embeddings()
    assert torch.nonzero(head.unusable(embeddings))[:, 0].tolist() == expected
    for row in range(len(embeddings)):
        one = embeddings[row : row + 1]
        if not head.unusable(one).any():
            assert head(one).isfinite().all()
        elif not isinstance(head.encoder, ProjectedEncoder):
            with pytest.raises(ValueError, match="not all zeros"):
                head(one)


def test_a_padding_of_nothing_takes_no_zeros():
    encoder = SimulatedQuantumEncoder(2, num_qubits=3, connectivity=1, pad_with=0.5)
    assert encoder.unusable(torch.zeros(1, 8)).tolist() == [True]
    assert encoder.unusable(torch.zeros(1, 7)).tolist() == [False]


def test_centring_is_counted_in():
    head = HybridHead(_encoder, ReuploadingPQC(2), preprocessing=Centering())
    embeddings = torch.tensor([[1.0] * _D, [3.0] * _D, [2.0] * _D, [0.0] * _D])
    head.fit_preprocessing(embeddings[:3])
    assert head.unusable(embeddings).tolist() == [False, False, True, False]
    assert head.needs == "finite embeddings that are not all zeros where `pad_with` is 0 (after Centering)"


@pytest.mark.parametrize("head", [LinearHead(num_features=_D), LogisticRegressionHead(num_features=_D)])
def test_other_heads_take_zeros(head):
    assert torch.nonzero(head.unusable(_embeddings()))[:, 0].tolist() == [2, 3]
