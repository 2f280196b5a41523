"""The CUDA engine on the CPU: the kernels' sources, compiled by g++ behind a shim that runs threads as coroutines."""

import atexit
import ctypes
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import ClassVar, final

import torch

from qlit.engines.cuda.kernel_engine import KernelEngine
from qlit.engines.cuda.sources import Build
from qlit.engines.cuda.work import Work
from qlit.engines.request import Capabilities

HERE = Path(__file__).parent
OPTIONS: list[str] = []  # more of the compiler
COMPILER = shutil.which("g++")
SHARED_BYTES = 227 * 1024  # of a block on an H200
# Of a block that holds a window of 4 basis bits, so that circuits of 5 qubits already need several.
SMALL_SHARED_BYTES = {torch.float64: 8192 + 2 * 16 * 8, torch.float32: 4096 + 2 * 16 * 4}


@cache
def _folder() -> Path:
    folder = tempfile.mkdtemp(prefix="qlit-kernels-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def compiled(build: Build, folder: Path) -> Path:
    """The shared library of a build."""
    stem = f"{build.part}_{build.macros['QLIT_REAL']}_{build.register_bits}_{build.warp_bits}"
    source, library = folder / f"{stem}.cpp", folder / f"{stem}.so"
    names = " ".join(f"KERNEL({name})" for name in build.kernels)
    source.write_text(f'#include "shim.hpp"\n{build.source}\n#define KERNELS {names}\n#include "launch.hpp"\n')
    macros = [f"-D{name}={value}" for name, value in build.macros.items()]
    command = [COMPILER, "-std=c++17", "-O1", "-shared", "-fPIC", "-w", "-U_FORTIFY_SOURCE", f"-I{HERE}", *macros]
    done = subprocess.run([*command, *OPTIONS, str(source), "-o", str(library)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
    return library


@cache
def _launcher(build: Build):
    launch = ctypes.CDLL(str(compiled(build, _folder()))).launch
    launch.restype = ctypes.c_char_p
    launch.argtypes = [
        *(ctypes.c_char_p, ctypes.c_uint, ctypes.c_uint, ctypes.c_int),
        *(ctypes.c_size_t, ctypes.POINTER(Work), ctypes.c_int),
    ]
    return launch


class CpuKernels:
    """Kernels on the CPU.

    Args:
        register_qubits: Widest circuits in registers.
        shared_bytes: Shared memory of a block.
        descending: Whether the threads of a block run in descending order between barriers.
    """

    def __init__(self, register_qubits=10, shared_bytes=SHARED_BYTES, *, descending=False) -> None:
        self.register_qubits, self.shared_bytes, self.descending = register_qubits, shared_bytes, descending
        self.device = torch.device("cpu")
        self.launched: list[str] = []

    def launch(self, build: Build, kernel: str, blocks: tuple[int, int], threads: int, shared: int, work: Work) -> None:
        assert shared <= self.shared_bytes
        self.launched.append(kernel)
        fault = _launcher(build)(kernel.encode(), *blocks, threads, shared, ctypes.byref(work), self.descending)
        assert fault is None, f"{kernel}: {fault.decode()}"

    def free_bytes(self) -> int | None:
        return None


@final
class CudaOnCpu(KernelEngine):
    """The CUDA engine with its kernels on the CPU."""

    name = "cuda on the CPU"
    capabilities: ClassVar[Capabilities] = Capabilities(
        max_qubits=26,
        dtypes=(torch.float32, torch.float64),
        device_types=("cpu",),
        states_at_peak=1,
        pauli_errors=True,
        encoder_amplitudes=2**19,
        replayable=True,
    )

    def __init__(self, kernels: CpuKernels | None = None, name: str = "cuda on the CPU") -> None:
        self.name = name
        self.kernels = kernels or CpuKernels()

    def _kernels(self, device: torch.device) -> CpuKernels:
        assert device.type == "cpu"
        return self.kernels


def every_layout() -> list[CudaOnCpu]:
    """The engine with states in registers, in shared memory and in windows; none without g++."""
    if COMPILER is None:
        return []
    return [
        CudaOnCpu(CpuKernels(), "cuda, registers"),
        CudaOnCpu(CpuKernels(register_qubits=0), "cuda, shared"),
        CudaOnCpu(CpuKernels(register_qubits=0, shared_bytes=SMALL_SHARED_BYTES[torch.float64]), "cuda, windows"),
    ]
