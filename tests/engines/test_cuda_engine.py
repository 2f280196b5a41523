"""The engine `cuda` without a GPU: its choice, its refusals, and its launches, which a stub of the driver records."""

import os
import shutil
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch
from engines.cases import CIRCUITS, random_inputs
from engines.errors import drawn_errors
from tolerances import ENGINE_ATOL

from qlit.circuits import Circuit, encoder_circuit, reuploading_circuit, rx, ry
from qlit.cli import main
from qlit.engines import AutoEngine, CircuitAngles, CudaEngine, TorchEngine, engine_by_name, native_engine
from qlit.engines.cuda import availability
from qlit.engines.native_copies import NativeCopiesEngine

HAS_PACKAGES = availability._without_packages() is None
needs_packages = pytest.mark.skipif(not HAS_PACKAGES, reason="cuda-core is not installed (extra `cuda`)")
needs_native = pytest.mark.skipif(not native_engine.is_built(), reason="the compiled engine was not built")


@pytest.fixture
def gpu(monkeypatch):
    """A machine with a GPU that has everything, as far as is asked."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (9, 0))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "NVIDIA Test")
    monkeypatch.setattr(availability, "_without_packages", lambda: None)
    monkeypatch.setattr(availability, "_without_compiler", lambda: None)


# --- what is missing ---


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(availability, "find_spec", lambda _: None)
    assert availability.why_not() == (
        "Engine 'cuda' needs cuda-core: install it (pip install 'qlit-heads[cuda]'), or take `engine: auto`, torch or "
        "native."
    )


@pytest.mark.usefixtures("gpu")
def test_a_torch_without_cuda_is_named(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", None)
    assert "this build of torch has no CUDA: install one that has it" in availability.why_not()


@pytest.mark.usefixtures("gpu")
def test_a_missing_gpu_is_named(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    assert "torch finds no NVIDIA GPU or no driver here: check nvidia-smi" in availability.why_not()


@pytest.mark.usefixtures("gpu")
def test_an_old_gpu_is_named(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (7, 0))
    assert "compute capability 7.5 and newer, but NVIDIA Test has 7.0" in availability.why_not()


@needs_packages
def test_a_missing_compiler_is_named(monkeypatch):
    from cuda.bindings import nvrtc

    def missing():
        raise RuntimeError("libnvrtc.so.13: cannot open shared object file")

    monkeypatch.setattr(nvrtc, "nvrtcVersion", missing)
    assert "compiles its kernels by NVRTC, which is not installed: install it" in availability._without_compiler()


@needs_packages
@pytest.mark.parametrize(("supported", "is_old"), [(12080, True), (13000, False), (14010, False)])
def test_an_old_driver_is_named(monkeypatch, supported, is_old):
    from cuda.bindings import driver, nvrtc

    monkeypatch.setattr(nvrtc, "nvrtcVersion", lambda: (0, 13, 5))
    monkeypatch.setattr(driver, "cuDriverGetVersion", lambda: (0, supported))
    found = availability._without_compiler()
    if is_old:
        assert "compiles for CUDA 13, but the driver of this GPU is too old and supports CUDA 12.8" in found
    else:
        assert found is None


@pytest.mark.usefixtures("gpu")
def test_nothing_is_missing_where_everything_is_there():
    assert availability.why_not() is None
    assert CudaEngine().missing() is None


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_training_on_a_machine_without_a_gpu_ends_before_it_begins(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments = ["fit", "--config", "quickstart.yaml", "--model.head.pqc.engine", "cuda"]
    assert main(arguments) == 1
    message = capsys.readouterr().err
    assert "Engine 'cuda' needs" in message
    assert "Traceback" not in message


def test_tensors_on_the_cpu_are_refused():
    with pytest.raises(ValueError, match=r"Engine 'cuda' runs on cuda, but the parameters are on cpu"):
        engine_by_name("cuda").expectation(CIRCUITS["one RY"], torch.zeros(1))


def test_circuits_that_it_cannot_run_are_refused_at_once():
    with pytest.raises(ValueError, match="at most 26 qubits"):
        CudaEngine().compile(Circuit(27, ()))
    with pytest.raises(ValueError, match="runs RY, CNOT, X and Z in real arithmetic"):
        CudaEngine().compile(Circuit(1, (rx(0, parameter=0),)))


# --- the choice of `auto` ---


@pytest.mark.usefixtures("gpu")
def test_auto_takes_cuda_on_a_gpu_that_has_everything():
    auto, basic, general = AutoEngine(), Circuit(20, (ry(0, parameter=0),)), Circuit(1, (rx(0, parameter=0),))
    assert auto.taken_on("cuda").name == auto.taken_on("cuda", basic).name == "cuda"
    assert auto.taken_on("cuda", general).name == "torch"
    assert auto.taken_on("mps", basic).name == "torch"
    assert "in one launch" in auto.reason_on("cuda", basic)
    assert "other gates than RY, CNOT, X and Z" in auto.reason_on("cuda", general)


@needs_native
@pytest.mark.usefixtures("gpu")
def test_auto_without_cuda_copies_narrow_circuits_to_the_cpu(monkeypatch):
    monkeypatch.setattr(availability, "_without_packages", lambda: "Engine 'cuda' needs cuda-core.")
    auto = AutoEngine()
    narrow, wide = (Circuit(num_qubits, (ry(0, parameter=0),)) for num_qubits in (15, 16))
    assert auto.taken_on("cuda").name == auto.taken_on("cuda", narrow).name == "native_copies"
    assert auto.taken_on("cuda", wide).name == "torch"
    assert "Engine 'cuda' needs cuda-core." in auto.reason_on("cuda", narrow)
    assert "Engine 'cuda' needs cuda-core." in auto.reason_on("cuda", wide)


@pytest.mark.usefixtures("gpu")
def test_auto_without_cuda_and_native_takes_torch(monkeypatch):
    monkeypatch.setattr(availability, "_without_packages", lambda: "Engine 'cuda' needs cuda-core.")
    monkeypatch.setattr(native_engine, "_extension", None)
    assert AutoEngine().taken_on("cuda", CIRCUITS["one RY"]).name == "torch"


@needs_native
def test_copies_give_values_and_gradients_where_the_tensors_are():
    """The copies are made from and to the CPU here: another device needs one."""
    encoder, pqc = encoder_circuit(4, connectivity=2, num_layers=1), reuploading_circuit(4, 1, 1, 1, 2)
    results = []
    for engine in (NativeCopiesEngine(), TorchEngine()):
        inputs = random_inputs(encoder, 3, dtype=torch.float64, with_state=True)
        theta = torch.linspace(-2, 2, pqc.num_parameters, dtype=torch.float64).requires_grad_()
        scale = torch.tensor(1.5, dtype=torch.float64, requires_grad=True)
        given = [CircuitAngles(encoder, inputs.parameters, scale, inputs.state)]
        values = engine.expectation(pqc, theta, angles=given, errors=drawn_errors(pqc, 3))
        joint = engine.probabilities(pqc, theta, angles=given, wires=(2, 0))
        leaves = [theta, scale, inputs.parameters, inputs.state]
        results.append((values, joint, *torch.autograd.grad(values.sum() + joint.square().sum(), leaves)))
    for mine, other in zip(*results, strict=True):
        torch.testing.assert_close(mine, other, rtol=0, atol=ENGINE_ATOL[torch.float64])


# --- launches ---

STUB = r"""
#include <stdint.h>
#include <string.h>
struct {
    void* function;
    unsigned sizes[7];
    void* stream;
    int attribute[4];
    unsigned char argument[4096];
} launched;
static unsigned work_bytes;
void expect(unsigned bytes) { work_bytes = bytes; }
static int launch(void* function, unsigned x, unsigned y, unsigned z, unsigned threads, unsigned u, unsigned v,
                  unsigned shared, void* stream, void** arguments, void** extra) {
    const unsigned sizes[7] = {x, y, z, threads, u, v, shared};
    launched.function = function, launched.stream = stream;
    memcpy(launched.sizes, sizes, sizeof sizes);
    memcpy(launched.argument, arguments[0], work_bytes);
    return function == (void*)13 ? 719 : 0;
}
static int set_attribute(int attribute, int value, void* kernel, int device) {
    launched.attribute[0] = attribute, launched.attribute[1] = value, launched.attribute[2] = device;
    return kernel == (void*)4096 ? 0 : 1;
}
int cuGetProcAddress_v2(const char* name, void** found, int version, uint64_t flags, int* status) {
    *found = !strcmp(name, "cuLaunchKernel") ? (void*)launch
             : !strcmp(name, "cuKernelSetAttribute") ? (void*)set_attribute
             : !strncmp(name, "cuGetProcAddress", 16) ? (void*)cuGetProcAddress_v2 : 0;
    if (status) *status = 0;
    return *found ? 0 : 500;
}
"""
LAUNCHES = """
import ctypes, sys
from contextlib import nullcontext
from types import SimpleNamespace
import torch
import cuda.core
from qlit.engines.cuda import device
from qlit.engines.cuda.device import CudaKernels
from qlit.engines.cuda.sources import Build
from qlit.engines.cuda.work import Work

stub = ctypes.CDLL(sys.argv[1])
stub.expect(ctypes.sizeof(Work))
torch.cuda.device = lambda index: nullcontext()
torch.cuda.current_stream = lambda index: SimpleNamespace(cuda_stream=777)
kernels = object.__new__(CudaKernels)
kernels._index, kernels._functions = 0, {}
build = Build("tables", torch.float32)
kernels._functions[build, "frames"], kernels._functions[build, "half_angles"] = 12345, 13
work = Work(batch_size=7, window=3)
work.circuits[1].by_scale = 2**40 + 1
kernels.launch(build, "frames", (3, 2), 64, 1000, work)
class Launched(ctypes.Structure):
    _fields_ = [("function", ctypes.c_void_p), ("sizes", ctypes.c_uint * 7), ("stream", ctypes.c_void_p),
                ("attribute", ctypes.c_int * 4), ("argument", Work)]
found = Launched.in_dll(stub, "launched")
print(found.function, list(found.sizes), found.stream, bytes(found.argument) == bytes(work))
try:
    kernels.launch(build, "half_angles", (1, 1), 32, 0, work)
except RuntimeError as error:
    print(error)
code = SimpleNamespace(get_kernel=lambda name: SimpleNamespace(handle=4096))
cuda.core.ObjectCode = SimpleNamespace(from_cubin=lambda cubin: code)
device.cubin_of = lambda *_: b"cubin"
kernels._architecture, kernels._codes, kernels.shared_bytes, kernels._index = "sm_90", {}, 227 * 1024, 1
print(kernels._loaded(Build("shared", torch.float32), "forward_shared"))
print(list(Launched.in_dll(stub, "launched").attribute)[:3])
"""


@needs_packages
@pytest.mark.skipif(shutil.which("gcc") is None, reason="there is no gcc, which compiles the stub")
@pytest.mark.skipif(sys.platform != "linux", reason="the stub replaces libcuda.so.1")
def test_the_driver_gets_sizes_stream_and_argument_of_a_launch_and_shared_memory_of_a_kernel(tmp_path):
    (tmp_path / "stub.c").write_text(STUB)
    library = tmp_path / "libcuda.so.1"
    subprocess.run(["gcc", "-shared", "-fPIC", "-w", "-o", library, tmp_path / "stub.c"], check=True)
    done = subprocess.run(
        [sys.executable, "-c", LAUNCHES, library],
        env=os.environ | {"LD_LIBRARY_PATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    first, second, function, attribute = done.stdout.splitlines()
    assert first == "12345 [3, 2, 1, 64, 1, 1, 1000] 777 True"
    assert second.startswith(
        "Engine 'cuda' could not run its kernel half_angles on cuda:0: CUDA_ERROR_LAUNCH_FAILED. An earlier failure on "
        "this GPU may be the cause: start again with CUDA_LAUNCH_BLOCKING=1"
    )
    # CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES is 8; the kernels have 4 KiB of static shared memory in float32.
    assert (function, attribute) == ("4096", f"[8, {223 * 1024}, 1]")


@needs_packages
def test_kernels_that_cannot_be_loaded_are_reported_in_one_sentence(monkeypatch):
    import cuda.core

    from qlit.engines.cuda import device
    from qlit.engines.cuda.sources import Build

    def refused(_):
        raise RuntimeError("CUDA_ERROR_NO_BINARY_FOR_GPU")

    monkeypatch.setattr(device, "cubin_of", lambda *_: b"cubin")
    monkeypatch.setattr(cuda.core, "ObjectCode", SimpleNamespace(from_cubin=refused))
    kernels = object.__new__(device.CudaKernels)
    kernels._index, kernels._architecture, kernels._codes, kernels._functions = 0, "sm_90", {}, {}
    with pytest.raises(
        RuntimeError, match=r"could not load its kernel frames on cuda:0: CUDA_ERROR_NO_BINARY_FOR_GPU\."
    ):
        kernels._loaded(Build("tables", torch.float32), "frames")
