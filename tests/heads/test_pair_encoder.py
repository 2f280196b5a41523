"""The encoder of sentence pairs: it starts at the cosine, learns from there, and refuses what is no pair."""

import math

import pytest
import torch
from torch.nn.functional import cosine_similarity

from qlit.circuits import pair_circuit
from qlit.engines import engine_by_name
from qlit.heads import HybridHead, PairEncoder, ParallelEncoders, ReuploadingPQC
from qlit.heads.pair_encoder import pair_encoding
from qlit.heads.programs import programs_of


def pairs(num_rows: int, dim: int, seed: int = 0) -> torch.Tensor:
    """Correlated halves of different lengths, shape (B, 2 D)."""
    draw = torch.Generator().manual_seed(seed)
    u = torch.randn(num_rows, dim, generator=draw, dtype=torch.float64)
    v = 0.6 * u + torch.randn(num_rows, dim, generator=draw, dtype=torch.float64)
    return torch.cat([u, 3 * v], dim=1)


def cosine(pairs_B2D: torch.Tensor) -> torch.Tensor:
    return cosine_similarity(*pairs_B2D.chunk(2, dim=1))


@pytest.mark.parametrize("engine", ["reference", "torch", "native"])
@pytest.mark.parametrize("dim", [5, 8])
def test_one_rotation_gives_the_cosine(dim, engine):
    given = pairs(7, dim)
    state_BN = pair_encoding(given, 4)
    torch.testing.assert_close(state_BN.norm(dim=1), torch.ones(7, dtype=torch.float64), rtol=0, atol=1e-12)
    torch.testing.assert_close(
        state_BN[:, 8 : 8 + dim], given[:, dim:] / given[:, dim:].norm(dim=1, keepdim=True) / math.sqrt(2)
    )
    for angle, sign in ((math.pi / 2, -1), (-math.pi / 2, 1)):
        theta = torch.tensor([angle, 0, 0, 0], dtype=torch.float64)
        circuit = pair_circuit(4, connectivity=1, num_layers=0)
        z_B1 = engine_by_name(engine).expectation(circuit, theta, state=state_BN, wires=(0,))
        torch.testing.assert_close(z_B1[:, 0], sign * cosine(given), rtol=0, atol=1e-10)


@pytest.mark.parametrize("num_layers", [0, 1, 2])
def test_the_trainable_circuit_starts_at_the_cosine(num_layers):
    encoder = PairEncoder(2, num_qubits=5, connectivity=3, num_layers=num_layers, init_std=0).double()
    given = pairs(6, 16)
    torch.testing.assert_close(encoder(given)[:, 0], -cosine(given), rtol=0, atol=1e-10)
    assert sum(each.numel() for each in encoder.parameters()) == 5 * (1 + 3 * num_layers) + 1
    torch.manual_seed(0)
    near = PairEncoder(2, num_qubits=5, connectivity=3, num_layers=num_layers, init_std=0.02).double()
    assert 0 < (near(given)[:, 0] + cosine(given)).abs().max() < 0.3


def test_a_head_learns_from_the_cosine_alone():
    torch.manual_seed(0)
    given = pairs(40, 8).float()
    labels = (cosine(given) > cosine(given).median()).float()
    head = HybridHead(
        lambda n: PairEncoder(n, num_qubits=4, connectivity=1, num_layers=0, init_std=0),
        ReuploadingPQC(num_qubits=2, num_reuploads=1, shots=None),
    )
    optimizer = torch.optim.Adam(head.parameters(), lr=0.05)
    for _ in range(150):
        optimizer.zero_grad()
        torch.nn.functional.binary_cross_entropy_with_logits(head(given)[:, 0], labels).backward()
        optimizer.step()
    assert ((head(given)[:, 0] > 0) == labels.bool()).float().mean() >= 0.95


def test_gradients_agree_with_finite_differences():
    torch.manual_seed(1)
    encoder = PairEncoder(3, num_qubits=4, connectivity=2, num_layers=1).double()
    given = pairs(3, 7).requires_grad_()
    assert torch.autograd.gradcheck(lambda x, _: encoder(x), (given, encoder.theta), nondet_tol=1e-10)


def test_encoders_side_by_side_and_programs():
    torch.manual_seed(2)
    head = HybridHead(
        lambda n: ParallelEncoders(n, num_encoders=2, encoder=lambda k: PairEncoder(k, num_qubits=4, connectivity=1)),
        ReuploadingPQC(num_qubits=2, num_reuploads=1, shots=None),
    ).eval()
    given = pairs(2, 8)
    found = programs_of(head, given[0])
    assert [program.name for program in found.encoders] == ["encoder_0", "encoder_1"]
    torch.testing.assert_close(torch.tensor([found.logits]), head(given[:1].float()), rtol=0, atol=1e-5)


def test_what_is_no_pair_is_refused():
    encoder = PairEncoder(2, num_qubits=4, connectivity=1)
    with pytest.raises(ValueError, match=r"an even number of features, but got 15: set `data.second_text_column`"):
        encoder.check_features(15)
    with pytest.raises(
        ValueError, match="of 9 features each need num_qubits >= 5, but the PairEncoder has num_qubits=4"
    ):
        encoder.check_features(18)
    encoder.check_features(16)
    given = pairs(3, 8).float()
    given[1, 8:] = 0
    assert encoder.unusable(given).tolist() == [False, True, False]
    with pytest.raises(ValueError, match="of both sentences that are not all zeros, but this batch contains others"):
        encoder(given)
    with pytest.raises(ValueError, match="num_outputs <= num_qubits"):
        PairEncoder(5, num_qubits=4)
    with pytest.raises(ValueError, match="a CNOT would control itself"):
        PairEncoder(2, num_qubits=4, connectivity=4)
    with pytest.raises(ValueError, match="`num_layers >= 0`"):
        PairEncoder(2, num_qubits=4, connectivity=1, num_layers=-1)
