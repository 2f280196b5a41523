"""The sources of the kernels, and the macros with which they are compiled."""

import ctypes
from importlib.resources import files
from typing import NamedTuple

import torch

from qlit.engines.cuda.work import Work

_FILES = {
    "registers": ("types.cuh", "measure.cuh", "registers.cu"),
    "shared": ("types.cuh", "measure.cuh", "groups.cu"),
    "windows": ("types.cuh", "measure.cuh", "groups.cu", "windows.cu"),
    "tables": ("types.cuh", "tables.cu"),
}
KERNELS = {
    "registers": ("forward_registers", "backward_registers"),
    "shared": ("forward_shared", "backward_shared"),
    "windows": ("forward_window", "backward_window", "z_sums", "outcome_sums", "seeds", "angle_gradients"),
    "tables": ("half_angles", "frames", "gradients"),
}


class Build(NamedTuple):
    """What is compiled together.

    Args:
        part: registers, shared, windows or tables.
        dtype: float32 or float64.
        register_bits: Of `registers`: basis bits inside a thread.
        warp_bits: Of `registers`: basis bits that number the warps of a block.
    """

    part: str
    dtype: torch.dtype
    register_bits: int = 0
    warp_bits: int = 0

    @property
    def source(self) -> str:
        """CUDA C++, one file behind the other."""
        folder = files("qlit.engines.cuda") / "kernels"
        return "".join(f'#line 1 "{name}"\n{(folder / name).read_text("ascii")}' for name in _FILES[self.part])

    @property
    def macros(self) -> dict[str, str]:
        """Macros of the source."""
        return {
            "QLIT_REAL": "float" if self.dtype == torch.float32 else "double",
            "QLIT_WORK_BYTES": str(ctypes.sizeof(Work)),
            "QLIT_REGISTER_BITS": str(self.register_bits),
            "QLIT_WARP_BITS": str(self.warp_bits),
        }

    @property
    def kernels(self) -> tuple[str, ...]:
        """Names of the kernels."""
        return KERNELS[self.part]


def registers_build(num_qubits: int, dtype: torch.dtype) -> Build:
    """The kernels that hold a state of at most 10 qubits in registers: 5 bits are lanes, up to 3 registers, 2 warps."""
    beyond_lanes = max(0, num_qubits - 5)
    register_bits = min(3, beyond_lanes)
    return Build("registers", dtype, register_bits, beyond_lanes - register_bits)


def every_build() -> list[Build]:
    """All that the engine ever compiles."""
    return [
        build
        for dtype in (torch.float32, torch.float64)
        for build in (
            *(registers_build(num_qubits, dtype) for num_qubits in range(5, 11)),
            *(Build(part, dtype) for part in ("shared", "windows", "tables")),
        )
    ]
