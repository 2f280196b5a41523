"""The native engine for tensors on a GPU: copies them to the CPU, and results and gradients back."""

from dataclasses import replace
from typing import Any, ClassVar, final

from torch import Tensor

from qlit.circuits import Circuit
from qlit.engines.base import Engine
from qlit.engines.native_engine import NativeEngine
from qlit.engines.request import Capabilities, Request


@final
class NativeCopiesEngine(Engine):
    """Runs circuits on the CPU by the native engine, wherever their tensors are; `auto` chooses it for GPUs.

    Up to 15 qubits, a copy of a batch of statevectors there and back should be cheaper than a launch for every group of
    gates. This is unverified on a GPU.
    """

    name: ClassVar[str] = "native_copies"
    capabilities: ClassVar[Capabilities] = replace(NativeEngine.capabilities, device_types=None, replayable=False)

    def __init__(self) -> None:
        self._native = NativeEngine()

    def _expectation(self, request: Request) -> Tensor:
        return self._native._expectation(_on_cpu(request)).to(request.parameters.device)

    def _probabilities(self, request: Request) -> Tensor:
        return self._native._probabilities(_on_cpu(request)).to(request.parameters.device)

    def _prepare(self, circuit: Circuit) -> Any:
        return self._native._prepare(circuit)


def _on_cpu(request: Request) -> Request:
    """The request with copies of its tensors, through which autograd copies gradients back."""
    return request._replace(
        parameters=request.parameters.cpu(),
        angles=None if request.angles is None else request.angles.cpu(),
        state=None if request.state is None else request.state.cpu(),
        encoders=tuple(
            encoder._replace(request=_on_cpu(encoder.request), scale=encoder.scale.cpu())
            for encoder in request.encoders
        ),
    )
