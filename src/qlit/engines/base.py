"""The one interface of all engines: circuit + parameters + inputs -> probabilities and expectation values.

Shapes: B batch, A input angles, P parameters, W measured wires, N = 2**num_qubits amplitudes.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from qlit.circuits import Circuit


@dataclass(frozen=True)
class Capabilities:
    """What an engine can do; asked before it is used.

    Args:
        max_qubits: Widest circuit it takes.
        dtypes: Floating point types of parameters, angles, states and results.
        device_types: Torch device types it runs on; None for any.
        state_gradients: Whether gradients with respect to the initial state are given (they always are for
            parameters and angles).
        states_at_peak: Batches of statevectors of a circuit alive at the peak of a training step, its initial states
            and autograd's copies of them included, beside the final states that every circuit of a step keeps; None
            if the engine's memory is not of that kind.
    """

    max_qubits: int
    dtypes: tuple[torch.dtype, ...]
    device_types: tuple[str, ...] | None = None
    state_gradients: bool = True
    states_at_peak: int | None = None


class Run(NamedTuple):
    """One checked request: everything an engine needs, with shapes that agree.

    Args:
        circuit: The circuit.
        parameters: Trainable angles, radians, shape (P,).
        angles: Input angles, radians, shape (B, A), or None if the circuit reads none.
        state: Initial statevectors, real and normalised (not checked), shape (B, N), or None for |0..0>.
        wires: Measured wires, distinct, in the order of the result.
        batch_size: B; 1 if neither angles nor state are given.
    """

    circuit: Circuit
    parameters: Tensor
    angles: Tensor | None
    state: Tensor | None
    wires: tuple[int, ...]
    batch_size: int


class Engine(ABC):
    """Runs circuits. Subclasses say what they can do and implement the two private methods.

    Amplitudes are real throughout (all gates are real matrices). Results are differentiable once with respect to
    parameters, angles and, where `capabilities.state_gradients`, the initial state.
    """

    name: ClassVar[str]
    capabilities: ClassVar[Capabilities]

    def expectation(
        self,
        circuit: Circuit,
        parameters: Tensor,
        *,
        angles: Tensor | None = None,
        state: Tensor | None = None,
        wires: Sequence[int] | None = None,
    ) -> Tensor:
        """Exact expectation values <Z> of some wires.

        Args:
            circuit: The circuit.
            parameters: Radians, shape (P,).
            angles: Radians, shape (B, A); needed exactly when the circuit reads input angles.
            state: Initial statevectors, real, normalised (not checked), shape (B, N); None for |0..0>.
            wires: Measured wires; None for all, in order.

        Returns:
            <Z>, no unit, in [-1, 1] up to rounding, shape (B, W).

        Raises:
            ValueError: If a shape, type, device or wire does not fit; the message says which and what would.
        """
        run = self._checked(circuit, parameters, angles, state, wires)
        return _in_full_precision(self._expectation, run)

    def probabilities(
        self,
        circuit: Circuit,
        parameters: Tensor,
        *,
        angles: Tensor | None = None,
        state: Tensor | None = None,
        wires: Sequence[int] | None = None,
    ) -> Tensor:
        """Exact probabilities of the joint outcomes of some wires; arguments and errors as `expectation`.

        Returns:
            Probabilities, shape (B, 2**W); the first measured wire is the most significant bit of the outcome.
        """
        run = self._checked(circuit, parameters, angles, state, wires)
        return _in_full_precision(self._probabilities, run)

    def taken_on(self, device_type: str) -> "Engine":  # noqa: ARG002 - an engine that chooses asks for it
        """The engine that runs tensors of a torch device type: this one, unless it chooses among others."""
        return self

    def check_width(self, circuit: Circuit) -> None:
        """Raise a ValueError if the circuit is wider than this engine takes."""
        if circuit.num_qubits > self.capabilities.max_qubits:
            raise ValueError(
                f"Engine {self.name!r} takes circuits of at most {self.capabilities.max_qubits} qubits, "
                f"but this one has {circuit.num_qubits}."
            )

    @abstractmethod
    def _expectation(self, run: Run) -> Tensor: ...

    @abstractmethod
    def _probabilities(self, run: Run) -> Tensor: ...

    def _checked(
        self,
        circuit: Circuit,
        parameters: Tensor,
        angles: Tensor | None,
        state: Tensor | None,
        wires: Sequence[int] | None,
    ) -> Run:
        can = self.capabilities
        self.check_width(circuit)
        if parameters.dtype not in can.dtypes:
            allowed = ", ".join(str(dtype).removeprefix("torch.") for dtype in can.dtypes)
            raise ValueError(f"Engine {self.name!r} computes in {allowed}, but the parameters are {parameters.dtype}.")
        if can.device_types is not None and parameters.device.type not in can.device_types:
            raise ValueError(
                f"Engine {self.name!r} runs on {', '.join(can.device_types)}, but the parameters are on "
                f"{parameters.device}. Engine 'torch' runs on any device."
            )
        _check_shape("parameters", parameters, (circuit.num_parameters,))

        batch_size = 1
        if (angles is None) != (circuit.num_angles == 0):
            raise ValueError(
                f"The circuit reads {circuit.num_angles} input angles a sample, "
                f"but {'none were' if angles is None else f'angles of shape {tuple(angles.shape)} were'} given."
            )
        if angles is not None:
            batch_size = angles.shape[0]
        elif state is not None:
            batch_size = state.shape[0]
        for name, tensor, width in (("angles", angles, circuit.num_angles), ("state", state, 2**circuit.num_qubits)):
            if tensor is None:
                continue
            _check_shape(name, tensor, (batch_size, width))
            if tensor.dtype != parameters.dtype or tensor.device != parameters.device:
                raise ValueError(
                    f"Parameters and {name} must share type and device, but got {parameters.dtype} on "
                    f"{parameters.device} and {tensor.dtype} on {tensor.device}."
                )
        if state is not None and state.requires_grad and not can.state_gradients:
            raise ValueError(
                f"Engine {self.name!r} gives no gradients with respect to the initial state; engine 'torch' does."
            )
        measured = _checked_wires(circuit.num_qubits, None if wires is None else tuple(wires))
        return Run(circuit, parameters, angles, state, measured, batch_size)


def _in_full_precision(compute: Callable[[Run], Tensor], run: Run) -> Tensor:
    """Amplitudes need all the bits they have: autocast is switched off where it is on."""
    device_type = run.parameters.device.type
    if not torch.is_autocast_enabled(device_type):
        return compute(run)
    with torch.autocast(device_type, enabled=False):
        return compute(run)


@lru_cache(maxsize=256)  # as all that is checked again at every step of a training, it has to be quick
def _checked_wires(num_qubits: int, wires: tuple[int, ...] | None) -> tuple[int, ...]:
    measured = tuple(range(num_qubits)) if wires is None else wires
    if not measured or len(set(measured)) != len(measured):
        raise ValueError(f"Measured wires must be at least one and distinct, but got {measured}.")
    if not all(0 <= wire < num_qubits for wire in measured):
        raise ValueError(f"`0 <= wire < {num_qubits}` must hold, but got measured wires {measured}.")
    return measured


def _check_shape(name: str, tensor: Tensor, shape: tuple[int, ...]) -> None:
    if tensor.shape != shape:
        raise ValueError(f"`{name}` must have shape {shape}, but has {tuple(tensor.shape)}.")
