"""Programs of the native engine as functions that autograd differentiates: torch's tensors in, addresses out.

Shapes: B batch, P parameters, A input angles, W measured wires, G gates, N = 2**num_qubits amplitudes.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from qlit.engines.memory import check_free
from qlit.engines.request import Run

if TYPE_CHECKING:
    from qlit.engines import _native

# The system keeps small blocks for the next step; larger ones it would give back, to make them anew page by page.
_SMALL_BYTES = 2**20


@dataclass(frozen=True, eq=False)
class Program:
    """A circuit and a measurement, compiled, and the encoders that give its input angles, if any do.

    Args:
        executable: The circuit.
        measurement: What is measured.
        num_results: W, or 2**W of joint outcomes.
        encoders: Programs that measure expectation values.
        allocate: Makes memory for large states, a tensor of bytes.
    """

    executable: "_native._Executable"
    measurement: "_native.Measurement"
    num_results: int
    encoders: tuple["Program", ...]
    allocate: Callable[[int], Tensor]
    _memory: dict[tuple[int, int], "_Memory"] = field(default_factory=dict)

    def memory(self, batch_size: int, num_threads: int) -> "_Memory":
        """What a run takes."""
        found = self._memory.get((batch_size, num_threads))
        if found is None:
            executables = [each.executable for each in (*self.encoders, self)]
            # Each thread at work holds a tile's state or cotangent, and copies of parts of it that fit a cache.
            tiles = min(batch_size, num_threads * self.executable.samples_per_tile)
            found = self._memory[batch_size, num_threads] = _Memory(
                kept=sum(each.state_bytes(batch_size) for each in executables),
                at_work=max(each.state_bytes(tiles) for each in executables),
            )
        return found


class _Memory(NamedTuple):
    """Bytes: of the final states of all circuits, for a backward pass, and of what threads work in."""

    kept: int
    at_work: int


def evaluated(program: Program, run: Run) -> Tensor:
    """Results of a run, shape (B, W) or (B, 2**W), differentiable where autograd will ask for it.

    Raises:
        ValueError: If a tensor is not contiguous.
    """
    inputs = [run.angles, run.state, run.errors]
    for each, scale in run.encoders:
        inputs += (each.parameters, scale, each.state)
    if not run.parameters.is_contiguous():
        raise _strided("parameters", run.parameters)
    for k, tensor in enumerate(inputs):
        if tensor is not None and not tensor.is_contiguous():
            raise _strided(
                ("angles", "state", "errors", *["parameters", "scale", "state"] * len(run.encoders))[k], tensor
            )
    if run.wants_gradients:
        result: Tensor = _differentiable(program, run.batch_size, run.parameters, *inputs)
        return result
    results, _, _ = _forward(program, run.batch_size, run.parameters, *inputs, keep=False)
    return results


def _strided(name: str, tensor: Tensor) -> ValueError:
    return ValueError(
        f"Engine 'native' reads contiguous tensors, but `{name}` has shape {tuple(tensor.shape)} and strides "
        f"{tensor.stride()}. Pass `{name}.contiguous()`."
    )


def _address(tensor: Tensor | None) -> int:
    return 0 if tensor is None else tensor.data_ptr()


def _forward(
    program: Program,
    batch_size: int,
    parameters: Tensor,
    angles: Tensor | None,
    state: Tensor | None,
    errors: Tensor | None,
    *of_encoders: Tensor | None,
    keep: bool,
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """Results; and, if they are to be kept, the memory of the final states, and what the encoders measured, (B, A)."""
    num_threads = torch.get_num_threads()
    results = parameters.new_empty(batch_size, program.num_results)
    states = values = None
    if not batch_size:
        return results, states, values
    kept, at_work = program.memory(batch_size, num_threads)
    check_free(at_work + kept if keep else at_work, f"The statevectors of a batch of {batch_size}")
    encoders = []
    for k, encoder in enumerate(program.encoders):
        addresses = [_address(tensor) for tensor in of_encoders[3 * k : 3 * k + 3]]
        encoders.append((encoder.executable, encoder.measurement, addresses[0], addresses[1], addresses[2], 0, 0, 0))
    if keep:
        states = torch.empty(kept, dtype=torch.uint8) if kept <= _SMALL_BYTES else program.allocate(kept)
        if encoders:
            values = parameters.new_empty(batch_size, sum(encoder.num_results for encoder in program.encoders))
    program.executable.forward(
        program.measurement,
        parameters.data_ptr(),
        _address(angles),
        _address(state),
        _address(errors),
        batch_size,
        encoders,
        _address(values),
        results.data_ptr(),
        _address(states),
        num_threads,
    )
    return results, states, values


class _Differentiable(torch.autograd.Function):
    """Results of a program, with the adjoint sweep as its backward pass."""

    @staticmethod
    def forward(
        ctx: Any,
        program: Program,
        batch_size: int,
        parameters_P: Tensor,
        angles_BA: Tensor | None,
        initial_BN: Tensor | None,
        errors_BG: Tensor | None,
        *of_encoders: Tensor | None,
    ) -> Tensor:
        results, states, values_BA = _forward(
            program, batch_size, parameters_P, angles_BA, initial_BN, errors_BG, *of_encoders, keep=True
        )
        # Initial states are not read again, so they are not kept.
        circuits = [each for k, each in enumerate(of_encoders) if k % 3 < 2]
        ctx.save_for_backward(parameters_P, angles_BA, errors_BG, states, values_BA, *circuits)
        ctx.program, ctx.batch_size = program, batch_size
        ctx.initial_shapes = [None if each is None else each.shape for each in (initial_BN, *of_encoders[2::3])]
        ctx.swept_back = False
        return results

    @staticmethod
    def backward(ctx: Any, by_results: Tensor) -> Any:
        # What refuses a second derivative costs as much as a small circuit: only where one could be asked for.
        return _backward_once(ctx, by_results) if torch.is_grad_enabled() else _backward(ctx, by_results)


def _backward(ctx: Any, by_results: Tensor) -> tuple[Tensor | None, ...]:
    parameters_P, angles_BA, errors_BG, states, values_BA, *circuits = ctx.saved_tensors
    program: Program = ctx.program
    batch_size, num_threads = ctx.batch_size, torch.get_num_threads()
    _, _, _, wants_angles, wants_initial, _, *wants_of_encoders = ctx.needs_input_grad
    by_results = by_results.contiguous()  # a sum's cotangent is one number, expanded
    by_parameters = torch.empty_like(parameters_P)
    by_angles = torch.empty_like(angles_BA) if wants_angles else None
    shape, *shapes = ctx.initial_shapes
    by_initial = parameters_P.new_empty(shape) if wants_initial else None
    by_encoders: list[Tensor | None] = []
    encoders = []
    for k, encoder in enumerate(program.encoders):
        circuit_parameters, scale = circuits[2 * k : 2 * k + 2]
        by_state = parameters_P.new_empty(shapes[k]) if wants_of_encoders[3 * k + 2] else None
        by_circuit, by_scale = torch.empty_like(circuit_parameters), torch.empty_like(scale)
        by_encoders += [by_circuit, by_scale, by_state]
        addresses = (circuit_parameters.data_ptr(), scale.data_ptr(), 0)
        gradients = (by_circuit.data_ptr(), by_scale.data_ptr(), _address(by_state))
        encoders.append((encoder.executable, encoder.measurement, *addresses, *gradients))
    if not batch_size:
        for each in (by_parameters, *by_encoders):
            if each is not None:
                each.zero_()
        return None, None, by_parameters, by_angles, by_initial, None, *by_encoders
    inputs = (parameters_P.data_ptr(), _address(angles_BA), _address(errors_BG), batch_size, encoders)
    if ctx.swept_back:  # a graph that was retained: its states are at the circuits' beginning
        program.executable.repeat(*inputs, _address(values_BA), states.data_ptr(), num_threads)
    ctx.swept_back = True
    program.executable.backward(
        program.measurement,
        *inputs,
        _address(values_BA),
        states.data_ptr(),
        by_results.data_ptr(),
        by_parameters.data_ptr(),
        _address(by_angles),
        _address(by_initial),
        num_threads,
    )
    return None, None, by_parameters, by_angles, by_initial, None, *by_encoders


_backward_once = torch.autograd.function.once_differentiable(_backward)
# Function.apply first unwraps functorch's tensors, which this function does not support, in as long as a small circuit.
_differentiable: Callable[..., Any] = super(torch.autograd.Function, _Differentiable).apply
