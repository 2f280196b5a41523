"""Requests to an engine and its capabilities: plain data.

Shapes: B batch, A input angles, P parameters, W measured wires, G gates, N = 2**num_qubits amplitudes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypedDict

import torch
from torch import Tensor

from qlit.circuits import Circuit, DepolarizingNoise

if TYPE_CHECKING:
    from qlit.engines.base import Engine
    from qlit.engines.compiled import CompiledCircuit


@dataclass(frozen=True)
class Capabilities:
    """Capabilities of an engine, checked before it is used.

    Args:
        max_qubits: Largest number of qubits of a circuit.
        dtypes: Floating point types of parameters, angles, states and results.
        device_types: Torch device types it runs on; None for any.
        state_gradients: Whether it gives gradients with respect to the initial state, as it always does with respect
            to parameters and angles.
        states_at_peak: Batches of statevectors of a circuit alive at the peak of a training step, its initial states
            and autograd's copies of them included, in addition to the final states that every circuit of a step keeps;
            None if the engine's memory does not consist of statevectors.
        pauli_errors: Whether it inserts Pauli errors itself; for other engines they become signs of angles.
        encoder_amplitudes: B * N of an encoder up to which it should run together with the circuit that reads its
            angles (`CircuitAngles`): one call runs all circuits, but initial states live longer. 0 for engines that
            run encoders first.
        channels: Whether it runs depolarising channels exactly (`noise`).
        samples: Whether it estimates from finite shots itself (`shots`), as a device does.
        replayable: Whether a run is the same sequence of work whatever the numbers are, and reads none of them on the
            host, so that a CUDA graph may record and repeat it.
        all_gates: Whether it runs every gate of `qlit.circuits`; other engines run RY by a slot, CNOT, X and Z.
        remote: Whether circuits leave this machine for a device that may charge for them. Such an engine only gives
            estimates from shots, and receives circuits only on request.
    """

    max_qubits: int
    dtypes: tuple[torch.dtype, ...]
    device_types: tuple[str, ...] | None = None
    state_gradients: bool = True
    states_at_peak: int | None = None
    pauli_errors: bool = False
    encoder_amplitudes: int = 0
    channels: bool = False
    samples: bool = False
    remote: bool = False
    all_gates: bool = False
    replayable: bool = False


class CircuitAngles(NamedTuple):
    """Input angles of a circuit, measured by another circuit, an encoder.

    An engine that gets them in place of numbers may run both circuits in one call.

    Args:
        circuit: The encoder, which reads no input angles itself; compiled, if it runs more than once.
        parameters: Its trainable angles, radians, shape (P,).
        scale: Radians at <Z> = 1, shape ().
        state: Its initial statevectors, shape (B, N); None for |0..0>.
        wires: Its measured wires, one for each angle; None for all, in order.
    """

    circuit: "Circuit | CompiledCircuit"
    parameters: Tensor
    scale: Tensor
    state: Tensor | None = None
    wires: Sequence[int] | None = None

    def compiled_for(self, engine: "Engine") -> "CompiledCircuit":
        """The encoder, compiled for an engine.

        Raises:
            ValueError: If it was compiled for an engine of another name.
        """
        if isinstance(self.circuit, Circuit):
            return engine.compile(self.circuit)
        if self.circuit.engine.name != engine.name:
            raise ValueError(
                f"Engine {engine.name!r} cannot run an encoder that was compiled for engine "
                f"{self.circuit.engine.name!r}: compile both circuits for one engine."
            )
        return self.circuit


class Inputs(TypedDict, total=False):
    """Keywords of `CompiledCircuit.expectation`, which describes them."""

    angles: Tensor | Sequence[CircuitAngles] | None
    state: Tensor | None
    wires: Sequence[int] | None
    errors: Tensor | None
    noise: DepolarizingNoise | None
    shots: int | None


class Request(NamedTuple):
    """One checked request: everything an engine needs, with shapes that agree.

    Args:
        compiled: The circuit, and what engines prepared for it.
        parameters: Trainable angles, radians, shape (P,).
        angles: Input angles, radians, shape (B, A), or None if the circuit reads none.
        state: Initial statevectors, real and normalised (not checked), shape (B, N), or None for |0..0>.
        wires: Measured wires, distinct, in the order of the result.
        batch_size: B; 1 if neither angles, state nor errors are given.
        errors: Pauli errors after every gate, shape (B, G), or None; see `pauli_errors.py`.
        noise: Depolarising channels after every gate, or None.
        shots: Measurements per sample to estimate from, or None for exact results.
        encoders: Encoders that measure the input angles, in the order of the angles; `angles` is None then.
    """

    compiled: "CompiledCircuit"
    parameters: Tensor
    angles: Tensor | None
    state: Tensor | None
    wires: tuple[int, ...]
    batch_size: int
    errors: Tensor | None = None
    noise: DepolarizingNoise | None = None
    shots: int | None = None
    encoders: tuple["EncoderRequest", ...] = ()

    @property
    def circuit(self) -> Circuit:
        """The circuit."""
        return self.compiled.circuit

    @property
    def wants_gradients(self) -> bool:
        """Whether autograd will ask for gradients with respect to parameters, angles or state, encoders' included."""
        return torch.is_grad_enabled() and (
            self.parameters.requires_grad
            or (self.angles is not None and self.angles.requires_grad)
            or (self.state is not None and self.state.requires_grad)
            or any(encoder.wants_gradients or scale.requires_grad for encoder, scale in self.encoders)
        )

    def initial_state(self) -> Tensor:
        """Initial statevectors, real, shape (B, N): those given, or |0..0>."""
        if self.state is not None:
            return self.state
        state_BN = self.parameters.new_zeros(self.batch_size, 2**self.circuit.num_qubits)
        state_BN[:, 0].fill_(1)  # an assignment would copy the number to a GPU
        return state_BN


class EncoderRequest(NamedTuple):
    """A request for the exact expectation values of an encoder, and the factor that makes them input angles.

    Args:
        request: The request.
        scale: Radians at <Z> = 1, shape ().
    """

    request: Request
    scale: Tensor
