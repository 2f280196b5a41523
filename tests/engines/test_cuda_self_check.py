"""Kernels are compared with the CPU before they are used; here they run on the CPU too, some of them made wrong."""

import pytest
import torch
from engines.cuda_on_cpu.cpu_kernels import COMPILER, SMALL_SHARED_BYTES, CpuKernels

from qlit.engines import CudaEngine
from qlit.engines.cuda import engine as cuda_engine
from qlit.engines.cuda import self_check
from qlit.engines.cuda.layout import layout_for
from qlit.engines.cuda.self_check import check_kernels

pytestmark = pytest.mark.skipif(COMPILER is None, reason="there is no g++, which compiles the kernels for the CPU")
every_dtype = pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)


class WithoutOne(CpuKernels):
    """Kernels of which one does nothing."""

    def __init__(self, left_out, **options):
        super().__init__(**options)
        self._left_out = left_out

    def launch(self, build, kernel, *arguments):
        if kernel != self._left_out:
            super().launch(build, kernel, *arguments)


def options_of(part, dtype):
    return {
        "registers": {},
        "shared": {"register_qubits": 0},
        "windows": {"register_qubits": 0, "shared_bytes": SMALL_SHARED_BYTES[dtype]},
    }[part]


@pytest.fixture
def filled():
    """Memory that nobody writes is NaN, not what an earlier run left there."""
    torch.use_deterministic_algorithms(mode=True)
    yield
    torch.use_deterministic_algorithms(mode=False)


@pytest.mark.usefixtures("filled")
@every_dtype
@pytest.mark.parametrize("part", ["registers", "shared", "windows"])
def test_right_kernels_pass_and_wrong_ones_are_refused(part, dtype):
    kernels = CpuKernels(**options_of(part, dtype))
    assert layout_for(6, dtype, kernels).part == part
    with torch.inference_mode():  # the first use may be an evaluation
        check_kernels(kernels, 6, dtype)
    for kernel in sorted(set(kernels.launched)):
        with pytest.raises(RuntimeError, match="what the CPU computes: the results of a test circuit of 6 qubits"):
            check_kernels(WithoutOne(kernel, **options_of(part, dtype)), 6, dtype)


@pytest.fixture
def checked(monkeypatch):
    """Widths of the checks of an engine that has checked nothing before."""
    widths = []
    monkeypatch.setattr(cuda_engine, "_CHECKED", set())
    monkeypatch.setattr(self_check, "check_kernels", lambda _, num_qubits, dtype: widths.append((num_qubits, dtype)))
    return widths


def test_a_build_is_checked_once_and_windows_on_a_narrow_circuit(checked):
    engine, kernels = CudaEngine(), CpuKernels()
    for width, dtype in ((5, torch.float32), (5, torch.float32), (5, torch.float64), (20, torch.float32)):
        engine._check(kernels, layout_for(width, dtype, kernels), width)
    engine._check(kernels, layout_for(24, torch.float32, kernels), 24)
    (narrow, first), (again, second), (wide, third) = checked
    assert (narrow, first, again, second, third) == (5, torch.float32, 5, torch.float64, torch.float32)
    assert layout_for(wide, torch.float32, kernels).part == "windows"
    assert wide < 20


def test_wrong_kernels_are_refused_each_time(checked, monkeypatch):
    def wrong(*_):
        checked.append(None)
        raise RuntimeError("differs")

    monkeypatch.setattr(self_check, "check_kernels", wrong)
    kernels = CpuKernels()
    for _ in range(2):
        with pytest.raises(RuntimeError, match="differs"):
            CudaEngine()._check(kernels, layout_for(5, torch.float32, kernels), 5)
    assert len(checked) == 2
