"""The native engine: a compiled kernel for CPUs, real statevectors, adjoint differentiation.

`native/native.md` derives its mathematics. This module loads the extension and compiles circuits; `native_autograd.py`
runs them.
"""

import importlib.util
import os
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar, final

import torch
from torch import Tensor

from qlit.circuits import Circuit
from qlit.engines.base import Engine
from qlit.engines.native_autograd import NativeProgram, evaluated
from qlit.engines.request import Capabilities, Request

if TYPE_CHECKING:
    from qlit.engines import _native

_KINDS = {"ry": 0, "cnot": 2, "x": 3, "z": 4}
_MOST_PROGRAMS = 64  # that a circuit keeps


def _load() -> tuple[Any, str]:
    """The compiled extension, or None and the reason why it cannot be loaded."""
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
    """Whether the compiled extension can be used."""
    return _extension is not None


def why_not_built() -> str:
    """Why the compiled extension cannot be used, one clause; empty if it can."""
    return _reason


def available_kernels() -> list[str]:
    """Kernels that this processor runs, fastest first; empty if the extension is not built.

    They are avx512_amd and avx512 (the former first on AMD's processors), avx2 and plain.
    """
    return [] if _extension is None else list(_extension.available_kernels())


@final
class NativeEngine(Engine):
    """Real statevectors in float32 or float64 on the CPU, compiled; as many threads as torch uses.

    The fastest engine there is on CPUs. Needs the extension that the installation compiles. Results have the same bits
    for any number of threads. Tensors must be contiguous.

    Args:
        kernels: Which code to run: avx512_amd, avx512, avx2 or plain; None for the fastest that the processor has.

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
        replayable=True,
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

    def _expectation(self, request: Request) -> Tensor:
        return self._run(request, probabilities=False)

    def _probabilities(self, request: Request) -> Tensor:
        return self._run(request, probabilities=True)

    def _prepare(self, circuit: Circuit) -> "NativeCircuit":
        return NativeCircuit(circuit, self.kernels)

    def _run(self, request: Request, *, probabilities: bool) -> Tensor:
        main: NativeCircuit = request.compiled.prepared_by(self)
        encoders = tuple([(encoder.compiled.prepared_by(self), encoder.wires) for encoder, _ in request.encoders])
        return evaluated(main.program(request.parameters.dtype, request.wires, probabilities, encoders), request)


@final
class NativeCircuit:
    """A circuit as the extension compiled it, for every type and measurement that a run has asked for.

    Args:
        circuit: The circuit.
        kernels: Which code to run; see `NativeEngine`.
    """

    def __init__(self, circuit: Circuit, kernels: str) -> None:
        self._circuit, self._kernels = circuit, kernels
        self._executables: dict[torch.dtype, _native._Executable] = {}
        self._programs: dict[Any, NativeProgram] = {}

    def program(
        self,
        dtype: torch.dtype,
        wires: tuple[int, ...],
        probabilities: bool,
        encoders: tuple[tuple["NativeCircuit", tuple[int, ...]], ...] = (),
    ) -> NativeProgram:
        """The circuit with a measurement and with encoders, made once.

        Args:
            dtype: Type of all numbers.
            wires: Measured wires.
            probabilities: Whether the joint outcomes of these wires are measured, not their expectation values.
            encoders: Encoders and their measured wires.
        """
        key = (dtype, wires, probabilities, encoders)
        program = self._programs.get(key)
        if program is None:
            bits = [self._circuit.num_qubits - 1 - wire for wire in wires]
            program = NativeProgram(
                self._executable(dtype),
                _extension.Measurement(probabilities, bits),
                2 ** len(wires) if probabilities else len(wires),
                tuple(encoder.program(dtype, measured, False) for encoder, measured in encoders),
                _extension.allocate,
            )
            if len(self._programs) == _MOST_PROGRAMS:  # of encoders that changed, for the most part
                self._programs.clear()
            self._programs[key] = program
        return program

    def _executable(self, dtype: torch.dtype) -> "_native._Executable":
        if dtype not in self._executables:
            kind = _extension.ExecutableFloat32 if dtype == torch.float32 else _extension.ExecutableFloat64
            circuit = self._circuit
            instructions = []
            for gate in circuit:
                code = 1 if gate.angle is not None else _KINDS[gate.kind]
                slot = gate.angle if gate.angle is not None else gate.parameter
                instructions.append([code, gate.wires[0], gate.wires[-1], -1 if slot is None else slot])
            self._executables[dtype] = kind(
                circuit.num_qubits, circuit.num_parameters, circuit.num_angles, instructions, self._kernels
            )
        return self._executables[dtype]
