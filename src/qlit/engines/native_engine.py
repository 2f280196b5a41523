"""The native engine: a compiled kernel for CPUs, real statevectors, adjoint differentiation.

What it computes and why it is right is told in `native/native.md`. This module checks what goes in, keeps the circuits
that were compiled, and makes a differentiable function of them.

Shapes: B batch, P parameters, A input angles, W measured wires, N = 2**num_qubits amplitudes.
"""

import importlib.util
import os
from collections.abc import Callable
from functools import lru_cache
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, final

import torch
from torch import Tensor

from qlit.circuits import Circuit
from qlit.engines.base import Engine
from qlit.engines.memory import check_free
from qlit.engines.run import Capabilities, Run

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


class _Program(NamedTuple):
    """A circuit and a measurement, compiled."""

    executable: "_native._Executable"
    measurement: "_native.Measurement"
    num_results: int


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
        parameters, angles, state, errors = run.parameters, run.angles, run.state, run.errors
        for name, tensor in (("parameters", parameters), ("angles", angles), ("state", state), ("errors", errors)):
            if tensor is not None and not tensor.is_contiguous():
                raise ValueError(
                    f"Engine 'native' reads contiguous tensors, but `{name}` has shape {tuple(tensor.shape)} and "
                    f"strides {tensor.stride()}. Pass `{name}.contiguous()`."
                )
        program = _program(run.circuit, run.wires, probabilities, parameters.dtype, self.kernels)
        if run.wants_gradients:
            result: Tensor = _differentiable(program, run.batch_size, parameters, angles, state, errors)
            return result
        results, _ = _forward(program, run.batch_size, parameters, angles, state, errors, keep=False)
        return results


@lru_cache(maxsize=256)
def _program(
    circuit: Circuit, wires: tuple[int, ...], probabilities: bool, dtype: torch.dtype, kernels: str
) -> _Program:
    bits = [circuit.num_qubits - 1 - wire for wire in wires]
    measurement = _extension.Measurement(probabilities, bits)
    return _Program(_compiled(circuit, dtype, kernels), measurement, 2 ** len(wires) if probabilities else len(wires))


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


def _address(tensor: Tensor | None) -> int:
    return 0 if tensor is None else tensor.data_ptr()


def _forward(
    program: _Program,
    batch_size: int,
    parameters: Tensor,
    angles: Tensor | None,
    state: Tensor | None,
    errors: Tensor | None,
    *,
    keep: bool,
) -> tuple[Tensor, Tensor | None]:
    """Results, shape (B, W) or (B, 2**W), and the memory of the final states if it is to be kept."""
    num_threads = torch.get_num_threads()
    executable = program.executable
    results = parameters.new_empty(batch_size, program.num_results)
    states = None
    if batch_size:
        _check_memory(executable, batch_size, num_threads, keep=keep)
        if keep:
            states = _extension.allocate(executable.state_bytes(batch_size))
        executable.forward(
            program.measurement,
            parameters.data_ptr(),
            _address(angles),
            _address(state),
            _address(errors),
            batch_size,
            results.data_ptr(),
            _address(states),
            num_threads,
        )
    return results, states


def _check_memory(executable: "_native._Executable", batch_size: int, num_threads: int, *, keep: bool) -> None:
    # Each thread at work holds a tile's state or cotangent, and copies of parts of it that fit a cache.
    at_work = executable.state_bytes(min(batch_size, num_threads * executable.samples_per_tile))
    needed = at_work + (executable.state_bytes(batch_size) if keep else 0)
    check_free(needed, f"The statevectors of a batch of {batch_size}")


class _Differentiable(torch.autograd.Function):
    """Results of a program, with the adjoint sweep as its backward pass."""

    @staticmethod
    def forward(
        ctx: Any,
        program: _Program,
        batch_size: int,
        parameters_P: Tensor,
        angles_BA: Tensor | None,
        initial_BN: Tensor | None,
        errors_BG: Tensor | None,
    ) -> Tensor:
        results, states = _forward(program, batch_size, parameters_P, angles_BA, initial_BN, errors_BG, keep=True)
        ctx.save_for_backward(parameters_P, angles_BA, errors_BG, states)
        ctx.program, ctx.batch_size = program, batch_size
        ctx.initial_shape = None if initial_BN is None else initial_BN.shape
        ctx.swept_back = False
        return results

    @staticmethod
    def backward(ctx: Any, by_results: Tensor) -> Any:
        # What refuses a second derivative costs as much as a small circuit: only where one could be asked for.
        return _backward_once(ctx, by_results) if torch.is_grad_enabled() else _backward(ctx, by_results)


def _backward(ctx: Any, by_results: Tensor) -> tuple[None, None, Tensor, Tensor | None, Tensor | None, None]:
    parameters_P, angles_BA, errors_BG, states = ctx.saved_tensors
    program: _Program = ctx.program
    batch_size, num_threads = ctx.batch_size, torch.get_num_threads()
    *_, wants_angles, wants_initial, _ = ctx.needs_input_grad
    by_results = by_results.contiguous()  # a sum's cotangent is one number, expanded
    by_parameters = torch.empty_like(parameters_P)
    by_angles = torch.empty_like(angles_BA) if wants_angles else None
    by_initial = parameters_P.new_empty(ctx.initial_shape) if wants_initial else None
    if not batch_size:
        return None, None, by_parameters.zero_(), by_angles, by_initial, None
    if ctx.swept_back:  # a graph that was retained: its states are at the circuit's beginning
        program.executable.repeat(
            parameters_P.data_ptr(),
            _address(angles_BA),
            _address(errors_BG),
            batch_size,
            states.data_ptr(),
            num_threads,
        )
    ctx.swept_back = True
    program.executable.backward(
        program.measurement,
        parameters_P.data_ptr(),
        _address(angles_BA),
        _address(errors_BG),
        batch_size,
        states.data_ptr(),
        by_results.data_ptr(),
        by_parameters.data_ptr(),
        _address(by_angles),
        _address(by_initial),
        num_threads,
    )
    return None, None, by_parameters, by_angles, by_initial, None


_backward_once = torch.autograd.function.once_differentiable(_backward)
# Function.apply first unwraps functorch's tensors, which this function does not support, in as long as a small circuit.
_differentiable: Callable[..., Any] = super(torch.autograd.Function, _Differentiable).apply
