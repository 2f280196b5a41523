"""Engines: circuit + parameters + inputs -> expectation values and their gradients."""

from qlit.engines.auto_engine import AutoEngine
from qlit.engines.base import Engine
from qlit.engines.compiled import CompiledCircuit
from qlit.engines.density_matrix import DensityMatrixEngine
from qlit.engines.native_engine import NativeEngine
from qlit.engines.pennylane_engine import PennyLaneEngine
from qlit.engines.reference import ReferenceEngine
from qlit.engines.request import Capabilities, CircuitAngles, Request
from qlit.engines.torch_engine import TorchEngine
from qlit.engines.torchquantum_engine import TorchQuantumEngine

__all__ = [
    "AutoEngine",
    "Capabilities",
    "CircuitAngles",
    "CompiledCircuit",
    "DensityMatrixEngine",
    "Engine",
    "NativeEngine",
    "PennyLaneEngine",
    "ReferenceEngine",
    "Request",
    "TorchEngine",
    "TorchQuantumEngine",
    "engine_by_name",
    "memory",
    "native_engine",
    "numerics",
    "pauli_errors",
    "shots",
    "trajectories",
]

_ENGINES: dict[str, type[Engine]] = {
    "auto": AutoEngine,
    "density_matrix": DensityMatrixEngine,
    "native": NativeEngine,
    "reference": ReferenceEngine,
    "torch": TorchEngine,
    "torchquantum": TorchQuantumEngine,
}


def engine_by_name(name: str) -> Engine:
    """The engine of that name: auto, native, torch, torchquantum, density_matrix, reference or pennylane:DEVICE.

    Raises:
        ValueError: If there is no engine of that name, it is `native` and was not built, or `torchquantum` and not
            installed.
    """
    kind, _, device = name.partition(":")
    if kind == "pennylane":
        return PennyLaneEngine(device)
    if name not in _ENGINES:
        raise ValueError(f"There is no engine {name!r}; there are: {', '.join(_ENGINES)}, pennylane:DEVICE.")
    return _ENGINES[name]()
