from dataclasses import replace
from functools import partial

import pytest
import torch

from qlit.engines import NativeEngine
from qlit.heads import (
    GateNoise,
    HybridHead,
    NeuralEncoder,
    ParallelEncoders,
    ProjectedEncoder,
    ReuploadingPQC,
    SimulatedQuantumEncoder,
)
from qlit.heads.gate_noise import NO_NOISE


def head(**kwargs):
    torch.manual_seed(0)
    pqc = ReuploadingPQC(4, shots=None, measured_wires=kwargs.pop("measured_wires", [0]))
    return HybridHead(partial(SimulatedQuantumEncoder, num_qubits=4, connectivity=3), pqc, **kwargs)


def embeddings(batch_size=3):
    return torch.randn(batch_size, 12, generator=torch.Generator().manual_seed(1))


def test_two_classes_have_one_logit_and_more_have_one_each():
    assert head()(embeddings()).shape == (3, 1)
    assert head(num_classes=6)(embeddings()).shape == (3, 6)
    assert head(num_classes=3, final_linear=False, measured_wires=[0, 1, 3])(embeddings()).shape == (3, 3)


def test_without_the_linear_layer_the_probability_is_half_of_one_plus_z():
    bare = head(final_linear=False)
    z = bare.pqc(bare.encoder(embeddings()))
    torch.testing.assert_close(bare(embeddings()).sigmoid(), (1 + z) / 2)
    names = {name.partition(".")[0] for name, _ in bare.named_parameters()}
    assert names == {"encoder", "pqc"}
    assert {name.partition(".")[0] for name, _ in head().named_parameters()} == {*names, "linear"}


def test_gradients_reach_every_parameter():
    whole = head()
    whole(embeddings()).sum().backward()
    assert all(parameter.grad is not None and parameter.grad.abs().max() > 0 for parameter in whole.parameters())


def small_encoder(num_outputs, **kwargs):
    return SimulatedQuantumEncoder(num_outputs, num_qubits=4, connectivity=2, num_layers=1, init_std=1.0, **kwargs)


@pytest.mark.parametrize("noise", [NO_NOISE, GateNoise(p1=0.01, p2=0.05)], ids=["no noise", "noise"])
@pytest.mark.parametrize("shots", [None, 500])
@pytest.mark.parametrize(
    "encoder",
    [
        partial(SimulatedQuantumEncoder, num_qubits=4, connectivity=2),
        partial(ParallelEncoders, num_encoders=2, encoder=small_encoder),
        partial(ProjectedEncoder, num_features=12, num_projected=8, encoder=small_encoder),
        partial(NeuralEncoder, num_features=12, hidden_dim=5),
        partial(SimulatedQuantumEncoder, num_qubits=4, connectivity=2, engine="torch"),
    ],
    ids=["one", "two", "projected", "neural", "other engine"],
)
def test_a_head_computes_what_encoder_and_pqc_do_one_after_the_other(encoder, shots, noise):
    torch.manual_seed(0)
    whole = HybridHead(encoder, ReuploadingPQC(4, shots=shots, noise=noise, init_std=1.0)).double()
    x, found = embeddings().double(), []
    for run in (whole, lambda x: whole.logits(whole.pqc(whole.encoder(x)))):
        whole.seed_shots(3, 0, len(x))
        logits = run(x)
        found.append((logits, *torch.autograd.grad(logits.square().sum(), list(whole.parameters()))))
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)


def test_circuits_run_in_one_go_where_the_engine_gains_by_it(monkeypatch):
    """Told by what the PQC is given: circuits, or the angles that they measured."""
    given = []
    whole = head()
    whole.pqc.register_forward_pre_hook(lambda _, inputs: given.append(isinstance(inputs[0], torch.Tensor)))
    whole(embeddings())
    can = replace(NativeEngine.capabilities, encoder_amplitudes=3 * 2**4 - 1)
    monkeypatch.setattr(NativeEngine, "capabilities", can)
    whole(embeddings())
    assert given == [False, True]


def test_a_head_that_cannot_classify_is_refused():
    with pytest.raises(ValueError, match="3 classes need 3 measured wires, but got 1"):
        head(num_classes=3, final_linear=False)
    with pytest.raises(ValueError, match="num_classes=1"):
        head(num_classes=1)
    with pytest.raises(ValueError, match="17 features"):
        head().check_features(17)
