"""What every engine must do. A new engine joins by adding a line to ENGINES."""

from functools import cache

import pytest
import torch
from engines.cases import CIRCUITS, GENERAL_CIRCUITS, random_circuit, random_general_circuit, random_inputs
from engines.cuda_on_cpu.cpu_kernels import every_layout
from engines.errors import as_gates, drawn_errors
from tolerances import ENGINE_ATOL

from qlit.circuits import DepolarizingNoise, reuploading_circuit
from qlit.engines import (
    DensityMatrixEngine,
    Engine,
    NativeEngine,
    PennyLaneEngine,
    ReferenceEngine,
    TorchEngine,
    TorchQuantumEngine,
    torchquantum_copy,
)

ENGINES = [
    TorchEngine(),
    NativeEngine(),
    DensityMatrixEngine(),
    PennyLaneEngine("default.qubit"),
    *every_layout(),
    *([TorchQuantumEngine()] if torchquantum_copy.is_installed() else []),  # as `make conformance` has it
]
REFERENCE = ReferenceEngine()

every_engine = pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.name)
every_general_engine = pytest.mark.parametrize(
    "engine", [engine for engine in ENGINES if engine.capabilities.all_gates], ids=lambda engine: engine.name
)
every_dtype = pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)


def values_and_gradients(engine: Engine, circuit, inputs, weights, **kwargs):
    values = engine.expectation(circuit, inputs.parameters, angles=inputs.angles, state=inputs.state, **kwargs)
    return values, *torch.autograd.grad((values * weights.to(values)).sum(), inputs.leaves, allow_unused=True)


@cache  # the twin is slow, and every engine and type is compared with it
def twin_of(circuit, batch_size, with_state, seed):
    """Random weights of the values, and the twin's values and gradients."""
    inputs = random_inputs(circuit, batch_size, dtype=torch.float64, with_state=with_state, seed=seed)
    single = not with_state and inputs.angles is None
    generator = torch.Generator().manual_seed(seed)
    weights = torch.randn(1 if single else batch_size, circuit.num_qubits, generator=generator, dtype=torch.float64)
    return weights, values_and_gradients(REFERENCE, circuit, inputs, weights)


def assert_agrees_with_the_twin(engine: Engine, circuit, dtype, *, batch_size=3, with_state=True, seed=0):
    weights, twin = twin_of(circuit, batch_size, with_state, seed)
    rounded = random_inputs(circuit, batch_size, dtype=dtype, with_state=with_state, seed=seed)
    ours = values_and_gradients(engine, circuit, rounded, weights)
    for mine, theirs in zip(ours, twin, strict=True):
        assert mine.dtype == dtype
        torch.testing.assert_close(mine.double(), theirs, rtol=0, atol=ENGINE_ATOL[dtype] * max(1, len(circuit) / 50))


@every_dtype
@every_engine
@pytest.mark.parametrize("with_state", [True, False], ids=["state", "zero state"])
@pytest.mark.parametrize("circuit", CIRCUITS.values(), ids=CIRCUITS.keys())
def test_values_and_gradients_agree_with_the_dense_twin(engine, circuit, with_state, dtype):
    assert_agrees_with_the_twin(engine, circuit, dtype, with_state=with_state)


@every_engine
@pytest.mark.parametrize("seed", range(40))
def test_random_circuits_agree_with_the_dense_twin(engine, seed):
    circuit = random_circuit(seed)
    assert_agrees_with_the_twin(
        engine, circuit, torch.float64, batch_size=1 + seed % 5, with_state=seed % 2 == 0, seed=seed
    )


@every_dtype
@every_general_engine
@pytest.mark.parametrize("with_state", [True, False], ids=["state", "zero state"])
@pytest.mark.parametrize("circuit", GENERAL_CIRCUITS.values(), ids=GENERAL_CIRCUITS.keys())
def test_values_and_gradients_of_all_gates_agree_with_the_dense_twin(engine, circuit, with_state, dtype):
    assert_agrees_with_the_twin(engine, circuit, dtype, with_state=with_state)


@every_general_engine
@pytest.mark.parametrize("seed", range(40))
def test_random_circuits_of_all_gates_agree_with_the_dense_twin(engine, seed):
    circuit = random_general_circuit(seed)
    assert_agrees_with_the_twin(
        engine, circuit, torch.float64, batch_size=1 + seed % 5, with_state=seed % 2 == 0, seed=seed
    )


@every_general_engine
def test_probabilities_of_all_gates_agree_with_the_dense_twin_with_gradients(engine):
    circuit = GENERAL_CIRCUITS["controlled rotations"]
    inputs = random_inputs(circuit, 3, dtype=torch.float64, with_state=False)
    for wires in ([0], [2, 1], None):
        results = []
        for each in (engine, REFERENCE):
            joint = each.probabilities(circuit, inputs.parameters, angles=inputs.angles, wires=wires)
            results.append((joint, *torch.autograd.grad(joint.square().sum(), inputs.leaves)))
        for mine, theirs in zip(*results, strict=True):
            torch.testing.assert_close(mine, theirs, rtol=0, atol=ENGINE_ATOL[torch.float64])


@every_engine
@pytest.mark.parametrize("circuit", GENERAL_CIRCUITS.values(), ids=GENERAL_CIRCUITS.keys())
def test_gates_that_an_engine_lacks_are_refused_with_the_engines_that_run_them(engine, circuit):
    if engine.capabilities.all_gates:
        engine.compile(circuit)
        return
    lacking = next(gate for gate in circuit if not gate.is_basic)
    with pytest.raises(
        ValueError,
        match=rf"runs RY, CNOT, X and Z in real arithmetic, but the circuit has.*{lacking.name}.*: "
        r"take `engine: auto`, or torch, density_matrix",
    ):
        engine.compile(circuit)


@every_engine
@pytest.mark.parametrize("theta", [0.0, torch.pi, -torch.pi, 2 * torch.pi, torch.pi / 2, torch.pi + 1e-7])
def test_special_angles_are_exact(engine, theta):
    circuit = CIRCUITS["figure 3"]
    parameters = torch.full((circuit.num_parameters,), theta, dtype=torch.float64, requires_grad=True)
    state = random_inputs(circuit, 2, dtype=torch.float64, with_state=True).state
    results = []
    for each in (engine, REFERENCE):
        values = each.expectation(circuit, parameters, state=state)
        results.append((values, *torch.autograd.grad(values.sum(), [parameters, state])))
    for mine, theirs in zip(*results, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=ENGINE_ATOL[torch.float64])


@every_engine
@pytest.mark.parametrize("batch_size", [0, 1, 2, 16, 33])
def test_any_batch_size_gives_each_sample_its_own_result(engine, batch_size):
    circuit = reuploading_circuit(4, 2, 1, 1, 2)
    inputs = random_inputs(circuit, batch_size, dtype=torch.float64, with_state=True)
    together = engine.expectation(circuit, inputs.parameters, angles=inputs.angles, state=inputs.state)
    assert together.shape == (batch_size, 4)
    gradients = torch.autograd.grad(together.sum(), inputs.leaves)
    assert [tuple(g.shape) for g in gradients] == [tuple(leaf.shape) for leaf in inputs.leaves]
    for b in range(batch_size):
        alone = engine.expectation(
            circuit, inputs.parameters, angles=inputs.angles[b : b + 1], state=inputs.state[b : b + 1]
        )
        torch.testing.assert_close(alone[0], together[b], rtol=0, atol=ENGINE_ATOL[torch.float64])


@every_engine
def test_measured_wires_come_in_the_callers_order(engine):
    circuit = CIRCUITS["encoder"]
    inputs = random_inputs(circuit, 3, dtype=torch.float64, with_state=True)
    everything = engine.expectation(circuit, inputs.parameters, state=inputs.state)
    some = engine.expectation(circuit, inputs.parameters, state=inputs.state, wires=[4, 0, 2])
    torch.testing.assert_close(some, everything[:, [4, 0, 2]], rtol=0, atol=ENGINE_ATOL[torch.float64])
    joint = engine.probabilities(circuit, inputs.parameters, state=inputs.state, wires=[4, 0])
    z_of_4 = joint[:, 0] + joint[:, 1] - joint[:, 2] - joint[:, 3]
    z_of_0 = joint[:, 0] - joint[:, 1] + joint[:, 2] - joint[:, 3]
    torch.testing.assert_close(
        torch.stack((z_of_4, z_of_0), dim=1), everything[:, [4, 0]], rtol=0, atol=ENGINE_ATOL[torch.float64]
    )


@every_engine
def test_probabilities_agree_with_the_dense_twin_with_gradients(engine):
    circuit = CIRCUITS["re-uploading, dense"]
    inputs = random_inputs(circuit, 3, dtype=torch.float64, with_state=False)
    for wires in ([0], [2, 1], None):
        results = []
        for each in (engine, REFERENCE):
            joint = each.probabilities(circuit, inputs.parameters, angles=inputs.angles, wires=wires)
            torch.testing.assert_close(joint.sum(dim=1), torch.ones(3, dtype=torch.float64))
            results.append((joint, *torch.autograd.grad(joint.square().sum(), inputs.leaves)))
        for mine, theirs in zip(*results, strict=True):
            torch.testing.assert_close(mine, theirs, rtol=0, atol=ENGINE_ATOL[torch.float64])


@every_engine
def test_gradients_agree_with_the_parameter_shift_rule(engine):
    """arXiv:1811.11184: the derivative is half the difference at +- pi / 2, for parameters read by one gate."""
    circuit = CIRCUITS["encoder"]
    inputs = random_inputs(circuit, 2, dtype=torch.float64, with_state=True)

    def total(parameters):
        return engine.expectation(circuit, parameters, state=inputs.state, wires=[0]).sum()

    (gradient,) = torch.autograd.grad(total(inputs.parameters), inputs.parameters)
    with torch.no_grad():
        for k in range(0, circuit.num_parameters, 7):
            shift = torch.zeros_like(inputs.parameters)
            shift[k] = torch.pi / 2
            shifted = (total(inputs.parameters + shift) - total(inputs.parameters - shift)) / 2
            torch.testing.assert_close(gradient[k], shifted, rtol=0, atol=ENGINE_ATOL[torch.float64])


@every_engine
def test_the_same_call_gives_the_same_bits(engine):
    circuit = CIRCUITS["re-uploading"]
    inputs = random_inputs(circuit, 5, dtype=torch.float32, with_state=False)
    weights = torch.ones(5, 5)
    first, second = (values_and_gradients(engine, circuit, inputs, weights) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


@every_engine
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"parameters": torch.zeros(3)}, r"`parameters` must have shape \(35,\), but has \(3,\)"),
        ({"parameters": torch.zeros(35, dtype=torch.float16)}, "computes in float32, float64"),
        ({"angles": None}, "reads 5 input angles a sample, but none were given"),
        ({"angles": torch.zeros(2, 4)}, r"`angles` must have shape \(2, 5\)"),
        ({"angles": torch.zeros(2, 5, dtype=torch.float64)}, "must share type and device"),
        ({"state": torch.zeros(2, 31)}, r"`state` must have shape \(2, 32\)"),
        ({"state": torch.zeros(3, 32)}, r"`state` must have shape \(2, 32\)"),
        ({"wires": []}, "at least one and distinct"),
        ({"wires": [1, 1]}, "at least one and distinct"),
        ({"wires": [5]}, "0 <= wire < 5"),
        ({"errors": torch.zeros(2, 5, dtype=torch.uint8)}, r"`errors` must have shape \(2, 155\)"),
        ({"errors": torch.zeros(2, 155)}, "`errors` must be torch.uint8 on the CPU, but is torch.float32 on cpu"),
    ],
)
def test_what_does_not_fit_is_refused(engine, change, message):
    arguments = {"parameters": torch.zeros(35), "angles": torch.zeros(2, 5), "state": None, "wires": None} | change
    with pytest.raises(ValueError, match=message):
        engine.expectation(reuploading_circuit(5, 4, 2, 1, 1), arguments.pop("parameters"), **arguments)


@every_engine
def test_a_circuit_too_wide_is_refused(engine):
    width = engine.capabilities.max_qubits + 1
    with pytest.raises(ValueError, match=f"at most {width - 1} qubits"):
        engine.expectation(type(CIRCUITS["one RY"])(width, ()), torch.zeros(0))


@every_engine
def test_what_an_engine_cannot_do_is_refused(engine):
    circuit, parameters = CIRCUITS["figure 3"], torch.zeros(36)
    if not engine.capabilities.channels:
        with pytest.raises(ValueError, match=r"runs no exact noise channels. Engine 'density_matrix' does"):
            engine.expectation(circuit, parameters, noise=DepolarizingNoise(0.1, 0.1))
    if not engine.capabilities.samples:
        with pytest.raises(ValueError, match=r"draws no shots itself. Take `sampler: gaussian`"):
            engine.expectation(circuit, parameters, shots=100)
    else:
        with pytest.raises(ValueError, match=r"`shots >= 1` must hold, but got shots=0"):
            engine.expectation(circuit, parameters, shots=0)


@every_engine
@pytest.mark.parametrize("with_state", [True, False], ids=["state", "zero state"])
@pytest.mark.parametrize("circuit", CIRCUITS.values(), ids=CIRCUITS.keys())
def test_pauli_errors_are_gates_that_differ_from_sample_to_sample(engine, circuit, with_state):
    assert_errors_are_gates(engine, circuit, batch_size=5, with_state=with_state)


@every_engine
@pytest.mark.parametrize("seed", range(20))
def test_pauli_errors_in_random_circuits_are_gates(engine, seed):
    assert_errors_are_gates(engine, random_circuit(seed), batch_size=1 + seed % 5, with_state=seed % 2 == 0, seed=seed)


@every_general_engine
@pytest.mark.parametrize("with_state", [True, False], ids=["state", "zero state"])
@pytest.mark.parametrize("circuit", GENERAL_CIRCUITS.values(), ids=GENERAL_CIRCUITS.keys())
def test_pauli_errors_among_all_gates_are_gates(engine, circuit, with_state):
    assert_errors_are_gates(engine, circuit, batch_size=5, with_state=with_state)


@every_general_engine
@pytest.mark.parametrize("seed", range(20))
def test_pauli_errors_in_random_circuits_of_all_gates_are_gates(engine, seed):
    circuit = random_general_circuit(seed)
    assert_errors_are_gates(engine, circuit, batch_size=1 + seed % 5, with_state=seed % 2 == 0, seed=seed)


def assert_errors_are_gates(engine: Engine, circuit, *, batch_size, with_state, seed=0):
    inputs = random_inputs(circuit, batch_size, dtype=torch.float64, with_state=with_state, seed=seed)
    errors, weights, expected = erroneous_twin_of(circuit, batch_size, with_state, seed)
    ours = values_and_gradients(engine, circuit, inputs, weights, errors=errors)
    outcomes = engine.probabilities(
        circuit,
        inputs.parameters,
        angles=inputs.angles,
        state=inputs.state,
        wires=(1, 0)[-circuit.num_qubits :],
        errors=errors,
    )
    for mine, theirs in zip((outcomes, *ours), expected, strict=True):
        torch.testing.assert_close(torch.zeros_like(theirs) if mine is None else mine, theirs, rtol=0, atol=1e-10)


@cache
def erroneous_twin_of(circuit, batch_size, with_state, seed):
    """Errors, weights of the values, and the twin's probabilities, values and gradients with the errors as gates."""
    inputs = random_inputs(circuit, batch_size, dtype=torch.float64, with_state=with_state, seed=seed)
    errors = drawn_errors(circuit, batch_size, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    weights = torch.randn(batch_size, circuit.num_qubits, generator=generator, dtype=torch.float64)
    outcomes, values, by_leaf = [], [], [torch.zeros_like(leaf) for leaf in inputs.leaves]
    for b in range(batch_size):
        own = {
            name: None if (whole := getattr(inputs, name)) is None else whole[b : b + 1] for name in ("angles", "state")
        }
        with_gates = as_gates(circuit, errors[b])
        value = REFERENCE.expectation(with_gates, inputs.parameters, **own)
        values.append(value)
        gradients = torch.autograd.grad((value * weights[b]).sum(), inputs.leaves, allow_unused=True)
        for total, gradient in zip(by_leaf, gradients, strict=True):
            total += 0 if gradient is None else gradient
        outcomes.append(
            REFERENCE.probabilities(with_gates, inputs.parameters, **own, wires=(1, 0)[-circuit.num_qubits :])
        )
    return errors, weights, (torch.cat(outcomes), torch.cat(values), *by_leaf)
