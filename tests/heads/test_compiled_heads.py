"""Heads keep what their engines compiled: copies, pickles, other types, other engines."""

import copy
import io
import pickle
from functools import partial

import pytest
import torch

from qlit.engines import NativeEngine, TorchEngine
from qlit.heads import GateNoise, HybridHead, ParallelEncoders, ReuploadingPQC, SimulatedQuantumEncoder

NOISE = GateNoise(p1=0.02, p2=0.05)


def make_head(*, noise=None, engine="auto"):
    torch.manual_seed(0)
    encoder = partial(SimulatedQuantumEncoder, num_qubits=4, connectivity=3, engine=engine)
    pqc = ReuploadingPQC(4, shots=100, engine=engine, **({} if noise is None else {"noise": noise}))
    return HybridHead(partial(ParallelEncoders, encoder=encoder), pqc)


def embeddings(dtype=torch.float32):
    return torch.linspace(-1, 2, 6 * 16, dtype=dtype).reshape(6, 16)


def logits_and_gradients(head, dtype=torch.float32):
    head.seed_shots(3, 0, 6)
    logits = head(embeddings(dtype))
    return logits.detach(), *torch.autograd.grad(logits.square().sum(), list(head.parameters()))


def saved_and_loaded(head):
    file = io.BytesIO()
    torch.save(head, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


@pytest.mark.parametrize("noise", [None, NOISE], ids=["ideal", "noisy"])
@pytest.mark.parametrize("engine", ["auto", "torch"])
@pytest.mark.parametrize(
    "duplicate",
    [copy.deepcopy, lambda head: pickle.loads(pickle.dumps(head)), saved_and_loaded],
    ids=["deepcopy", "pickle", "torch.save"],
)
def test_copies_of_a_head_that_has_run_give_the_same_bits(duplicate, engine, noise):
    head = make_head(noise=noise, engine=engine)
    expected = logits_and_gradients(head)
    copied = duplicate(head)
    assert copied.pqc.circuit == head.pqc.circuit
    assert copied.pqc.compiled is not head.pqc.compiled
    for ours, theirs in zip(logits_and_gradients(copied), expected, strict=True):
        assert torch.equal(ours, theirs)


def test_a_state_dict_has_parameters_and_buffers_alone():
    head = make_head(noise=NOISE)
    logits_and_gradients(head)
    assert all(isinstance(value, torch.Tensor) for value in head.state_dict().values())
    assert set(head.state_dict()) == {
        *(f"encoder.encoders.{k}.{name}" for k in (0, 1) for name in ("theta", "angle_scale")),
        "pqc.theta",
        "linear.weight",
        "linear.bias",
    }


@pytest.mark.parametrize("engine", ["native", "torch"])
def test_a_head_may_change_its_type_between_runs(engine):
    head = make_head(engine=engine)
    fresh = make_head(engine=engine).double()
    single = logits_and_gradients(head)
    double = logits_and_gradients(head.double(), torch.float64)
    for ours, theirs in zip(double, logits_and_gradients(fresh, torch.float64), strict=True):
        assert torch.equal(ours, theirs)
    for ours, theirs in zip(logits_and_gradients(head.float()), single, strict=True):
        assert torch.equal(ours, theirs)


def test_a_head_runs_on_another_engine_from_the_moment_it_is_set():
    head, torch_head = make_head(engine="native"), make_head(engine="torch")
    logits_and_gradients(head)
    engine = TorchEngine()
    for module in (head.pqc, *head.encoder.members()):
        circuit = module.circuit
        module.engine = engine
        assert module.engine is module.compiled.engine is engine
        assert module.circuit is circuit
    for ours, theirs in zip(logits_and_gradients(head), logits_and_gradients(torch_head), strict=True):
        assert torch.equal(ours, theirs)
    head.pqc.engine = NativeEngine()  # the encoders stay on another engine, and run first
    for ours, theirs in zip(logits_and_gradients(head), logits_and_gradients(torch_head), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_other_error_rates_are_those_of_the_next_call():
    head, other = make_head(noise=GateNoise(p1=0.3, p2=0.3)), make_head(noise=NOISE)
    loud = logits_and_gradients(head)[0]
    head.pqc.noise = NOISE
    quiet = logits_and_gradients(head)[0]
    assert not torch.equal(quiet, loud)
    assert torch.equal(quiet, logits_and_gradients(other)[0])
