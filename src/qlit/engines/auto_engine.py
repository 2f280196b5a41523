"""Engine `auto`: the fastest available engine for the given tensors."""

import sys
from dataclasses import replace
from functools import lru_cache
from typing import ClassVar, final

import torch
from torch import Tensor

from qlit.circuits import Circuit
from qlit.engines import native_engine
from qlit.engines.base import Engine
from qlit.engines.native_engine import NativeEngine
from qlit.engines.request import Capabilities, Request
from qlit.engines.torch_engine import TorchEngine


@final
class AutoEngine(Engine):
    """`native` for RY, CNOT, X and Z on the CPU where its extension was built, `torch` for everything else."""

    name: ClassVar[str] = "auto"
    # The chosen engine handles errors and encoders.
    capabilities: ClassVar[Capabilities] = replace(
        TorchEngine.capabilities,
        pauli_errors=True,
        encoder_amplitudes=NativeEngine.capabilities.encoder_amplitudes,
    )

    def __init__(self) -> None:
        self._torch = TorchEngine()
        self._native = NativeEngine() if native_engine.is_built() else None

    def taken_on(self, device_type: str, circuit: Circuit | None = None) -> Engine:
        """The engine that runs a circuit with tensors of a torch device type."""
        if device_type != "cpu" or (circuit is not None and not circuit.is_basic):
            return self._torch
        if self._native is None:
            _report_once()
            return self._torch
        return self._native

    def _expectation(self, request: Request) -> Tensor:
        return self._answered(request, joint=False)

    def _probabilities(self, request: Request) -> Tensor:
        return self._answered(request, joint=True)

    def _answered(self, request: Request, *, joint: bool) -> Tensor:
        engine = self.taken_on(request.parameters.device.type, request.circuit)
        if request.encoders and not engine.capabilities.encoder_amplitudes:  # encoders may still run on `native`
            angles = [scale * self._expectation(encoder) for encoder, scale in request.encoders]
            request = request._replace(angles=torch.cat(angles, dim=1), encoders=())
        return engine._answer(request, joint=joint)


@lru_cache(maxsize=1)
def _report_once() -> None:
    print(
        f"qlit: the compiled engine is missing ({native_engine.why_not_built()}), so circuits run on the torch "
        "engine, many times slower. Install a C++20 compiler and install qlit again.",
        file=sys.stderr,
    )
