"""Compare kernels with the CPU before they are used, so that a wrong one ends in a sentence, not in wrong results."""

from typing import ClassVar, final

import torch
from torch import Tensor

from qlit.circuits import encoder_circuit, reuploading_circuit
from qlit.engines.base import Engine
from qlit.engines.cuda.kernel_engine import KernelEngine
from qlit.engines.cuda.kernels_of_device import Kernels
from qlit.engines.request import Capabilities, CircuitAngles
from qlit.engines.torch_engine import TorchEngine

_BATCH_SIZE = 3
_ATOL = {torch.float32: 1e-3, torch.float64: 1e-9}
"""Far above rounding, far below what a wrong kernel gives."""


def check_kernels(kernels: Kernels, num_qubits: int, dtype: torch.dtype) -> None:
    """Run an encoder and a PQC of a width on a device and on the CPU, forward and backward.

    Args:
        kernels: Kernels of the device.
        num_qubits: Width, which decides which kernels run; at least 2.
        dtype: float32 or float64.
    Raises:
        RuntimeError: If values or gradients differ.
    """
    with torch.inference_mode(mode=False), torch.enable_grad():  # the first use may be an evaluation
        ours = _results(_Kernels(kernels), num_qubits, dtype, kernels.device)
        expected = _results(TorchEngine(), num_qubits, dtype, torch.device("cpu"))
    differences = [(mine.cpu() - other).abs().max() for mine, other in zip(ours, expected, strict=True)]
    difference = float(torch.stack(differences).max())  # NaN if any is NaN
    if not difference <= _ATOL[dtype]:
        raise RuntimeError(
            f"Engine 'cuda' does not compute on {kernels.device} what the CPU computes: the results of a test circuit "
            f"of {num_qubits} qubits in {str(dtype).removeprefix('torch.')} differ by {difference:.2g}, so it is not "
            "used. Take `engine: torch`, and report the GPU and its driver."
        )


@final
class _Kernels(KernelEngine):
    """The given kernels, unchecked."""

    name: ClassVar[str] = "cuda"
    capabilities: ClassVar[Capabilities] = Capabilities(
        max_qubits=26, dtypes=(torch.float32, torch.float64), device_types=None, encoder_amplitudes=2**19
    )

    def __init__(self, kernels: Kernels) -> None:
        self._given = kernels

    def _kernels(self, device: torch.device) -> Kernels:  # noqa: ARG002 - there is one device
        return self._given


def _results(engine: Engine, num_qubits: int, dtype: torch.dtype, device: torch.device) -> list[Tensor]:
    """Values, and gradients of parameters, scale and initial state."""
    generator = torch.Generator().manual_seed(0)
    pqc = reuploading_circuit(num_qubits, 1, 1, 1, 1)
    encoder = encoder_circuit(num_qubits, connectivity=1, num_layers=1)

    def leaf(*shape: int) -> Tensor:
        drawn = torch.randn(shape, generator=generator, dtype=torch.float64)
        return drawn.to(device=device, dtype=dtype)

    theta, phi = leaf(pqc.num_parameters).requires_grad_(), leaf(encoder.num_parameters).requires_grad_()
    state = leaf(_BATCH_SIZE, 2**num_qubits)
    state = (state / state.norm(dim=1, keepdim=True)).requires_grad_()
    scale = torch.tensor(1.3, device=device, dtype=dtype, requires_grad=True)
    angles = [CircuitAngles(encoder, phi, scale, state)]  # both circuits in one launch where they fit, as in a training
    values = engine.expectation(pqc, theta, angles=angles, wires=(0, num_qubits - 1))
    weights = torch.linspace(0.5, 1.5, values.numel(), device=device, dtype=dtype).view_as(values)
    gradients = torch.autograd.grad((weights * values).sum(), (theta, phi, scale, state))
    return [values.detach(), *gradients]
