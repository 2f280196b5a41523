"""The kernels on a GPU: compiled for it, loaded, and launched on torch's current stream."""

import ctypes
from functools import lru_cache
from typing import Any, final

import torch

from qlit.engines.cuda.availability import why_not
from qlit.engines.cuda.compiler import cubin_of, default_cache
from qlit.engines.cuda.layout import DEFAULT_SHARED_BYTES, sums_bytes
from qlit.engines.cuda.sources import Build
from qlit.engines.cuda.work import Work


@lru_cache(maxsize=16)
def kernels_of(device: torch.device) -> "CudaKernels":
    """The kernels of a GPU, loaded once per process.

    Raises:
        ValueError: If something is missing.
    """
    if missing := why_not():
        raise ValueError(missing)
    return CudaKernels(torch.cuda.current_device() if device.index is None else device.index)


@final
class CudaKernels:
    """The kernels on one GPU; see `Kernels`.

    cuda-core compiles and loads them. Its launches take no structures as arguments, so they are launched by
    `cuLaunchKernel` of cuda-bindings, on which cuda-core is built.

    Args:
        index: The GPU, as torch counts.
    """

    def __init__(self, index: int) -> None:
        from cuda.core import Device

        device = Device(index)
        self._index = index
        self._architecture = f"sm_{device.arch}"
        self._functions: dict[tuple[Build, str], int] = {}
        self._codes: dict[Build, Any] = {}
        self.register_qubits = 10
        self.shared_bytes: int = device.properties.max_shared_memory_per_block_optin

    @property
    def device(self) -> torch.device:
        """The GPU."""
        return torch.device("cuda", self._index)

    def free_bytes(self) -> int:
        """Memory of the GPU that is free, or that torch keeps for later tensors."""
        free, _ = torch.cuda.mem_get_info(self._index)
        return free + torch.cuda.memory_reserved(self._index) - torch.cuda.memory_allocated(self._index)

    def launch(self, build: Build, kernel: str, blocks: tuple[int, int], threads: int, shared: int, work: Work) -> None:
        """Run a kernel on torch's current stream; see `Kernels.launch`.

        Raises:
            RuntimeError: If the GPU refuses the launch.
        """
        from cuda.bindings import driver

        # The driver copies the argument before it returns.
        arguments = (ctypes.c_void_p * 1)(ctypes.addressof(work))
        with torch.cuda.device(self._index):
            function = self._functions.get((build, kernel)) or self._loaded(build, kernel)
            stream = torch.cuda.current_stream(self._index).cuda_stream
            (result,) = driver.cuLaunchKernel(
                function, *blocks, 1, threads, 1, 1, shared, stream, ctypes.addressof(arguments), 0
            )
        if result != driver.CUresult.CUDA_SUCCESS:
            raise RuntimeError(
                f"Engine 'cuda' could not run its kernel {kernel} on {self.device}: {result.name}. An earlier "
                "failure on this GPU may be the cause: start again with CUDA_LAUNCH_BLOCKING=1 to find it, or take "
                "`engine: torch`."
            )

    def _loaded(self, build: Build, kernel: str) -> int:
        """The address of a kernel, compiled and loaded when it is first needed."""
        from cuda.bindings import driver
        from cuda.core import ObjectCode

        cache = default_cache()
        cubin = cubin_of(build, self._architecture, cache) if build not in self._codes else b""
        try:
            if cubin:
                self._codes[build] = ObjectCode.from_cubin(cubin)
            function = int(self._codes[build].get_kernel(kernel).handle)
            spare = self.shared_bytes - sums_bytes(build.dtype)
            if build.part == "shared" and spare > DEFAULT_SHARED_BYTES:
                attribute = driver.CUfunction_attribute.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
                (result,) = driver.cuKernelSetAttribute(attribute, spare, function, self._index)
                if result != driver.CUresult.CUDA_SUCCESS:
                    raise RuntimeError(result.name)
        except Exception as error:
            raise RuntimeError(
                f"Engine 'cuda' could not load its kernel {kernel} on {self.device}: "
                f"{' '.join(str(error).split())[:300]}. Delete the folder {cache}, where compiled kernels are kept, "
                "update the driver, or take `engine: torch`."
            ) from error
        self._functions[build, kernel] = function
        return function
