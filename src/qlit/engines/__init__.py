"""Engines: circuit + parameters + inputs -> expectation values and their gradients."""

from inspect import isabstract, isclass

from qlit.engines.auto_engine import AutoEngine
from qlit.engines.base import Engine
from qlit.engines.compiled import CompiledCircuit
from qlit.engines.cuda import CudaEngine
from qlit.engines.density_matrix import DensityMatrixEngine
from qlit.engines.native_engine import NativeEngine
from qlit.engines.own_objects import object_at
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
    "CudaEngine",
    "DensityMatrixEngine",
    "Engine",
    "NativeEngine",
    "PennyLaneEngine",
    "ReferenceEngine",
    "Request",
    "TorchEngine",
    "TorchQuantumEngine",
    "engine_by_name",
    "ensembles",
    "memory",
    "native_engine",
    "numerics",
    "object_at",
    "pauli_errors",
    "pennylane_devices",
    "shots",
    "trajectories",
]

_ENGINES: dict[str, type[Engine]] = {
    "auto": AutoEngine,
    "cuda": CudaEngine,
    "density_matrix": DensityMatrixEngine,
    "native": NativeEngine,
    "reference": ReferenceEngine,
    "torch": TorchEngine,
    "torchquantum": TorchQuantumEngine,
}


def engine_by_name(name: str) -> Engine:
    """The engine of that name: auto, native, cuda, torch, torchquantum, density_matrix, reference or pennylane:DEVICE.

    A name with a dot is the import path of a subclass of `Engine`, which is made without arguments: my_engines.Mine.

    Raises:
        ValueError: If there is no engine of that name, it is `native` and was not built, or `torchquantum` and not
            installed; or if an import path names nothing, or no engine.
    """
    kind, _, device = name.partition(":")
    if kind == "pennylane":
        return PennyLaneEngine(device)
    if "." in name:
        return _own_engine(name)
    if name not in _ENGINES:
        raise ValueError(
            f"There is no engine {name!r}; there are: {', '.join(_ENGINES)}, pennylane:DEVICE, and the import path of "
            "your own."
        )
    return _ENGINES[name]()


def _own_engine(path: str) -> Engine:
    found = object_at(path, "an engine")
    if not (isclass(found) and issubclass(found, Engine)):
        raise ValueError(f"An engine is a subclass of qlit.engines.Engine, but {path!r} is not.")
    if isabstract(found):
        raise ValueError(f"{path!r} lacks {', '.join(sorted(found.__abstractmethods__))}, which every engine has.")
    for name, kind in (("name", str), ("capabilities", Capabilities)):
        if not isinstance(getattr(found, name, None), kind):
            raise ValueError(f"{path!r} needs the class attribute `{name}` of type {kind.__name__}, as every engine.")
    if found.name in _ENGINES or found.name.startswith("pennylane"):
        raise ValueError(f"{path!r} has the name of an engine of qlit, {found.name!r}: give it another.")
    try:
        return found()
    except TypeError as error:
        raise ValueError(f"{path!r} cannot be made without arguments: {error}.") from error
