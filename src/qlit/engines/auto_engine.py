"""Engine `auto`: the fastest available engine for the given tensors."""

import sys
from dataclasses import replace
from functools import lru_cache
from typing import ClassVar, final

from torch import Tensor

from qlit.engines import native_engine
from qlit.engines.base import Engine
from qlit.engines.native_engine import NativeEngine
from qlit.engines.request import Capabilities, Request
from qlit.engines.torch_engine import TorchEngine


@final
class AutoEngine(Engine):
    """`native` for tensors on the CPU where its extension was built, `torch` for all others."""

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

    def taken_on(self, device_type: str) -> Engine:
        """The engine that runs tensors of a torch device type."""
        if device_type != "cpu":
            return self._torch
        if self._native is None:
            _report_once()
            return self._torch
        return self._native

    def _expectation(self, request: Request) -> Tensor:
        return self.taken_on(request.parameters.device.type)._answer(request, joint=False)

    def _probabilities(self, request: Request) -> Tensor:
        return self.taken_on(request.parameters.device.type)._answer(request, joint=True)


@lru_cache(maxsize=1)
def _report_once() -> None:
    print(
        f"qlit: the compiled engine is missing ({native_engine.why_not_built()}), so circuits run on the torch "
        "engine, many times slower. Install a C++20 compiler and install qlit again.",
        file=sys.stderr,
    )
