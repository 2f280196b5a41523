"""The circuits of a head and the engines that run them."""

from typing import NamedTuple

import torch

from qlit.circuits import Circuit
from qlit.engines import Engine
from qlit.heads import CircuitPQC, Head


class CircuitInUse(NamedTuple):
    """A circuit of a head, its engine, and how often a training step runs it per sample."""

    circuit: Circuit
    engine: Engine
    runs: int


def circuits_of(head: Head, device: torch.device) -> dict[str, CircuitInUse]:
    """Circuits of a head and the engines that run them on a device, by the name of their module."""
    found: dict[str, CircuitInUse] = {}
    for name, module in head.named_modules():
        circuit, engine = getattr(module, "circuit", None), getattr(module, "engine", None)
        if isinstance(circuit, Circuit) and isinstance(engine, Engine):
            runs = module.noise.runs(training=True) if isinstance(module, CircuitPQC) else 1
            found[name] = CircuitInUse(circuit, engine.taken_on(device.type, circuit), runs)
    return found
