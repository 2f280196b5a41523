"""The CUDA kernels on the CPU: every layout, every order of threads, and what the shim finds in wrong kernels.

tests/engines/test_conformance.py and test_encoders.py run them as well.
"""

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from engines.cases import CIRCUITS, random_circuit, random_inputs
from engines.cuda_on_cpu.cpu_kernels import (
    COMPILER,
    HERE,
    SMALL_SHARED_BYTES,
    CpuKernels,
    CudaOnCpu,
    every_layout,
)
from engines.errors import drawn_errors
from engines.test_conformance import values_and_gradients
from tolerances import ENGINE_ATOL

from qlit.circuits import Circuit, cnot, encoder_circuit, reuploading_circuit, ry, x, z
from qlit.engines import CircuitAngles, TorchEngine
from qlit.engines.cuda.layout import layout_for
from qlit.engines.cuda.schedule import windows_of
from qlit.engines.cuda.sources import every_build
from qlit.engines.cuda.steps import program_of

pytestmark = pytest.mark.skipif(COMPILER is None, reason="there is no g++, which compiles the kernels for the CPU")

every_engine = pytest.mark.parametrize("engine", every_layout(), ids=lambda engine: engine.name)
every_dtype = pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)


def windows(dtype, **options):
    """The engine with windows of 4 basis bits, for circuits of 5 qubits and more."""
    return CudaOnCpu(CpuKernels(register_qubits=0, shared_bytes=SMALL_SHARED_BYTES[dtype], **options))


def wide(num_qubits):
    """Targets and controls at every distance, with X and Z between them."""
    circuit = encoder_circuit(num_qubits, connectivity=2, num_layers=0)
    circuit += Circuit(num_qubits, tuple(g(w) for w in range(0, num_qubits, 2) for g in (x, z)))
    return circuit + encoder_circuit(num_qubits, connectivity=num_qubits - 1, num_layers=0)


def assert_agrees_with_torch(engine, circuit, dtype, *, batch_size=2, **options):
    inputs = random_inputs(circuit, batch_size, dtype=dtype, with_state=True, seed=circuit.num_qubits)
    weights = torch.linspace(-1, 1, batch_size * circuit.num_qubits).reshape(batch_size, -1)
    ours = values_and_gradients(engine, circuit, inputs, weights, **options)
    theirs = values_and_gradients(TorchEngine(), circuit, inputs, weights, **options)
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other, rtol=0, atol=ENGINE_ATOL[dtype] * max(1, len(circuit) / 50))


# --- values and gradients ---


@every_dtype
@pytest.mark.parametrize("num_qubits", range(6, 11))
def test_every_number_of_registers_and_warps(num_qubits, dtype):
    kernels = CpuKernels()
    assert_agrees_with_torch(CudaOnCpu(kernels), wide(num_qubits), dtype)
    assert "forward_registers" in kernels.launched


@every_dtype
@pytest.mark.parametrize("num_qubits", [11, 12])
def test_states_in_shared_memory(num_qubits, dtype):
    kernels = CpuKernels()
    assert_agrees_with_torch(CudaOnCpu(kernels), wide(num_qubits), dtype)
    assert kernels.launched.count("forward_shared") == kernels.launched.count("backward_shared") == 1


@every_dtype
def test_windows_as_wide_as_on_a_gpu(dtype):
    kernels = CpuKernels(shared_bytes=48 * 1024)
    assert_agrees_with_torch(CudaOnCpu(kernels), wide(13), dtype, errors=drawn_errors(wide(13), 2))
    assert kernels.launched.count("forward_window") > 1


@pytest.mark.parametrize("name", [name for name, circuit in CIRCUITS.items() if circuit.num_qubits > 4])
def test_small_windows_in_float32(name):
    assert_agrees_with_torch(windows(torch.float32), CIRCUITS[name], torch.float32)


@every_engine
@pytest.mark.parametrize("wires", [[0], [5], [2, 0], [3, 5, 1], None])
def test_joint_probabilities_of_any_wires(engine, wires):
    circuit = reuploading_circuit(6, 1, 1, 1, 3) + Circuit(6, (x(0), z(3), x(5), ry(5, angle=0)))
    results = []
    for each in (engine, TorchEngine()):
        inputs = random_inputs(circuit, 3, dtype=torch.float64, with_state=True)
        joint = each.probabilities(circuit, inputs.parameters, angles=inputs.angles, state=inputs.state, wires=wires)
        weights = torch.linspace(-1, 2, joint.numel(), dtype=torch.float64).reshape(joint.shape)
        results.append((joint, *torch.autograd.grad((joint * weights).sum(), inputs.leaves)))
    for mine, other in zip(*results, strict=True):
        torch.testing.assert_close(mine, other, rtol=0, atol=ENGINE_ATOL[torch.float64])


def test_measurements_of_wide_states_are_shared_out_to_many_blocks():
    """14 qubits, of which a block measures <Z> on 2**12 amplitudes, and 32 threads add up 2**10 of an outcome."""
    circuit = Circuit(14, (*(ry(wire, parameter=wire) for wire in range(14)), cnot(0, 13), cnot(13, 5), x(5)))
    engine = CudaOnCpu(CpuKernels(shared_bytes=48 * 1024))
    assert_agrees_with_torch(engine, circuit, torch.float64, batch_size=2)
    parameters = random_inputs(circuit, 1, dtype=torch.float64, with_state=False).parameters
    for wires in ([13], [5, 0, 9]):
        results = []
        for each in (engine, TorchEngine()):
            joint = each.probabilities(circuit, parameters, wires=wires)
            results.append((joint, *torch.autograd.grad(joint.square().sum(), parameters)))
        for mine, other in zip(*results, strict=True):
            torch.testing.assert_close(mine, other, rtol=0, atol=ENGINE_ATOL[torch.float64])


# --- launches ---


@pytest.mark.parametrize("register_qubits", [10, 0], ids=["registers", "shared"])
def test_encoders_and_pqc_are_one_launch_forward_and_one_backward(register_qubits):
    kernels = CpuKernels(register_qubits)
    engine = CudaOnCpu(kernels)
    encoder, pqc = encoder_circuit(5, connectivity=2, num_layers=1), reuploading_circuit(3, 1, 1, 1, 1)
    inputs = random_inputs(encoder, 2, dtype=torch.float64, with_state=True)
    scale, theta = torch.ones((), dtype=torch.float64), torch.ones(pqc.num_parameters, dtype=torch.float64)
    given = [CircuitAngles(encoder, inputs.parameters, scale, inputs.state, (0, 1, 2))]
    engine.expectation(pqc, theta, angles=given).sum().backward()
    part = "registers" if register_qubits else "shared"
    assert kernels.launched == ["half_angles", f"forward_{part}", f"backward_{part}", "gradients"]


def test_more_encoders_than_a_launch_takes_run_one_after_the_other():
    kernels = CpuKernels()
    encoder, pqc = Circuit(1, (ry(0, parameter=0),)), reuploading_circuit(9, 1, 0, 1, 1)
    theta = torch.linspace(-1, 1, 9, dtype=torch.float64).requires_grad_()
    scale, parameters = torch.ones((), dtype=torch.float64), torch.ones(pqc.num_parameters, dtype=torch.float64)
    results = []
    for engine in (CudaOnCpu(kernels), TorchEngine()):
        given = [CircuitAngles(encoder, theta[k : k + 1], scale) for k in range(9)]
        value = engine.expectation(pqc, parameters, angles=given).sum()
        results.append((value, *torch.autograd.grad(value, theta)))
    for mine, other in zip(*results, strict=True):
        torch.testing.assert_close(mine, other, rtol=0, atol=ENGINE_ATOL[torch.float64])
    assert kernels.launched.count("forward_registers") == 10


@pytest.mark.parametrize(
    ("num_qubits", "dtype", "shared_kib", "part"),
    [
        (10, torch.float64, 64, "registers"),
        (12, torch.float32, 64, "shared"),
        (13, torch.float32, 64, "windows"),
        (13, torch.float32, 99, "shared"),
        (14, torch.float32, 99, "windows"),
        (14, torch.float32, 163, "shared"),
        (14, torch.float64, 227, "windows"),
        (15, torch.float32, 227, "windows"),
    ],
)
def test_the_layout_follows_width_type_and_shared_memory(num_qubits, dtype, shared_kib, part):
    layout = layout_for(num_qubits, dtype, CpuKernels(shared_bytes=shared_kib * 1024))
    assert layout.part == part
    if part == "windows":
        assert layout.window_bits == (12 if dtype == torch.float32 else 11)


# --- order of steps ---


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("window_bits", [4, 5, 7])
def test_steps_that_do_not_commute_keep_their_order(seed, window_bits):
    circuit = random_circuit(seed)
    steps = program_of(circuit).steps
    num_bits = max(3, circuit.num_qubits)
    ordered = []
    for window in windows_of(steps, num_bits, window_bits):
        assert len(window.bits) == min(window_bits, num_bits)
        for group in window.groups:
            assert len(group.bits) == 3
            assert len(group.steps) <= 32
            assert set(group.bits) <= set(window.bits)
            assert {step.target for step in group.steps} <= set(group.bits)
            ordered += group.steps
    assert sorted(ordered) == list(steps)
    for k, later in enumerate(ordered):
        for earlier in ordered[:k]:
            commute = later.target not in (earlier.target, earlier.control) and later.control != earlier.target
            assert commute or earlier.number < later.number


# --- races, barriers, bits ---


@every_dtype
@pytest.mark.parametrize("layout", ["registers", "shared", "windows"])
def test_the_order_of_threads_between_barriers_changes_no_bit(layout, dtype):
    """A race gives other numbers when the threads of a block run in another order."""
    circuit = wide(7 if layout == "windows" else 9)
    circuit = reuploading_circuit(circuit.num_qubits, 1, 1, 1, 2) + circuit
    errors = drawn_errors(circuit, 2)
    results = []
    for descending in (False, True):
        if layout == "windows":
            engine = windows(dtype, descending=descending)
        else:
            engine = CudaOnCpu(CpuKernels(10 if layout == "registers" else 0, descending=descending))
        inputs = random_inputs(circuit, 2, dtype=dtype, with_state=True)
        weights = torch.linspace(-1, 1, 2 * circuit.num_qubits).reshape(2, -1)
        joint = engine.probabilities(circuit, inputs.parameters, angles=inputs.angles, errors=errors, wires=(2, 0))
        results.append((joint, *values_and_gradients(engine, circuit, inputs, weights, errors=errors)))
    assert all(torch.equal(first, second) for first, second in zip(*results, strict=True))


WRONG_KERNELS = """
typedef double Real;
struct Work { double* results; };
__global__ void without_a_barrier(const Work work) {
    __shared__ double values[64];
    values[threadIdx.x] = threadIdx.x;
    work.results[threadIdx.x] = values[63 - threadIdx.x];
}
__global__ void with_a_barrier(const Work work) {
    __shared__ double values[64];
    values[threadIdx.x] = threadIdx.x;
    __syncthreads();
    work.results[threadIdx.x] = values[63 - threadIdx.x];
}
__global__ void barrier_in_a_branch(const Work work) {
    if (threadIdx.x < 40) __syncthreads();
}
__global__ void exchange_in_a_branch(const Work work) {
    if (threadIdx.x < 40) work.results[threadIdx.x] = __shfl_xor_sync(~0u, 1.0, 1);
}
"""


@pytest.fixture(scope="module")
def wrong(tmp_path_factory):
    """Runs one of the kernels above with 64 threads; returns what it wrote, and the fault that the shim found."""
    folder = tmp_path_factory.mktemp("wrong")
    names = ("without_a_barrier", "with_a_barrier", "barrier_in_a_branch", "exchange_in_a_branch")
    listed = " ".join(f"KERNEL({name})" for name in names)
    (folder / "wrong.cpp").write_text(
        f'#include "shim.hpp"\n{WRONG_KERNELS}\n#define KERNELS {listed}\n#include "launch.hpp"\n'
    )
    command = [COMPILER, "-std=c++17", "-O1", "-shared", "-fPIC", "-w", "-U_FORTIFY_SOURCE", f"-I{HERE}"]
    subprocess.run([*command, folder / "wrong.cpp", "-o", folder / "wrong.so"], check=True)
    launch = ctypes.CDLL(str(folder / "wrong.so")).launch
    launch.restype = ctypes.c_char_p

    def run(name, descending):
        results = torch.zeros(64, dtype=torch.float64)
        address = ctypes.c_uint64(results.data_ptr())
        fault = launch(name.encode(), 1, 1, 64, ctypes.c_size_t(0), ctypes.byref(address), descending)
        return results, fault

    return run


def test_the_shim_shows_a_race(wrong):
    assert not torch.equal(wrong("without_a_barrier", False)[0], wrong("without_a_barrier", True)[0])
    ascending, descending = (wrong("with_a_barrier", order)[0] for order in (False, True))
    assert torch.equal(ascending, descending)
    assert ascending.tolist() == list(range(63, -1, -1))


def test_the_shim_finds_barriers_and_exchanges_that_not_all_threads_reach(wrong):
    assert b"a barrier that others do not reach" in wrong("barrier_in_a_branch", False)[1]
    assert b"exchange values without the others" in wrong("exchange_in_a_branch", False)[1]
    assert wrong("with_a_barrier", False)[1] is None  # a fault leaves nothing behind


# --- autograd ---


@every_engine
def test_a_retained_graph_can_be_swept_again(engine):
    circuit = CIRCUITS["re-uploading"]
    inputs = random_inputs(circuit, 3, dtype=torch.float64, with_state=True)
    errors = drawn_errors(circuit, 3)
    value = engine.expectation(
        circuit, inputs.parameters, angles=inputs.angles, state=inputs.state, errors=errors
    ).sum()
    first, second, third = (torch.autograd.grad(value, inputs.leaves, retain_graph=True) for _ in range(3))
    for other in (second, third):
        for mine, again in zip(first, other, strict=True):
            torch.testing.assert_close(mine, again, rtol=0, atol=1e-12)


@every_engine
def test_a_graph_that_is_not_retained_cannot(engine):
    circuit = CIRCUITS["re-uploading"]
    inputs = random_inputs(circuit, 3, dtype=torch.float64, with_state=True)
    value = engine.expectation(circuit, inputs.parameters, angles=inputs.angles, state=inputs.state).sum()
    torch.autograd.grad(value, inputs.leaves)
    with pytest.raises(RuntimeError, match="second time"):
        torch.autograd.grad(value, inputs.leaves)


@every_engine
def test_a_second_derivative_is_refused(engine):
    circuit = CIRCUITS["figure 3"]
    parameters = torch.zeros(circuit.num_parameters, requires_grad=True)
    value = engine.expectation(circuit, parameters).square().sum()
    (gradient,) = torch.autograd.grad(value, parameters, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


@every_engine
def test_evaluation_gives_the_values_of_training_and_keeps_nothing(engine):
    circuit = CIRCUITS["re-uploading"]
    inputs = random_inputs(circuit, 5, dtype=torch.float32, with_state=False)
    trained = engine.expectation(circuit, inputs.parameters, angles=inputs.angles)
    with torch.inference_mode():
        evaluated = engine.expectation(circuit, inputs.parameters, angles=inputs.angles)
    assert evaluated.grad_fn is None
    assert torch.equal(trained, evaluated)


@every_engine
@pytest.mark.parametrize("name", ["parameters", "angles", "state", "errors"])
def test_strided_tensors_are_refused_by_name(engine, name):
    circuit = CIRCUITS["re-uploading"]
    given = {"parameters": torch.zeros(circuit.num_parameters), "angles": torch.zeros(2, 5), "state": torch.ones(2, 32)}
    given["errors"] = drawn_errors(circuit, 2)
    given[name] = torch.stack((given[name], given[name]), dim=-1)[..., 0]
    with pytest.raises(ValueError, match=rf"reads contiguous tensors, but `{name}` has .*Pass `{name}.contiguous\(\)`"):
        engine.expectation(circuit, given.pop("parameters"), **given)


def test_states_beyond_the_memory_of_the_device_are_refused():
    kernels = CpuKernels()
    kernels.free_bytes = lambda: 2**30
    circuit = Circuit(26, (ry(0, parameter=0),))
    parameters = torch.zeros(1, requires_grad=True)
    with pytest.raises(ValueError, match=r"needs 8.0 GiB for the statevectors of a batch of 16, but 1.0 GiB are free"):
        CudaOnCpu(kernels).expectation(circuit, parameters, errors=torch.zeros(16, 1, dtype=torch.uint8))


def test_states_that_stay_on_the_chip_need_no_memory_of_the_device():
    kernels = CpuKernels()
    kernels.free_bytes = lambda: 0
    circuit, parameters = Circuit(10, (ry(0, parameter=0),)), torch.zeros(1, requires_grad=True)
    errors = torch.zeros(2**17, 1, dtype=torch.uint8)
    with pytest.raises(ValueError, match=r"needs 0\.5 GiB"):
        CudaOnCpu(kernels).expectation(circuit, parameters, errors=errors)
    kernels.launch = lambda *_: None
    with torch.no_grad():
        assert CudaOnCpu(kernels).expectation(circuit, parameters, errors=errors).shape == (2**17, 10)


# --- sanitizers ---

SANITIZED = """
import sys
import torch
import engines.cuda_on_cpu.cpu_kernels as cpu_kernels
from engines.cases import random_inputs
from engines.errors import drawn_errors
from qlit.circuits import reuploading_circuit

cpu_kernels.OPTIONS.extend(["-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"])
circuit = reuploading_circuit(6, 1, 0, 1, 1)
for engine in cpu_kernels.every_layout():
    inputs = random_inputs(circuit, 1, dtype=torch.float64, with_state=True)
    given = dict(angles=inputs.angles, state=inputs.state, errors=drawn_errors(circuit, 1))
    engine.expectation(circuit, inputs.parameters, **given).sum().backward()
    engine.probabilities(circuit, inputs.parameters, **given, wires=(3, 1)).square().sum().backward()
print("clean")
"""


def test_address_and_undefined_behaviour_sanitizers_find_nothing():
    libraries = [
        subprocess.run(
            [COMPILER, f"-print-file-name={name}"], capture_output=True, text=True, check=True
        ).stdout.strip()
        for name in ("libasan.so", "libstdc++.so")
    ]
    if not all(Path(library).is_absolute() for library in libraries):
        pytest.skip("g++ has no address sanitizer here")
    done = subprocess.run(
        [sys.executable, "-c", SANITIZED],
        env=os.environ
        | {"LD_PRELOAD": " ".join(libraries), "ASAN_OPTIONS": "detect_leaks=0", "PYTHONPATH": str(HERE.parents[1])},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "clean"), done.stderr[-3000:]


def test_every_build_has_kernels_of_its_own():
    assert len(set(every_build())) == 18
    for build in every_build():
        for kernel in build.kernels:
            assert f" {kernel}(const __grid_constant__ Work work)" in build.source
