"""The native engine: a compiled kernel for CPUs, real statevectors, adjoint differentiation.

What it computes and why it is right is told in `native/native.md`. This module loads the extension, checks what goes in
and keeps the circuits that were compiled; `native_autograd.py` runs them.
"""

import importlib.util
import os
from functools import lru_cache
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar, final

import torch
from torch import Tensor

from qlit.circuits import Circuit
from qlit.engines.base import Engine
from qlit.engines.native_autograd import Program, evaluated
from qlit.engines.request import Capabilities, Run

if TYPE_CHECKING:
    from qlit.engines import _native

_KINDS = {"ry": 0, "cnot": 2, "x": 3, "z": 4}


def _load() -> tuple[Any, str]:
    """The compiled extension, or None and why it is not there."""
    path = os.environ.get("QLIT_NATIVE_LIBRARY")
    try:
        if path:
            spec = importlib.util.spec_from_file_location("qlit.engines._native", path)
            if spec is None or spec.loader is None:
                return None, f"QLIT_NATIVE_LIBRARY={path} is no Python extension"
            module: ModuleType = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            return module, ""
        from qlit.engines import _native as installed

        return installed, ""
    except (ImportError, OSError) as error:
        return None, f"{error}"


_extension, _reason = _load()


def is_built() -> bool:
    """Whether the compiled extension is there."""
    return _extension is not None


def why_not_built() -> str:
    """Why the compiled extension cannot be used, in words; empty if it can."""
    return _reason


@final
class NativeEngine(Engine):
    """Real statevectors in float32 or float64 on the CPU, compiled; as many threads as torch uses.

    The fastest engine there is on CPUs. Needs the extension that the installation compiles. Results have the same bits
    for any number of threads. Tensors must be contiguous.

    Args:
        kernels: Which code to run: avx512, avx2 or plain; None for the fastest that the processor has.

    Raises:
        ValueError: If the extension was not built, or the processor has no such kernels.
    Source: adjoint differentiation, arXiv:2009.02823.
    """

    name: ClassVar[str] = "native"
    # Beside the final states, one batch: cotangents backward, initial states (which are read, not kept) forward.
    capabilities: ClassVar[Capabilities] = Capabilities(
        max_qubits=26,
        dtypes=(torch.float32, torch.float64),
        device_types=("cpu",),
        states_at_peak=1,
        pauli_errors=True,
        encoder_amplitudes=2**19,  # a step of so many takes far longer than the 0.1 ms that it saves
    )

    def __init__(self, kernels: str | None = None) -> None:
        if _extension is None:
            raise ValueError(
                f"Engine 'native' needs qlit's compiled extension, which is not there ({_reason}). Install a C++20 "
                "compiler and install qlit again, or take `engine: torch`, or `engine: auto`."
            )
        available = _extension.available_kernels()
        if kernels is not None and kernels not in available:
            raise ValueError(f"This processor has the kernels {', '.join(available)}, but got {kernels=}.")
        self.kernels: str = kernels or available[0]

    def _expectation(self, run: Run) -> Tensor:
        return self._run(run, probabilities=False)

    def _probabilities(self, run: Run) -> Tensor:
        return self._run(run, probabilities=True)

    def _run(self, run: Run, *, probabilities: bool) -> Tensor:
        encoders = tuple([(each.circuit, each.wires) for each, _ in run.encoders])
        program = _program(run.circuit, run.wires, probabilities, encoders, run.parameters.dtype, self.kernels)
        return evaluated(program, run)


@lru_cache(maxsize=256)
def _program(
    circuit: Circuit,
    wires: tuple[int, ...],
    probabilities: bool,
    encoders: tuple[tuple[Circuit, tuple[int, ...]], ...],
    dtype: torch.dtype,
    kernels: str,
) -> Program:
    measurement = _extension.Measurement(probabilities, [circuit.num_qubits - 1 - wire for wire in wires])
    return Program(
        _compiled(circuit, dtype, kernels),
        measurement,
        2 ** len(wires) if probabilities else len(wires),
        tuple(_program(each, measured, False, (), dtype, kernels) for each, measured in encoders),
        _extension.allocate,
    )


@lru_cache(maxsize=128)
def _compiled(circuit: Circuit, dtype: torch.dtype, kernels: str) -> "_native._Executable":
    kind = _extension.ExecutableFloat32 if dtype == torch.float32 else _extension.ExecutableFloat64
    instructions = []
    for gate in circuit:
        code = 1 if gate.angle is not None else _KINDS[gate.kind]
        slot = gate.angle if gate.angle is not None else gate.parameter
        instructions.append([code, gate.wires[0], gate.wires[-1], -1 if slot is None else slot])
    executable: _native._Executable = kind(
        circuit.num_qubits, circuit.num_parameters, circuit.num_angles, instructions, kernels
    )
    return executable
