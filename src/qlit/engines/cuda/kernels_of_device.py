"""What the engine needs of a device: its limits, and a way to launch a kernel."""

from typing import Protocol

import torch

from qlit.engines.cuda.sources import Build
from qlit.engines.cuda.work import Work


class Kernels(Protocol):
    """The kernels of one device.

    Attributes:
        register_qubits: Widest circuits whose states are held in registers, at most 10.
        shared_bytes: Shared memory of a block, at most.
    """

    register_qubits: int
    shared_bytes: int

    def launch(self, build: Build, kernel: str, blocks: tuple[int, int], threads: int, shared: int, work: Work) -> None:
        """Run a kernel on the current stream of the device.

        Args:
            build: What the kernel is compiled with.
            kernel: One of `build.kernels`.
            blocks: Numbers of blocks along x and y.
            threads: Of a block.
            shared: Bytes of dynamic shared memory of a block.
            work: The argument.
        """

    def free_bytes(self) -> int | None:
        """Memory that is free on the device; None if unknown."""

    @property
    def device(self) -> torch.device:
        """The device."""
