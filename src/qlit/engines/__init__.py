"""Engines: circuit + parameters + inputs -> expectation values and their gradients."""

from qlit.engines.base import Capabilities, Engine
from qlit.engines.reference import ReferenceEngine
from qlit.engines.torch_engine import TorchEngine

__all__ = ["Capabilities", "Engine", "ReferenceEngine", "TorchEngine", "engine_by_name"]

_ENGINES: dict[str, type[Engine]] = {"reference": ReferenceEngine, "torch": TorchEngine}


def engine_by_name(name: str) -> Engine:
    """The engine of that name; "auto" is the fastest one there is for the paper's circuits, at present `torch`.

    Raises:
        ValueError: If there is no engine of that name.
    """
    if name == "auto":
        return TorchEngine()
    if name not in _ENGINES:
        raise ValueError(f"There is no engine {name!r}; there are: auto, {', '.join(sorted(_ENGINES))}.")
    return _ENGINES[name]()
