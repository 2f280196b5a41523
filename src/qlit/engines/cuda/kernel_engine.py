"""An engine that runs the CUDA kernels on a device."""

from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor

from qlit.circuits import Circuit
from qlit.engines.base import Engine
from qlit.engines.cuda.autograd import evaluated
from qlit.engines.cuda.kernels_of_device import Kernels
from qlit.engines.cuda.layout import Layout, Tables, layout_for, tables_of
from qlit.engines.cuda.run import Part, Run
from qlit.engines.cuda.work import CIRCUITS
from qlit.engines.request import Request


class KernelEngine(Engine):
    """Runs the kernels; subclasses say on which device, and so how they are compiled and launched."""

    @abstractmethod
    def _kernels(self, device: torch.device) -> Kernels:
        """The kernels of the device on which a request's tensors are."""

    def _check(self, kernels: Kernels, layout: Layout, num_qubits: int) -> None:
        """Raise a RuntimeError if the kernels of a layout are known to be wrong on this device."""

    def _expectation(self, request: Request) -> Tensor:
        return self._run(request, joint=False)

    def _probabilities(self, request: Request) -> Tensor:
        return self._run(request, joint=True)

    def _prepare(self, circuit: Circuit) -> "_Tables":
        return _Tables(circuit)

    def _run(self, request: Request, *, joint: bool) -> Tensor:
        _check_contiguous(self.name, request)
        parameters, kernels = request.parameters, self._kernels(request.parameters.device)
        circuits = [*(encoder.circuit for encoder, _ in request.encoders), request.circuit]
        width = max(circuit.num_qubits for circuit in circuits)
        layout = layout_for(width, parameters.dtype, kernels)
        self._check(kernels, layout, width)
        if request.encoders and (layout.part == "windows" or len(circuits) > CIRCUITS):
            angles = [scale * self._run(encoder, joint=False) for encoder, scale in request.encoders]
            return self._run(request._replace(angles=torch.cat(angles, dim=1), encoders=()), joint=joint)
        if not request.batch_size:
            return self._empty(request, joint=joint)
        parts = [self._part(encoder, layout, kernels, scale=scale) for encoder, scale in request.encoders]
        parts.append(self._part(request, layout, kernels, joint=joint))
        _check_memory(self.name, parts, request, layout, kernels)
        run = Run(kernels, layout, tuple(parts), request.batch_size, request.angles, request.errors)
        return evaluated(run, differentiable=request.wants_gradients)

    def _part(
        self, request: Request, layout: Layout, kernels: Kernels, *, scale: Tensor | None = None, joint: bool = False
    ) -> Part:
        tables = request.compiled.prepared_by(self).of(layout, kernels.device)
        return Part(tables, request.wires, joint, request.parameters, request.state, scale)

    def _empty(self, request: Request, *, joint: bool) -> Tensor:
        """Results of no samples, of which every gradient is 0."""
        tensors = [request.parameters, request.angles, request.state]
        for encoder, scale in request.encoders:
            tensors += (encoder.parameters, scale, encoder.state)
        zero = sum(tensor.sum() * 0 for tensor in tensors if tensor is not None)
        num_results = 2 ** len(request.wires) if joint else len(request.wires)
        return request.parameters.new_zeros(0, num_results) + zero


class _Tables:
    """Tables of a circuit, made once for every layout and device."""

    def __init__(self, circuit: Circuit) -> None:
        self._circuit = circuit
        self._found: dict[Any, Tables] = {}

    def of(self, layout: Layout, device: torch.device) -> Tables:
        """The tables for a layout."""
        key = (layout.part, layout.window_bits, device)  # states in registers have the same tables at any width
        if key not in self._found:
            self._found[key] = tables_of(self._circuit, layout, device)
        return self._found[key]


def _check_contiguous(engine: str, request: Request) -> None:
    named = [("parameters", request.parameters), ("angles", request.angles), ("state", request.state)]
    named.append(("errors", request.errors))
    for encoder, _ in request.encoders:
        named += [("parameters", encoder.parameters), ("state", encoder.state)]
    for name, tensor in named:
        if tensor is not None and not tensor.is_contiguous():
            raise ValueError(
                f"Engine {engine!r} reads contiguous tensors, but `{name}` has shape {tuple(tensor.shape)} and strides "
                f"{tensor.stride()}. Pass `{name}.contiguous()`."
            )


def _check_memory(engine: str, parts: list[Part], request: Request, layout: Layout, kernels: Kernels) -> None:
    """Raise a ValueError if the device's free memory does not hold the states of a run."""
    if layout.part != "windows" and not request.wants_gradients:
        return  # states live on the chip alone
    itemsize = request.parameters.itemsize
    num_amplitudes = sum(2**part.tables.circuit.num_qubits for part in parts)
    if layout.part == "windows" and request.wants_gradients:
        num_amplitudes *= 2  # state and cotangent
    needed = num_amplitudes * request.batch_size * itemsize
    free = kernels.free_bytes() if needed > 2**28 else None  # a query takes as long as a small circuit
    if free is not None and needed > free:
        raise ValueError(
            f"Engine {engine!r} needs {needed / 2**30:.1f} GiB for the statevectors of a batch of "
            f"{request.batch_size}, but {free / 2**30:.1f} GiB are free on {kernels.device}. "
            "Take fewer qubits or a smaller batch."
        )
