"""Engine `auto`: the fastest available engine for the given tensors."""

import sys
from dataclasses import replace
from functools import lru_cache
from typing import ClassVar, NamedTuple, final

import torch
from torch import Tensor

from qlit.circuits import Circuit
from qlit.engines import native_engine
from qlit.engines.base import Engine
from qlit.engines.cuda import CudaEngine
from qlit.engines.native_copies import NativeCopiesEngine
from qlit.engines.native_engine import NativeEngine
from qlit.engines.request import Capabilities, Request
from qlit.engines.torch_engine import TorchEngine

_MOST_QUBITS_COPIED = 15  # wider circuits take the CPU longer than the launches of the torch engine


class _Choice(NamedTuple):
    """An engine, and why it runs a circuit: the end of a sentence."""

    engine: Engine
    reason: str


@final
class AutoEngine(Engine):
    """`native` on the CPU and `cuda` on NVIDIA's GPUs for RY, CNOT, X and Z, `torch` for everything else.

    On a GPU without the engine `cuda`, narrow circuits run on `native`, with copies.
    """

    name: ClassVar[str] = "auto"
    # The chosen engine handles errors and encoders.
    capabilities: ClassVar[Capabilities] = replace(
        TorchEngine.capabilities,
        pauli_errors=True,
        encoder_amplitudes=NativeEngine.capabilities.encoder_amplitudes,
    )

    def __init__(self) -> None:
        self._torch, self._cuda = TorchEngine(), CudaEngine()
        self._native = NativeEngine() if native_engine.is_built() else None
        self._copies = NativeCopiesEngine() if native_engine.is_built() else None
        self._cuda_lacks: list[str | None] = []  # what the engine `cuda` lacks; empty until a tensor is on a GPU

    def taken_on(self, device_type: str, circuit: Circuit | None = None) -> Engine:
        """The engine that runs a circuit with tensors of a torch device type."""
        if device_type == "cpu" and self._native is None and (circuit is None or circuit.is_basic):
            _report_once()
        return self._choice(device_type, circuit).engine

    def reason_on(self, device_type: str, circuit: Circuit | None = None) -> str | None:
        return self._choice(device_type, circuit).reason

    def _choice(self, device_type: str, circuit: Circuit | None) -> _Choice:
        if circuit is not None and not circuit.is_basic:
            return _Choice(self._torch, "the circuit has other gates than RY, CNOT, X and Z")
        if device_type == "cpu":
            if self._native is None:
                return _Choice(self._torch, f"the compiled engine is missing ({native_engine.why_not_built()})")
            return _Choice(self._native, "the fastest engine on CPUs")
        if device_type != "cuda":
            return _Choice(self._torch, f"no other engine runs on {device_type}")
        if not self._cuda_lacks:
            self._cuda_lacks.append(self._cuda.missing())
        (lacks,) = self._cuda_lacks
        if lacks is None:
            return _Choice(self._cuda, "it runs a whole circuit in one launch; unverified on a GPU")
        if self._copies is None or (circuit is not None and circuit.num_qubits > _MOST_QUBITS_COPIED):
            return _Choice(self._torch, lacks)
        return _Choice(self._copies, f"copies to the CPU and back should take less time than many launches. {lacks}")

    def _expectation(self, request: Request) -> Tensor:
        return self._answered(request, joint=False)

    def _probabilities(self, request: Request) -> Tensor:
        return self._answered(request, joint=True)

    def _answered(self, request: Request, *, joint: bool) -> Tensor:
        engine = self.taken_on(request.parameters.device.type, request.circuit)
        if request.encoders and not engine.capabilities.encoder_amplitudes:  # encoders may still run on another engine
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
