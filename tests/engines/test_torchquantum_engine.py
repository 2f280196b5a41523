"""The torchquantum engine beyond what every engine must do: shots, precision, memory, heads."""

import random
from functools import partial

import pytest
import torch
from engines.cases import CIRCUITS, random_inputs
from tolerances import ENGINE_ATOL, SHOT_SIGMAS

from qlit.circuits import Circuit, reuploading_circuit, ry
from qlit.engines import TorchQuantumEngine, torchquantum_copy
from qlit.heads import GateNoise, HybridHead, ReuploadingPQC, SimulatedQuantumEncoder

SHOTS = 2000


@pytest.fixture
def engine():
    random.seed(0)
    return TorchQuantumEngine()


@pytest.fixture
def inputs():
    return random_inputs(CIRCUITS["re-uploading"], 3, dtype=torch.float64, with_state=True)


@pytest.mark.parametrize(
    ("dtype", "complex_dtype"), [(torch.float32, torch.complex64), (torch.float64, torch.complex128)]
)
def test_torchquantum_itself_computes_in_the_precision_of_the_parameters(dtype, complex_dtype):
    tq = torchquantum_copy.torchquantum_in(dtype)
    device = tq.QuantumDevice(n_wires=2, bsz=3)
    tq.functional.ry(device, 0, params=torch.full((1, 1), 0.1, dtype=dtype))
    assert device.states.dtype == complex_dtype
    assert tq.PauliZ().matrix.dtype == complex_dtype
    assert tq.expval(device, 0, tq.PauliZ()).dtype == dtype


@torch.no_grad()
def test_shots_estimate_values_and_probabilities(engine, inputs):
    circuit, wires = CIRCUITS["re-uploading"], [3, 0]
    for ask, spread in ((engine.expectation, 1.0), (engine.probabilities, 0.5)):
        asked = partial(ask, circuit, inputs.parameters, angles=inputs.angles, state=inputs.state, wires=wires)
        exact, estimate = asked(), asked(shots=SHOTS)
        assert estimate.dtype == torch.float64
        assert not torch.equal(estimate, exact)
        torch.testing.assert_close(estimate, exact, rtol=0, atol=SHOT_SIGMAS * spread / SHOTS**0.5)
        counts = (estimate * SHOTS).round()
        torch.testing.assert_close(counts / SHOTS, estimate)
    torch.testing.assert_close(estimate.sum(dim=1), torch.ones(3, dtype=torch.float64))


@torch.no_grad()
def test_shots_are_those_of_pythons_generator(engine, inputs):
    drawn = []
    for seed in (1, 1, 2):
        random.seed(seed)
        drawn.append(
            engine.expectation(
                CIRCUITS["re-uploading"], inputs.parameters, angles=inputs.angles, state=inputs.state, shots=100
            )
        )
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def test_shots_of_a_circuit_with_pauli_errors(engine):
    circuit = Circuit(2, (ry(0, parameter=0), ry(1, parameter=0)))
    errors = torch.tensor([[0, 0], [1, 0], [2, 3]], dtype=torch.uint8)  # none; X on wire 0; Z on wire 0 and Y on wire 1
    values = engine.expectation(circuit, torch.zeros(1), errors=errors, shots=10)
    assert values.tolist() == [[1, 1], [-1, 1], [1, -1]]


@pytest.mark.parametrize("leaf", ["parameters", "angles", "state"])
def test_a_gradient_of_shots_is_refused(engine, inputs, leaf):
    given = {name: getattr(inputs, name).detach() for name in ("parameters", "angles", "state")}
    given[leaf].requires_grad_()
    parameters = given.pop("parameters")
    for ask in (engine.expectation, engine.probabilities):
        with pytest.raises(ValueError, match=r"counts outcomes, which have no gradient"):
            ask(CIRCUITS["re-uploading"], parameters, **given, shots=10)


def test_what_memory_does_not_hold_is_refused(engine):
    circuit = reuploading_circuit(20, 4, 2, 1, 1)
    parameters = torch.zeros(circuit.num_parameters, requires_grad=True)
    with pytest.raises(ValueError, match=r"statevectors of a batch of 512 need .* GiB"):
        engine.expectation(circuit, parameters, angles=torch.zeros(512, 20))


@pytest.mark.parametrize("training", ["none", "trajectories", "injection"])
def test_a_head_trains_as_on_the_torch_engine(training):
    noise = GateNoise(0.05, 0.1, training=training)

    def step(engine):
        torch.manual_seed(0)
        encoder = partial(SimulatedQuantumEncoder, num_qubits=5, connectivity=4, engine=engine)
        head = HybridHead(encoder, ReuploadingPQC(5, shots=None, noise=noise, engine=engine))
        head.seed_shots(0, 0, 4)
        logits = head(torch.randn(4, 20))
        return logits, *torch.autograd.grad(logits.square().sum(), list(head.parameters()))

    for ours, theirs in zip(step("torchquantum"), step("torch"), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=ENGINE_ATOL[torch.float32])
