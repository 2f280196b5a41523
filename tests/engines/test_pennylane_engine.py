"""PennyLane's devices beyond what every engine must do (test_conformance.py): other devices, channels, shots."""

import numpy as np
import pennylane as qml
import pytest
import torch
from engines.cases import CIRCUITS, GENERAL_CIRCUITS, random_inputs
from engines.errors import PAULIS, depolarised
from tolerances import ENGINE_ATOL, SHOT_SIGMAS

from qlit.circuits import Circuit, DepolarizingNoise, cnot, reuploading_circuit, ry
from qlit.engines import NativeEngine, PennyLaneEngine, ReferenceEngine, TorchEngine, pennylane_engine
from qlit.engines.reference import gate_matrix, on_register

SHOTS = 4000
SMALL = reuploading_circuit(3, 2, 1, 1, 1)


def values_and_gradients(engine, circuit, inputs, **kwargs):
    values = engine.expectation(circuit, inputs.parameters, angles=inputs.angles, state=inputs.state, **kwargs)
    weights = torch.linspace(-1, 1, values.numel(), dtype=values.dtype).reshape(values.shape)
    leaves = [leaf for leaf in inputs.leaves if leaf.requires_grad]
    return values, *torch.autograd.grad((values * weights).sum(), leaves)


def without_state_gradient(inputs):
    if inputs.state is not None:
        inputs.state = inputs.state.detach()
    return inputs


# --- devices ---


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize("with_state", [True, False], ids=["state", "zero state"])
@pytest.mark.parametrize(
    "name", ["figure 3", "data into a CNOT's target", "an X or Z between a CNOT and its RY", "no gate"]
)
def test_lightning_gives_the_values_and_adjoint_gradients_of_the_torch_engine(name, with_state, dtype):
    inputs = random_inputs(CIRCUITS[name], 3, dtype=torch.float64, with_state=with_state)
    exact = values_and_gradients(TorchEngine(), CIRCUITS[name], without_state_gradient(inputs))
    inputs = random_inputs(CIRCUITS[name], 3, dtype=dtype, with_state=with_state)
    ours = values_and_gradients(PennyLaneEngine("lightning.qubit"), CIRCUITS[name], without_state_gradient(inputs))
    for mine, theirs in zip(ours, exact, strict=True):
        assert mine.dtype == dtype
        torch.testing.assert_close(mine.double(), theirs, rtol=0, atol=ENGINE_ATOL[dtype])


def test_lightning_shifts_parameters_where_it_has_no_derivatives():
    inputs = random_inputs(SMALL, 2, dtype=torch.float64, with_state=False)
    results = []
    for engine in (PennyLaneEngine("lightning.qubit"), TorchEngine()):
        joint = engine.probabilities(SMALL, inputs.parameters, angles=inputs.angles, wires=[2, 0])
        results.append((joint, *torch.autograd.grad(joint.square().sum(), inputs.leaves)))
    for mine, theirs in zip(*results, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=ENGINE_ATOL[torch.float64])


@pytest.mark.parametrize("with_state", [True, False], ids=["state", "zero state"])
@pytest.mark.parametrize("name", GENERAL_CIRCUITS)
def test_lightning_runs_all_gates(name, with_state):
    inputs = random_inputs(GENERAL_CIRCUITS[name], 3, dtype=torch.float64, with_state=with_state)
    inputs = without_state_gradient(inputs)
    if any(leaf.requires_grad and leaf.numel() for leaf in inputs.leaves):
        exact = values_and_gradients(TorchEngine(), GENERAL_CIRCUITS[name], inputs)
        ours = values_and_gradients(PennyLaneEngine("lightning.qubit"), GENERAL_CIRCUITS[name], inputs)
        for mine, theirs in zip(ours, exact, strict=True):
            torch.testing.assert_close(mine, theirs, rtol=0, atol=ENGINE_ATOL[torch.float64])


@pytest.mark.parametrize("name", GENERAL_CIRCUITS)
def test_parameter_shifts_of_all_gates_give_exact_gradients(name):
    """Two values for a plain rotation, four for a controlled one."""
    circuit = GENERAL_CIRCUITS[name]
    inputs = random_inputs(circuit, 2, dtype=torch.float64, with_state=False)
    shifting = PennyLaneEngine("default.qubit")
    shifting._gradient_method = lambda _: "parameter-shift"
    exact = values_and_gradients(ReferenceEngine(), circuit, inputs)
    for mine, theirs in zip(values_and_gradients(shifting, circuit, inputs), exact, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=ENGINE_ATOL[torch.float64])


def test_state_gradients_are_refused_where_there_are_none():
    inputs = random_inputs(CIRCUITS["figure 3"], 1, dtype=torch.float64, with_state=True)
    for device, options in (("lightning.qubit", {}), ("default.qubit", {"shots": 10})):
        with pytest.raises(ValueError, match="gives no gradients with respect to the initial state"):
            PennyLaneEngine(device).expectation(CIRCUITS["figure 3"], inputs.parameters, state=inputs.state, **options)


def test_more_than_fits_into_a_batch_is_run_in_parts(monkeypatch):
    inputs = random_inputs(SMALL, 7, dtype=torch.float64, with_state=True)
    inputs = without_state_gradient(inputs)
    exact = values_and_gradients(TorchEngine(), SMALL, inputs)
    monkeypatch.setattr("qlit.engines.pennylane_engine._MOST_AMPLITUDES", 3 * 2**3)
    ours = values_and_gradients(PennyLaneEngine("lightning.qubit"), SMALL, inputs)
    for mine, theirs in zip(ours, exact, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=ENGINE_ATOL[torch.float64])


# --- channels ---


@pytest.mark.parametrize("noise", [DepolarizingNoise(0.03, 0.2), DepolarizingNoise(0, 1), DepolarizingNoise(1, 0)])
@pytest.mark.parametrize(
    "circuit",
    [CIRCUITS["an X or Z between a CNOT and its RY"], GENERAL_CIRCUITS["controlled rotations"]],
    ids=["RY, CNOT, X and Z", "all gates"],
)
def test_channels_are_those_of_the_definition(noise, circuit):
    inputs = random_inputs(circuit, 2, dtype=torch.float64, with_state=True)
    ours = PennyLaneEngine("default.mixed").expectation(
        circuit, inputs.parameters, angles=inputs.angles, state=inputs.state, noise=noise
    )
    for b in range(2):
        psi = inputs.state[b].detach().numpy().astype(complex)
        rho = np.outer(psi, psi)
        for gate in circuit:
            theta = gate.value or 0.0
            if gate.value is None and gate.is_rotation:
                slot = inputs.parameters[gate.parameter] if gate.angle is None else inputs.angles[b, gate.angle]
                theta = slot.item()
            unitary = gate_matrix(gate, 3, theta)
            rho = depolarised(unitary @ rho @ unitary.conj().T, gate, noise, 3)
        expected = [np.trace(on_register(3, {wire: PAULIS[3]}) @ rho).real for wire in range(3)]
        np.testing.assert_allclose(ours[b].detach().numpy(), expected, rtol=0, atol=1e-10)


def test_gradients_through_channels_are_those_of_parameter_shifts():
    noise = DepolarizingNoise(0.02, 0.1)
    inputs = random_inputs(SMALL, 2, dtype=torch.float64, with_state=False)
    engine = PennyLaneEngine("default.mixed")
    exact = values_and_gradients(engine, SMALL, inputs, noise=noise)
    shifting = PennyLaneEngine("default.mixed")
    shifting._gradient_method = lambda _: "parameter-shift"
    shifted = values_and_gradients(shifting, SMALL, inputs, noise=noise)
    for mine, theirs in zip(shifted, exact, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=ENGINE_ATOL[torch.float64])
    noiseless = values_and_gradients(engine, SMALL, inputs)
    exactly = ReferenceEngine().expectation(SMALL, inputs.parameters, angles=inputs.angles)
    torch.testing.assert_close(noiseless[0], exactly, rtol=0, atol=ENGINE_ATOL[torch.float64])
    assert (noiseless[0] - exact[0]).abs().max() > 0.05


# --- shots ---


@pytest.mark.parametrize("most_bits", [pennylane_engine._MOST_BITS, 3 * 1501, 3 * 2 * SHOTS])
@pytest.mark.parametrize("device", ["default.qubit,seed=1", "default.mixed,seed=1", "lightning.qubit,seed=1"])
def test_shots_scatter_around_the_exact_value(device, most_bits, monkeypatch):
    monkeypatch.setattr(pennylane_engine, "_MOST_BITS", most_bits)  # in one go, a sample's in portions, two samples'
    inputs = random_inputs(SMALL, 30, dtype=torch.float64, with_state=False)
    with torch.no_grad():
        arguments = {"angles": inputs.angles, "wires": [2, 0]}
        exact = NativeEngine().expectation(SMALL, inputs.parameters, **arguments)
        estimates = PennyLaneEngine(device).expectation(SMALL, inputs.parameters, **arguments, shots=SHOTS)
        joint = PennyLaneEngine(device).probabilities(SMALL, inputs.parameters, **arguments, shots=SHOTS)
    sigmas = ((1 - exact.square()) / SHOTS).sqrt()
    deviations = (estimates - exact) / sigmas
    assert deviations.abs().max() < SHOT_SIGMAS
    assert 0.5 < deviations.std() < 2  # as wide as counting is
    counts = (1 + estimates) * SHOTS / 2
    torch.testing.assert_close(counts, counts.round())
    torch.testing.assert_close(joint.sum(dim=1), torch.ones(30, dtype=torch.float64))
    assert (joint[:, :2].sum(dim=1) * 2 - 1 - exact[:, 0]).abs().div(sigmas[:, 0]).max() < SHOT_SIGMAS


def test_gradients_from_shots_scatter_around_those_of_the_adjoint_method():
    inputs = random_inputs(SMALL, 4, dtype=torch.float64, with_state=False)
    exact = values_and_gradients(TorchEngine(), SMALL, inputs)
    ours = values_and_gradients(PennyLaneEngine("default.qubit,seed=2"), SMALL, inputs, shots=SHOTS)
    weights = torch.linspace(-1, 1, 12, dtype=torch.float64).reshape(4, 3)
    num_gates_of = (_reads(SMALL, "parameter"), _reads(SMALL, "angle"))
    for mine, theirs, num_gates in zip(ours[1:], exact[1:], num_gates_of, strict=True):
        # Half a difference of two estimates has a variance of at most 1 / (2 S), and the <Z> of a sample, though
        # measured together, add up to at most the sum of their weights' sizes.
        variance = weights.abs().sum(dim=1).square() / (2 * SHOTS)
        sigma = (num_gates * (variance.sum() if mine.ndim == 1 else variance[:, None])).sqrt()
        assert ((mine - theirs).abs() < SHOT_SIGMAS * sigma).all()
        assert (mine - theirs).abs().max() > 0.05 * sigma.max()


def _reads(circuit, kind):
    """Gates that read each slot."""
    slots = [getattr(gate, kind) for gate in circuit if getattr(gate, kind) is not None]
    return torch.bincount(torch.tensor(slots))


@pytest.mark.parametrize("angles_train", [True, False])
def test_the_circuits_told_beforehand_are_those_that_the_device_counts(angles_train):
    engine = PennyLaneEngine("default.qubit")
    inputs = random_inputs(SMALL, 5, dtype=torch.float64, with_state=False)
    angles = inputs.angles.detach().requires_grad_(angles_train)
    with qml.Tracker(engine._device_with(3)) as tracker:
        values = engine.expectation(SMALL, inputs.parameters, angles=angles, shots=100)
        assert tracker.totals["executions"] == 5
        values.sum().backward()
    told = engine.gradient_circuits(SMALL, by_angles=angles_train, shots=100)
    assert told == 2 * (SMALL.num_one_qubit_gates if angles_train else SMALL.num_one_qubit_gates - 2 * 3)
    assert tracker.totals["executions"] == 5 * (1 + told) == engine.num_sent
    assert tracker.totals["shots"] == 100 * 5 * (1 + told)


def test_controlled_rotations_need_four_circuits_each():
    circuit = GENERAL_CIRCUITS["controlled rotations"]
    engine = PennyLaneEngine("default.qubit")
    inputs = random_inputs(circuit, 5, dtype=torch.float64, with_state=False)
    with qml.Tracker(engine._device_with(3)) as tracker:
        engine.expectation(circuit, inputs.parameters, angles=inputs.angles, shots=100).sum().backward()
    told = engine.gradient_circuits(circuit, by_angles=True, shots=100)
    assert told == 4 * 6
    assert engine.gradient_circuits(circuit, by_angles=False, shots=100) == 4 * 3
    assert tracker.totals["executions"] == 5 * (1 + told)


def test_exact_gradients_of_simulators_take_no_circuits_of_their_own():
    for device in ("default.qubit", "default.mixed", "lightning.qubit"):
        assert PennyLaneEngine(device).gradient_circuits(SMALL, by_angles=True, shots=None) == 0
    assert PennyLaneEngine("ionq.qpu").gradient_circuits(SMALL, by_angles=True, shots=None) > 0


# --- what is refused ---


def test_a_device_elsewhere_wants_shots_and_what_is_missing_is_told():
    engine = PennyLaneEngine("ionq.qpu")
    circuit, parameters = Circuit(2, (ry(0, parameter=0), cnot(0, 1))), torch.zeros(1)
    with pytest.raises(ValueError, match=r"only estimates from shots: use it for a PQC with `sampler: device`"):
        engine.expectation(circuit, parameters)
    with pytest.raises(ValueError, match=r"pip install pennylane-ionq|set the environment variable IONQ_API_KEY"):
        engine.expectation(circuit, parameters, shots=10)
    with pytest.raises(ValueError, match=r"`shots >= 1` must hold, but got shots=0"):
        PennyLaneEngine().expectation(circuit, parameters, shots=0)
    with pytest.raises(ValueError, match=r"There is no PennyLane device 'no\.such' here"):
        PennyLaneEngine("no.such").expectation(circuit, parameters, shots=10)


def test_options_a_device_does_not_know_are_refused():
    with pytest.raises(ValueError, match=r"Device 'default.qubit' cannot be made with \{'speed': 3\}: .*speed"):
        PennyLaneEngine("default.qubit,speed=3").expectation(SMALL, torch.zeros(18), angles=torch.zeros(1, 3))


def test_a_device_elsewhere_that_fails_is_told_in_one_sentence_without_its_key(monkeypatch):
    """default.qubit in the part of a QPU whose vendor refuses the key."""
    engine = PennyLaneEngine("ionq.qpu")
    device = qml.device("default.qubit", wires=2)
    monkeypatch.setattr(engine, "_device_with", lambda _: device)
    monkeypatch.setenv("IONQ_API_KEY", "s3cr3t")

    def refuse(*_, **__):
        raise ConnectionError("401:\n  key s3cr3t is not valid")

    circuit, parameters = Circuit(2, (ry(0, parameter=0), cnot(0, 1))), torch.zeros(1)
    assert engine.expectation(circuit, parameters, shots=10).tolist() == [[1, 1]]
    monkeypatch.setattr(qml, "execute", refuse)
    with pytest.raises(
        ValueError, match=r"^Device 'ionq.qpu' did not run the circuits: ConnectionError: 401: key \*\*\* is"
    ):
        engine.expectation(circuit, parameters, shots=10)
