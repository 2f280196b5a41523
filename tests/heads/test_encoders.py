from functools import partial

import psutil
import pytest
import torch

from qlit.heads import ParallelEncoders, SimulatedQuantumEncoder
from qlit.heads.encoders import amplitude_encoding


def embeddings(batch_size=4, num_features=12, seed=0):
    return torch.randn(batch_size, num_features, generator=torch.Generator().manual_seed(seed))


def small(num_outputs=3, **kwargs):
    torch.manual_seed(0)
    return SimulatedQuantumEncoder(num_outputs, **{"num_qubits": 4, "connectivity": 2, "num_layers": 1} | kwargs)


def test_amplitude_k_is_feature_k_normalised_and_padded():
    state = amplitude_encoding(torch.tensor([[3.0, 0.0, 4.0]]), 2)
    torch.testing.assert_close(state, torch.tensor([[0.6, 0.0, 0.8, 0.0]]))
    state = amplitude_encoding(torch.tensor([[1.0, 1.0]]), 2, pad_with=-1.0)
    torch.testing.assert_close(state, torch.tensor([[0.5, 0.5, -0.5, -0.5]]))


def test_amplitudes_that_do_not_fit_are_refused_not_cut():
    with pytest.raises(ValueError, match=r"768 features needs num_qubits >= 10, but the encoder has num_qubits=9"):
        amplitude_encoding(torch.ones(1, 768), 9)
    with pytest.raises(ValueError, match="768 features"):
        SimulatedQuantumEncoder(4, num_qubits=9, connectivity=8).check_features(768)


@pytest.mark.parametrize("bad", [0.0, float("nan"), float("inf")])
def test_vectors_without_a_direction_are_refused(bad):
    with pytest.raises(ValueError, match="finite vectors that are not all zeros"):
        amplitude_encoding(torch.tensor([[1.0, 0.0], [bad, bad]]), 2)


def test_the_encoder_hands_on_scaled_expectation_values_of_its_first_qubits():
    encoder = small()
    with torch.no_grad():
        encoder.angle_scale.fill_(2.5)
        angles = encoder(embeddings())
        everything = encoder.engine.expectation(
            encoder.circuit, encoder.theta, state=amplitude_encoding(embeddings(), 4)
        )
    torch.testing.assert_close(angles, 2.5 * everything[:, :3])


def test_gradients_reach_circuit_scale_and_embedding():
    encoder, x = small(center=False), embeddings().requires_grad_()
    encoder(x).square().sum().backward()
    assert all(tensor.grad.abs().max() > 0 for tensor in (encoder.theta, encoder.angle_scale, x))


def test_the_earlier_spelling_of_centring_is_refused_where_no_head_takes_it_over():
    with pytest.raises(ValueError, match=r"elsewhere give the head `preprocessing=Centering\(\)`"):
        small(center=True)(embeddings())


def test_parallel_encoders_are_concatenated_and_start_differently():
    torch.manual_seed(0)
    encoders = ParallelEncoders(
        6, num_encoders=2, encoder=partial(SimulatedQuantumEncoder, num_qubits=4, connectivity=3)
    )
    first, second = encoders.encoders
    assert not torch.equal(first.theta, second.theta)
    angles = encoders(embeddings())
    assert angles.shape == (4, 6)
    torch.testing.assert_close(angles, torch.cat((first(embeddings()), second(embeddings())), dim=1))
    encoders.check_features(16)
    with pytest.raises(ValueError, match="17 features"):
        encoders.check_features(17)


def test_numbers_out_of_range_are_refused():
    with pytest.raises(ValueError, match=r"num_encoders=3, num_qubits=14"):
        ParallelEncoders(14, num_encoders=3, encoder=small)
    with pytest.raises(ValueError, match=r"num_outputs=5, num_qubits=4"):
        small(5)


def test_a_device_that_gives_no_exact_values_is_refused_when_an_encoder_is_made():
    with pytest.raises(
        ValueError,
        match=r"'pennylane:ionq.qpu' is treated as a remote device.*: use it for a PQC .* Encoders need exact values",
    ):
        small(engine="pennylane:ionq.qpu")


def test_states_that_memory_does_not_hold_are_refused_before_they_are_made(monkeypatch):
    class Full:
        available = 100 * 2**20

    monkeypatch.setattr(psutil, "virtual_memory", Full)
    with pytest.raises(ValueError, match=r"The statevectors of a batch of 64 need 0\.5 GiB, but 0\.1 GiB are free\."):
        amplitude_encoding(torch.ones(64, 8), 20)


@pytest.mark.parametrize(("engine", "most"), [("auto", 24), ("native", 26), ("torch", 24), ("reference", 8)])
def test_an_encoder_wider_than_its_engine_takes_is_refused_when_it_is_made(engine, most):
    with pytest.raises(ValueError, match=f"at most {most} qubits, but this one has {most + 1}"):
        SimulatedQuantumEncoder(2, num_qubits=most + 1, connectivity=1, num_layers=0, engine=engine)
