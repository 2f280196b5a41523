"""The compiled engine: every code path it has for a processor, and what only a compiled engine can get wrong."""

import multiprocessing
import os
import subprocess
import sys
import threading

import psutil
import pytest
import torch
from engines.cases import CIRCUITS, random_circuit, random_inputs, strongly_entangling
from engines.errors import drawn_errors
from engines.test_conformance import assert_agrees_with_the_twin, values_and_gradients
from tolerances import ENGINE_ATOL

from qlit.circuits import Circuit, cnot, crz, encoder_circuit, h, reuploading_circuit, rx, ry, x, z
from qlit.engines import (
    AutoEngine,
    CircuitAngles,
    NativeEngine,
    ReferenceEngine,
    TorchEngine,
    engine_by_name,
    native_engine,
)

KERNELS = native_engine._extension.available_kernels() if native_engine.is_built() else []
every_kernel = pytest.mark.parametrize("kernels", KERNELS)
every_dtype = pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)


@pytest.fixture
def threads():
    """Sets torch's number of threads for a test."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def test_the_extension_was_built():
    """All of this file would vanish without it."""
    assert native_engine.is_built(), native_engine.why_not_built()
    assert KERNELS[-1] == "plain"


# --- values and gradients ---


@every_kernel
@every_dtype
@pytest.mark.parametrize("num_qubits", range(2, 8))
def test_every_pair_of_wires(kernels, dtype, num_qubits):
    """CNOT and rotation between each two wires, behind a layer that makes all amplitudes differ."""
    gates = [ry(wire, parameter=wire) for wire in range(num_qubits)]
    for control in range(num_qubits):
        for target in range(num_qubits):
            if control != target:
                gates += [cnot(control, target), ry(target, parameter=(3 * control + target) % num_qubits)]
    circuit = Circuit(num_qubits, tuple(gates))
    assert_agrees_with_the_twin(NativeEngine(kernels), circuit, dtype, batch_size=2)


@every_kernel
@every_dtype
@pytest.mark.parametrize("away", [0.0, 1e-7, -1e-7, 1e-3, -1e-3])
def test_angles_at_and_around_multiples_of_pi(kernels, dtype, away):
    circuit = reuploading_circuit(3, 2, 1, 1, 2)
    turns = torch.arange(circuit.num_parameters) % 11 - 5
    inputs = random_inputs(circuit, 9, dtype=torch.float64, with_state=True)
    reference = random_inputs(circuit, 9, dtype=torch.float64, with_state=True)
    for each in (inputs, reference):
        with torch.no_grad():
            each.parameters.copy_(turns * torch.pi / 2 + away)
            each.angles.copy_((torch.arange(27).reshape(9, 3) % 9 - 4) * torch.pi + away)
    weights = torch.linspace(-1, 1, 27, dtype=torch.float64).reshape(9, 3)
    twin = values_and_gradients(engine_by_name("reference"), circuit, reference, weights)
    for leaf in (inputs.parameters, inputs.angles, inputs.state):
        leaf.data = leaf.data.to(dtype)
    ours = values_and_gradients(NativeEngine(kernels), circuit, inputs, weights)
    for mine, theirs in zip(ours, twin, strict=True):
        torch.testing.assert_close(mine.double(), theirs, rtol=0, atol=3 * ENGINE_ATOL[dtype])


@every_kernel
@pytest.mark.parametrize("angle", [1e4, -123456.789, 1e9, 3e15])
def test_large_angles_are_reduced_exactly(kernels, angle):
    circuit = CIRCUITS["one RY"]
    theta = torch.tensor([angle], dtype=torch.float64, requires_grad=True)
    value = NativeEngine(kernels).expectation(circuit, theta)
    torch.testing.assert_close(value[0, 0], theta.detach().cos()[0], rtol=0, atol=1e-10)
    (gradient,) = torch.autograd.grad(value.sum(), theta)
    torch.testing.assert_close(gradient, -theta.detach().sin(), rtol=0, atol=1e-10)


@every_kernel
@every_dtype
@pytest.mark.parametrize("batch_size", [*range(1, 34)])
def test_every_batch_size(kernels, dtype, batch_size):
    """A short circuit: what a batch is cut into does not depend on the gates, and the twin takes its time."""
    circuit = Circuit(3, (*reuploading_circuit(3, 1, 0, 0, 1).gates[:9], ry(0, angle=1), cnot(0, 2), x(1), z(2)))
    assert_agrees_with_the_twin(
        NativeEngine(kernels), circuit, dtype, batch_size=batch_size, with_state=batch_size % 2 == 0, seed=batch_size
    )


@every_kernel
@every_dtype
@pytest.mark.parametrize("seed", range(40, 50))
def test_random_circuits(kernels, dtype, seed):
    assert_agrees_with_the_twin(NativeEngine(kernels), random_circuit(seed), dtype, batch_size=2, seed=seed)


@every_kernel
@pytest.mark.parametrize("num_qubits", [9, 11, 13, 16])
def test_wide_circuits_agree_with_the_torch_engine(kernels, num_qubits):
    """Wide enough for blocks that fit a first-level cache, and windows that fit a second-level one."""
    circuit = encoder_circuit(num_qubits, connectivity=3, num_layers=1)
    circuit += Circuit(num_qubits, tuple(g(w) for w in range(0, num_qubits, 2) for g in (x, z)))
    circuit += encoder_circuit(num_qubits, connectivity=num_qubits - 1, num_layers=0)
    inputs = random_inputs(circuit, 3, dtype=torch.float64, with_state=True, seed=num_qubits)
    weights = torch.linspace(-1, 1, 3 * num_qubits, dtype=torch.float64).reshape(3, num_qubits)
    ours = values_and_gradients(NativeEngine(kernels), circuit, inputs, weights)
    theirs = values_and_gradients(TorchEngine(), circuit, inputs, weights)
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other, rtol=0, atol=ENGINE_ATOL[torch.float64])


@every_kernel
@every_dtype
@pytest.mark.parametrize("batch_size", [1, 7, 8, 17, 33])
@pytest.mark.parametrize(
    "circuit",
    [
        encoder_circuit(9, connectivity=2, num_layers=1),
        reuploading_circuit(6, 2, 1, 1, 2),
        # CNOTs that share a control commute, but not with the errors between them.
        Circuit(4, (*(cnot(0, wire) for wire in (1, 2, 3)), *(ry(wire, parameter=wire) for wire in range(4)))),
    ],
    ids=["encoder", "re-uploading", "star"],
)
def test_errors_in_every_sample_of_every_tile(kernels, dtype, circuit, batch_size):
    inputs = random_inputs(circuit, batch_size, dtype=dtype, with_state=True)
    errors, weights = drawn_errors(circuit, batch_size), torch.ones(batch_size, circuit.num_qubits)
    ours = values_and_gradients(NativeEngine(kernels), circuit, inputs, weights, errors=errors)
    theirs = values_and_gradients(TorchEngine(), circuit, inputs, weights, errors=errors)
    for mine, other in zip(ours, theirs, strict=True):
        tolerance = ENGINE_ATOL[dtype] * max(1, len(circuit) / 50) * max(1, batch_size / 4)
        torch.testing.assert_close(mine, other, rtol=0, atol=tolerance)


def test_a_graph_with_errors_that_is_retained_can_be_swept_again():
    circuit = reuploading_circuit(5, 2, 1, 1, 1)
    inputs = random_inputs(circuit, 9, dtype=torch.float64, with_state=False)
    errors = drawn_errors(circuit, 9)
    values = NativeEngine().expectation(circuit, inputs.parameters, angles=inputs.angles, errors=errors)
    first = torch.autograd.grad(values.sum(), inputs.leaves, retain_graph=True)
    second = torch.autograd.grad(values.sum(), inputs.leaves)
    for a, b in zip(first, second, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-12)


@every_kernel
@pytest.mark.parametrize("wires", [[0], [5], [2, 0], [3, 5, 1], None])
def test_joint_probabilities_of_any_wires(kernels, wires):
    circuit = reuploading_circuit(6, 1, 1, 1, 3) + Circuit(6, (x(0), z(3), x(5), ry(5, angle=0)))
    results = []
    for engine in (NativeEngine(kernels), TorchEngine()):
        inputs = random_inputs(circuit, 11, dtype=torch.float64, with_state=True)
        joint = engine.probabilities(circuit, inputs.parameters, angles=inputs.angles, state=inputs.state, wires=wires)
        weights = torch.linspace(-1, 2, joint.numel(), dtype=torch.float64).reshape(joint.shape)
        results.append((joint, *torch.autograd.grad((joint * weights).sum(), inputs.leaves)))
    for mine, other in zip(*results, strict=True):
        torch.testing.assert_close(mine, other, rtol=0, atol=ENGINE_ATOL[torch.float64])


def test_kernels_of_all_processors_agree():
    circuit = reuploading_circuit(10, 2, 1, 1, 2)
    results = []
    for kernels in KERNELS:
        inputs = random_inputs(circuit, 16, dtype=torch.float64, with_state=False)
        weights = torch.ones(16, 10, dtype=torch.float64)
        results.append(values_and_gradients(NativeEngine(kernels), circuit, inputs, weights))
    for other in results[1:]:
        for mine, theirs in zip(results[0], other, strict=True):
            torch.testing.assert_close(mine, theirs, rtol=0, atol=ENGINE_ATOL[torch.float64])


# --- autograd ---


def test_a_retained_graph_can_be_swept_again():
    circuit = CIRCUITS["re-uploading"]
    inputs = random_inputs(circuit, 5, dtype=torch.float64, with_state=True)
    value = NativeEngine().expectation(circuit, inputs.parameters, angles=inputs.angles, state=inputs.state).sum()
    first, second, third = (torch.autograd.grad(value, inputs.leaves, retain_graph=True) for _ in range(3))
    for other in (second, third):
        for mine, again in zip(first, other, strict=True):
            torch.testing.assert_close(mine, again, rtol=0, atol=1e-12)


def test_a_second_derivative_is_refused():
    circuit = CIRCUITS["figure 3"]
    parameters = torch.zeros(circuit.num_parameters, requires_grad=True)
    value = NativeEngine().expectation(circuit, parameters).square().sum()
    (gradient,) = torch.autograd.grad(value, parameters, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


def test_only_the_gradients_that_are_wanted_are_given():
    circuit = CIRCUITS["re-uploading"]
    inputs = random_inputs(circuit, 4, dtype=torch.float32, with_state=True)
    angles, state = inputs.angles.detach(), inputs.state.detach()
    NativeEngine().expectation(circuit, inputs.parameters, angles=angles, state=state).sum().backward()
    assert inputs.parameters.grad is not None
    frozen = inputs.parameters.detach()
    inputs.angles.grad = None
    NativeEngine().expectation(circuit, frozen, angles=inputs.angles, state=state).sum().backward()
    assert inputs.angles.grad is not None


def test_evaluation_gives_the_values_of_training_and_keeps_nothing():
    circuit = CIRCUITS["re-uploading"]
    inputs = random_inputs(circuit, 20, dtype=torch.float32, with_state=False)
    engine = NativeEngine()
    trained = engine.expectation(circuit, inputs.parameters, angles=inputs.angles)
    with torch.inference_mode():
        evaluated = engine.expectation(circuit, inputs.parameters, angles=inputs.angles)
    assert evaluated.grad_fn is None
    assert torch.equal(trained, evaluated)


# --- threads and processes ---


@every_kernel
@every_dtype
def test_any_number_of_threads_gives_the_same_bits(threads, kernels, dtype):
    circuit = reuploading_circuit(9, 2, 1, 1, 2)
    weights = torch.linspace(-1, 1, 33 * 9).reshape(33, 9)
    results = []
    for num_threads in (1, 2, 3):
        threads(num_threads)
        inputs = random_inputs(circuit, 33, dtype=dtype, with_state=True)
        results.append(values_and_gradients(NativeEngine(kernels), circuit, inputs, weights))
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


def test_calls_from_several_python_threads_do_not_disturb_each_other(threads):
    threads(2)
    circuit = reuploading_circuit(7, 2, 1, 1, 1)
    weights = torch.ones(16, 7)
    inputs = [random_inputs(circuit, 16, dtype=torch.float32, with_state=False, seed=k) for k in range(4)]
    engine = NativeEngine()
    alone = [values_and_gradients(engine, circuit, each, weights) for each in inputs]
    together = [[] for _ in inputs]

    def work(k):
        for _ in range(20):
            together[k].append(values_and_gradients(engine, circuit, inputs[k], weights))

    workers = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for expected, found in zip(alone, together, strict=True):
        assert len(found) == 20
        assert all(torch.equal(a, b) for each in found for a, b in zip(expected, each, strict=True))


def _value_in_a_child(queue):
    queue.put(_value().tolist())


def _value():
    circuit = reuploading_circuit(6, 2, 1, 1, 1)
    inputs = random_inputs(circuit, 16, dtype=torch.float32, with_state=False)
    return NativeEngine().expectation(circuit, inputs.parameters, angles=inputs.angles).detach()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork.*:DeprecationWarning")
def test_a_forked_process_computes_what_its_parent_does(threads):
    threads(2)
    here = _value()  # the parent's threads are awake, its memory is in use
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    children = [context.Process(target=_value_in_a_child, args=(queue,)) for _ in range(2)]
    for child in children:
        child.start()
    found = [queue.get(timeout=60) for _ in children]
    for child in children:
        child.join(timeout=60)
    assert found == [here.tolist()] * 2
    assert torch.equal(_value(), here)


# --- memory ---

STEP = """
import re, sys, torch
from qlit.circuits import encoder_circuit, reuploading_circuit
from qlit.engines import NativeEngine
torch.set_num_threads(2)
def memory(name):
    return int(re.search(name + r":\\s+(\\d+) kB", open("/proc/self/status").read())[1]) * 1024
def step(num_qubits, num_layers):
    engine = NativeEngine()
    encoder = encoder_circuit(num_qubits, connectivity=1, num_layers=num_layers)
    pqc = reuploading_circuit(num_qubits, 1, num_layers, 1, 1)
    theta = [torch.full((c.num_parameters,), 0.1, requires_grad=True) for c in (encoder, pqc)]
    state = torch.full((16, 2**num_qubits), 2.0 ** (-num_qubits / 2))
    angles = engine.expectation(encoder, theta[0], state=state)
    del state
    engine.expectation(pqc, theta[1], angles=angles, wires=[0]).sum().backward()
step(4, 1)
before = memory("VmRSS")
step(int(sys.argv[1]), int(sys.argv[2]))
print((memory("VmHWM") - before) / (16 * 2 ** int(sys.argv[1]) * 4))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.skipif("QLIT_NATIVE_LIBRARY" in os.environ, reason="a sanitizer's shadow memory would be measured")
@pytest.mark.parametrize("num_layers", [1, 6])
def test_a_training_step_takes_less_than_four_batches_of_states(num_layers):
    """Encoder, PQC and both backward sweeps at 18 qubits, whatever the depth."""
    done = subprocess.run(
        [sys.executable, "-c", STEP, "18", str(num_layers)], check=True, capture_output=True, text=True
    )
    assert 2.5 < float(done.stdout) < 4


@pytest.mark.skipif("QLIT_NATIVE_LIBRARY" in os.environ, reason="sanitizers keep freed memory back")
def test_memory_does_not_grow_with_the_number_of_steps():
    circuit = reuploading_circuit(11, 1, 1, 1, 1)
    inputs = random_inputs(circuit, 16, dtype=torch.float32, with_state=False)
    weights = torch.ones(16, 11)
    process = psutil.Process()

    def resident_after(num_steps):
        for _ in range(num_steps):
            values_and_gradients(NativeEngine(), circuit, inputs, weights)
        return process.memory_info().rss

    before = resident_after(50)
    assert resident_after(400) - before < 2**20  # a batch of states is 128 KiB: eight of 400


# --- bad input ---


@pytest.mark.parametrize("name", ["parameters", "angles", "state"])
def test_what_is_not_contiguous_is_refused_with_the_way_out(name):
    circuit = reuploading_circuit(3, 1, 1, 1, 1)
    shapes = {"parameters": (circuit.num_parameters,), "angles": (4, 3), "state": (4, 8)}
    given = {key: torch.zeros(shape) for key, shape in shapes.items()}
    given[name] = torch.zeros(*shapes[name][:-1], 2 * shapes[name][-1])[..., ::2]
    with pytest.raises(ValueError, match=rf"reads contiguous tensors, but `{name}` .* Pass `{name}.contiguous\(\)`"):
        NativeEngine().expectation(circuit, given.pop("parameters"), **given)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize(
    ("name", "message"), [("parameters", "parameters number 5"), ("angles", "input angles number 7")]
)
def test_angles_that_are_not_finite_are_refused(name, message, value):
    circuit = reuploading_circuit(3, 1, 1, 1, 1)
    given = {"parameters": torch.zeros(circuit.num_parameters), "angles": torch.zeros(4, 3)}
    given[name].view(-1)[int(message[-1])] = value
    with pytest.raises(ValueError, match=f"must be finite, but among the {message} is"):
        NativeEngine().expectation(circuit, given["parameters"], angles=given["angles"])


def test_another_device_is_refused():
    with pytest.raises(ValueError, match=r"runs on cpu, but the parameters are on meta\. Engine 'torch' runs on any"):
        NativeEngine().expectation(CIRCUITS["one RY"], torch.zeros(1, device="meta"))


def test_more_than_the_memory_holds_is_refused_before_it_is_tried(monkeypatch):
    class Full:
        available = 100 * 2**20

    monkeypatch.setattr(psutil, "virtual_memory", Full)
    circuit = Circuit(20, (ry(0, parameter=0),))
    theta = torch.zeros(1, requires_grad=True)
    with pytest.raises(ValueError, match=r"a batch of 64 need 0\.\d GiB, but 0\.1 GiB are free\. Take fewer qubits"):
        NativeEngine().expectation(
            Circuit(20, (ry(0, angle=0), ry(1, parameter=0))), theta, angles=torch.zeros(64, 1), wires=[0]
        )
    assert NativeEngine().expectation(circuit, theta, wires=[0]).item() == 1  # one sample fits


def test_unknown_kernels_are_refused():
    with pytest.raises(ValueError, match=r"This processor has the kernels .*plain, but got kernels='sse9'"):
        NativeEngine("sse9")


# --- which engine is taken ---


def test_auto_takes_native_on_the_cpu_and_torch_elsewhere():
    auto = engine_by_name("auto")
    assert isinstance(auto, AutoEngine)
    assert auto.taken_on("cpu").name == "native"
    assert auto.taken_on("mps").name == "torch"
    assert auto.taken_on("cpu", Circuit(1, (ry(0, parameter=0),))).name == "native"
    assert auto.taken_on("cpu", Circuit(1, (rx(0, parameter=0),))).name == "torch"


def test_auto_runs_encoders_on_native_in_front_of_gates_that_native_lacks(monkeypatch):
    run = []
    expectation = NativeEngine._expectation
    monkeypatch.setattr(NativeEngine, "_expectation", lambda self, r: run.append(r.circuit) or expectation(self, r))
    encoder, pqc = encoder_circuit(3, connectivity=1, num_layers=1), strongly_entangling(3, 1)
    inputs = random_inputs(encoder, 2, dtype=torch.float64, with_state=True)
    theta, scale = torch.linspace(-1, 1, 9, dtype=torch.float64), torch.tensor(1.5, dtype=torch.float64)
    given = [CircuitAngles(encoder, inputs.parameters, scale, inputs.state)]
    results = []
    for engine in (AutoEngine(), ReferenceEngine()):
        values = engine.expectation(pqc, theta, angles=given)
        results.append((values, *torch.autograd.grad(values.sum(), inputs.leaves)))
    assert run == [encoder]
    for mine, theirs in zip(*results, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-10)


def test_gates_that_native_lacks_are_refused_in_one_sentence():
    circuit = Circuit(2, (h(0), crz(0, 1, parameter=0), ry(0, value=0.5), h(1)))
    with pytest.raises(
        ValueError,
        match=r"^Engine 'native' runs RY, CNOT, X and Z in real arithmetic, but the circuit "
        r"has H, CRZ, RY by a fixed angle: take `engine: auto`, or torch, density_matrix, torchquantum, "
        r"reference or pennylane:DEVICE, which run all gates.$",
    ):
        NativeEngine().compile(circuit)


NOT_BUILT = """
import torch
from qlit.circuits import Circuit, ry
from qlit.engines import engine_by_name
circuit = Circuit(1, (ry(0, parameter=0),))
for _ in range(3):
    print(engine_by_name("auto").expectation(circuit, torch.zeros(1)).item())
try:
    engine_by_name("native")
except ValueError as error:
    print(error)
"""


def test_without_the_extension_auto_takes_torch_and_says_so_once():
    done = subprocess.run(
        [sys.executable, "-c", NOT_BUILT],
        env={**os.environ, "QLIT_NATIVE_LIBRARY": "/nowhere/_native.so"},
        check=True,
        capture_output=True,
        text=True,
    )
    *values, refusal = done.stdout.splitlines()
    assert values == ["1.0"] * 3
    assert refusal.startswith("Engine 'native' needs qlit's compiled extension, which is not there (")
    assert refusal.endswith("or take `engine: torch`, or `engine: auto`.")
    assert done.stderr.count("qlit: the compiled engine is missing") == done.stderr.count("\n") == 1
