"""Programs of the native engine as functions that autograd differentiates; the extension gets addresses of tensors.

Shapes: B batch, P parameters, A input angles, W measured wires, G gates, N = 2**num_qubits amplitudes.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from qlit.engines.memory import check_free
from qlit.engines.request import Request

if TYPE_CHECKING:
    from qlit.engines import _native

# The system keeps small blocks for the next step. It would take larger ones back and map them again page by page.
_SMALL_BYTES = 2**20


@dataclass(frozen=True, eq=False)
class NativeProgram:
    """A circuit and its measurement, compiled, and the encoders that measure its input angles, if any.

    Args:
        executable: The circuit.
        measurement: The measurement of its final states.
        num_results: W, or 2**W of joint outcomes.
        encoders: NativePrograms that measure expectation values, in the order of the angles.
        allocate: Returns memory for large states, a tensor of so many bytes.
    """

    executable: "_native._Executable"
    measurement: "_native.Measurement"
    num_results: int
    encoders: tuple["NativeProgram", ...]
    allocate: Callable[[int], Tensor]
    _memory: dict[tuple[int, int], "_Memory"] = field(default_factory=dict)

    def memory(self, batch_size: int, num_threads: int) -> "_Memory":
        """Memory of a run."""
        found = self._memory.get((batch_size, num_threads))
        if found is None:
            executables = [program.executable for program in (*self.encoders, self)]
            # Every thread at work holds a tile's state or cotangent, and copies of parts of it that fit a cache.
            tiles = min(batch_size, num_threads * self.executable.samples_per_tile)
            found = self._memory[batch_size, num_threads] = _Memory(
                final_states=sum(executable.state_bytes(batch_size) for executable in executables),
                at_work=max(executable.state_bytes(tiles) for executable in executables),
            )
        return found


class _Memory(NamedTuple):
    """Bytes of the final states of all circuits, which a backward pass needs, and of the threads' working memory."""

    final_states: int
    at_work: int


class _Forward(NamedTuple):
    """Results of a program, and what its backward pass needs.

    Args:
        results: Shape (B, W) or (B, 2**W).
        states: Memory of the final states of all circuits, or None.
        values: Expectation values of the encoders, shape (B, A), or None.
    """

    results: Tensor
    states: Tensor | None = None
    values: Tensor | None = None


class _EncoderGradients(NamedTuple):
    """Gradients with respect to the tensors of an encoder: parameters (P,), scale () and, if wanted, state (B, N)."""

    parameters: Tensor
    scale: Tensor
    state: Tensor | None


class _Gradients(NamedTuple):
    """Gradients with respect to the tensors of a program: parameters (P,), angles (B, A) and state (B, N) if wanted."""

    parameters: Tensor
    angles: Tensor | None
    state: Tensor | None
    encoders: list[_EncoderGradients]


class _EncoderCall(NamedTuple):
    """An encoder as the extension takes it, with addresses of tensors and of their gradients, 0 for none."""

    executable: "_native._Executable"
    measurement: "_native.Measurement"
    parameters: int
    scale: int
    state: int = 0
    by_parameters: int = 0
    by_scale: int = 0
    by_state: int = 0


def evaluated(program: NativeProgram, request: Request) -> Tensor:
    """Results of a request, shape (B, W) or (B, 2**W), differentiable where autograd will ask for it.

    Raises:
        ValueError: If a tensor is not contiguous.
    """
    inputs = [request.parameters, request.angles, request.state, request.errors]
    for encoder, scale in request.encoders:
        inputs += (encoder.parameters, scale, encoder.state)
    for place, tensor in enumerate(inputs):
        if tensor is not None and not tensor.is_contiguous():
            raise _strided(place, tensor)
    if request.wants_gradients:
        result: Tensor = _differentiable(program, request, *inputs)
        return result
    return _forward(program, request, keep=False).results


def _strided(place: int, tensor: Tensor) -> ValueError:
    names = ("parameters", "angles", "state", "errors")
    name = names[place] if place < len(names) else ("parameters", "scale", "state")[(place - len(names)) % 3]
    return ValueError(
        f"Engine 'native' reads contiguous tensors, but `{name}` has shape {tuple(tensor.shape)} and strides "
        f"{tensor.stride()}. Pass `{name}.contiguous()`."
    )


def _address(tensor: Tensor | None) -> int:
    return 0 if tensor is None else tensor.data_ptr()


def _forward(program: NativeProgram, request: Request, *, keep: bool) -> _Forward:
    """Results; with `keep` also what a backward pass needs."""
    batch_size, num_threads = request.batch_size, torch.get_num_threads()
    results = request.parameters.new_empty(batch_size, program.num_results)
    if not batch_size:
        return _Forward(results)
    final_states, at_work = program.memory(batch_size, num_threads)
    check_free(at_work + final_states if keep else at_work, f"The statevectors of a batch of {batch_size}")
    encoders = [
        _EncoderCall(
            encoder.executable,
            encoder.measurement,
            tensors.parameters.data_ptr(),
            scale.data_ptr(),
            _address(tensors.state),
        )
        for encoder, (tensors, scale) in zip(program.encoders, request.encoders, strict=True)
    ]
    states = values = None
    if keep:
        is_small = final_states <= _SMALL_BYTES
        states = torch.empty(final_states, dtype=torch.uint8) if is_small else program.allocate(final_states)
        if encoders:
            values = results.new_empty(batch_size, sum([encoder.num_results for encoder in program.encoders]))
    program.executable.forward(
        program.measurement,
        request.parameters.data_ptr(),
        _address(request.angles),
        _address(request.state),
        _address(request.errors),
        batch_size,
        encoders,
        _address(values),
        results.data_ptr(),
        _address(states),
        num_threads,
    )
    return _Forward(results, states, values)


class _Differentiable(torch.autograd.Function):
    """Results of a program, with the adjoint sweep as its backward pass."""

    @staticmethod
    def forward(ctx: Any, program: NativeProgram, request: Request, *inputs: Tensor | None) -> Tensor:  # noqa: ARG004
        """Results of a request; `inputs` are its tensors again, by which autograd knows them."""
        results, states, values_BA = _forward(program, request, keep=True)
        # The backward pass does not read initial states, so they are not kept.
        of_encoders = [tensor for encoder, scale in request.encoders for tensor in (encoder.parameters, scale)]
        ctx.save_for_backward(states, values_BA, request.parameters, request.angles, request.errors, *of_encoders)
        ctx.program, ctx.batch_size = program, request.batch_size
        ctx.state_shape = None if request.state is None else request.state.shape
        ctx.encoder_state_shapes = [
            None if encoder.state is None else encoder.state.shape for encoder, _ in request.encoders
        ]
        ctx.swept_back = False
        return results

    @staticmethod
    def backward(ctx: Any, by_results: Tensor) -> Any:
        # The check that refuses a second derivative takes as long as a small circuit: only where one may be asked for.
        return _backward_once(ctx, by_results) if torch.is_grad_enabled() else _backward(ctx, by_results)


def _backward(ctx: Any, by_results: Tensor) -> tuple[Tensor | None, ...]:
    states, values_BA, parameters_P, angles_BA, errors_BG, *of_encoders = ctx.saved_tensors
    program: NativeProgram = ctx.program
    _, _, _, wants_angles, wants_state, _, *wants_of_encoders = ctx.needs_input_grad
    gradients = _Gradients(
        torch.empty_like(parameters_P),
        torch.empty_like(angles_BA) if wants_angles else None,
        parameters_P.new_empty(ctx.state_shape) if wants_state else None,
        [],
    )
    encoders = []
    for encoder, parameters, scale, shape, wants_state in zip(
        program.encoders,
        of_encoders[::2],
        of_encoders[1::2],
        ctx.encoder_state_shapes,
        wants_of_encoders[2::3],
        strict=True,
    ):
        by_state = parameters.new_empty(shape) if wants_state else None
        by_encoder = _EncoderGradients(torch.empty_like(parameters), torch.empty_like(scale), by_state)
        gradients.encoders.append(by_encoder)
        encoders.append(
            _EncoderCall(
                encoder.executable,
                encoder.measurement,
                parameters.data_ptr(),
                scale.data_ptr(),
                0,
                by_encoder.parameters.data_ptr(),
                by_encoder.scale.data_ptr(),
                _address(by_state),
            )
        )
    if not ctx.batch_size:
        return _flat(gradients, zero=True)
    by_results = by_results.contiguous()  # the gradient of a sum is one expanded number
    num_threads = torch.get_num_threads()
    inputs = (parameters_P.data_ptr(), _address(angles_BA), _address(errors_BG), ctx.batch_size, encoders)
    if ctx.swept_back:  # a retained graph: the last backward pass left the states at the circuits' beginning
        program.executable.repeat(*inputs, _address(values_BA), states.data_ptr(), num_threads)
    ctx.swept_back = True
    program.executable.backward(
        program.measurement,
        *inputs,
        _address(values_BA),
        states.data_ptr(),
        by_results.data_ptr(),
        gradients.parameters.data_ptr(),
        _address(gradients.angles),
        _address(gradients.state),
        num_threads,
    )
    return _flat(gradients)


def _flat(gradients: _Gradients, *, zero: bool = False) -> tuple[Tensor | None, ...]:
    """Gradients in the order of the inputs of `_Differentiable`, set to zero on request."""
    parameters, angles, state, encoders = gradients
    flat = [parameters, angles, state, None]
    for encoder in encoders:
        flat += encoder
    if zero:
        for tensor in flat:
            if tensor is not None:
                tensor.zero_()
    return None, None, *flat


_backward_once = torch.autograd.function.once_differentiable(_backward)
# Function.apply first unwraps functorch's tensors, which this function does not support; that takes as long as a small
# circuit.
_differentiable: Callable[..., Any] = super(torch.autograd.Function, _Differentiable).apply
