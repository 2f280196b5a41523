from functools import partial

import pytest
import torch

from qlit.heads import HybridHead, ReuploadingPQC, SimulatedQuantumEncoder


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
    assert "linear" not in dict(bare.named_children()) or bare.linear is None


def test_gradients_reach_every_parameter():
    whole = head()
    whole(embeddings()).sum().backward()
    assert all(parameter.grad is not None and parameter.grad.abs().max() > 0 for parameter in whole.parameters())


def test_a_head_that_cannot_classify_is_refused():
    with pytest.raises(ValueError, match="3 classes need 3 measured wires, but got 1"):
        head(num_classes=3, final_linear=False)
    with pytest.raises(ValueError, match="num_classes=1"):
        head(num_classes=1)
    with pytest.raises(ValueError, match="17 features"):
        head().check_features(17)
