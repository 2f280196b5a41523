"""Requests to an engine and its capabilities: plain data.

Shapes: B batch, A input angles, P parameters, W measured wires, G gates, N = 2**num_qubits amplitudes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from qlit.circuits import Circuit, DepolarizingNoise


@dataclass(frozen=True)
class Capabilities:
    """Capabilities of an engine, checked before it is used.

    Args:
        max_qubits: Widest circuit it takes.
        dtypes: Floating point types of parameters, angles, states and results.
        device_types: Torch device types it runs on; None for any.
        state_gradients: Whether gradients with respect to the initial state are given (they always are for
            parameters and angles).
        states_at_peak: Batches of statevectors of a circuit alive at the peak of a training step, its initial states
            and autograd's copies of them included, beside the final states that every circuit of a step keeps; None
            if the engine's memory is not of that kind.
        pauli_errors: Whether it inserts Pauli errors itself; for others they are turned into signs of angles.
        encoder_amplitudes: B * N of an encoder up to which it pays to hand it over together with the circuit behind it
            (`CircuitAngles`): all circuits then run in one go, but initial states live longer. 0 for engines that run
            encoders first.
        channels: Whether it runs depolarising channels exactly (`noise`).
        samples: Whether it estimates from finite shots itself (`shots`), as a device does.
        remote: Whether circuits leave this machine for a device that may charge for them. It gives nothing but
            estimates from shots, and is sent nothing unasked.
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


class CircuitAngles(NamedTuple):
    """Input angles of a circuit that are what another circuit, an encoder, measures.

    An engine that is given them in place of numbers may run both circuits in one go.

    Args:
        circuit: The encoder; it reads no input angles itself.
        parameters: Its trainable angles, radians, shape (P,).
        scale: Radians at <Z> = 1, shape ().
        state: Its initial statevectors, shape (B, N); None for |0..0>.
        wires: Its measured wires, an angle each; None for all, in order.
    """

    circuit: Circuit
    parameters: Tensor
    scale: Tensor
    state: Tensor | None = None
    wires: Sequence[int] | None = None


class Run(NamedTuple):
    """One checked request: everything an engine needs, with shapes that agree.

    Args:
        circuit: The circuit.
        parameters: Trainable angles, radians, shape (P,).
        angles: Input angles, radians, shape (B, A), or None if the circuit reads none.
        state: Initial statevectors, real and normalised (not checked), shape (B, N), or None for |0..0>.
        wires: Measured wires, distinct, in the order of the result.
        batch_size: B; 1 if neither angles, state nor errors are given.
        errors: Pauli errors after every gate, shape (B, G), or None; see `pauli_errors.py`.
        noise: Depolarising channels after every gate, or None.
        shots: Measurements a sample the engine estimates from, or None for exact results.
        encoders: Runs whose exact expectation values, times a scale of shape () each, are the input angles, one behind
            the other; `angles` is None then.
    """

    circuit: Circuit
    parameters: Tensor
    angles: Tensor | None
    state: Tensor | None
    wires: tuple[int, ...]
    batch_size: int
    errors: Tensor | None = None
    noise: DepolarizingNoise | None = None
    shots: int | None = None
    encoders: tuple[tuple["Run", Tensor], ...] = ()

    @property
    def wants_gradients(self) -> bool:
        """Whether autograd will ask for gradients with respect to parameters, angles or state, encoders' included."""
        return torch.is_grad_enabled() and (
            self.parameters.requires_grad
            or (self.angles is not None and self.angles.requires_grad)
            or (self.state is not None and self.state.requires_grad)
            or any(run.wants_gradients or scale.requires_grad for run, scale in self.encoders)
        )

    def initial_state(self) -> Tensor:
        """Initial statevectors, shape (B, N): those given, or |0..0>."""
        if self.state is not None:
            return self.state
        state_BN = self.parameters.new_zeros(self.batch_size, 2**self.circuit.num_qubits)
        state_BN[:, 0] = 1
        return state_BN
