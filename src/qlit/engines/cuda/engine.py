"""The engine `cuda`."""

from typing import ClassVar, final

import torch

from qlit.engines.cuda.kernel_engine import KernelEngine
from qlit.engines.cuda.kernels_of_device import Kernels
from qlit.engines.cuda.layout import Layout, layout_for
from qlit.engines.cuda.sources import Build
from qlit.engines.request import Capabilities

_CHECKED: set[tuple[torch.device, Build]] = set()
"""Devices and builds that gave the results of the CPU in this process."""


@final
class CudaEngine(KernelEngine):
    """Real statevectors in float32 or float64 on NVIDIA's GPUs of compute capability 7.5 or newer.

    Up to 14 qubits, as the GPU's shared memory allows, encoders and PQC run forward in one launch and backward in
    another; wider circuits take one launch per window. NVRTC compiles the kernels when they are first needed, and the
    user's cache keeps them. The sums have a fixed order. Tensors must be contiguous.

    Unverified on a GPU: it never ran on one. Tests compile its kernels for every supported architecture, and run them
    on the CPU. Therefore kernels are compared with the CPU on a small circuit before a process uses them.

    Source: adjoint differentiation, arXiv:2009.02823.
    """

    name: ClassVar[str] = "cuda"
    # Beside the final states, one batch: cotangents of windows. Narrower circuits keep both on the chip.
    capabilities: ClassVar[Capabilities] = Capabilities(
        max_qubits=26,
        dtypes=(torch.float32, torch.float64),
        device_types=("cuda",),
        states_at_peak=1,
        pauli_errors=True,
        encoder_amplitudes=2**19,
        replayable=True,
    )

    def missing(self) -> str | None:
        from qlit.engines.cuda.availability import why_not

        return why_not()

    def _check(self, kernels: Kernels, layout: Layout, num_qubits: int) -> None:
        """Compare the kernels with the CPU once per process, GPU and build."""
        key = kernels.device, layout.build
        if key in _CHECKED:
            return
        from qlit.engines.cuda.self_check import check_kernels

        if layout.part == "windows":  # the narrowest circuit with several windows has the same kernels, and is quick
            num_qubits = min(num_qubits, layout.window_bits + 2)
            while layout_for(num_qubits, layout.build.dtype, kernels).part != "windows":
                num_qubits += 1
        check_kernels(kernels, num_qubits, layout.build.dtype)
        _CHECKED.add(key)

    def _kernels(self, device: torch.device) -> Kernels:
        from qlit.engines.cuda.device import kernels_of

        return kernels_of(device)
