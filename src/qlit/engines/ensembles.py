"""A circuit at many parameters at once: gradients, reduced states of single wires, and fidelities, all exact.

Every function takes expectation values or probabilities from `engine: auto`, which runs samples as a batch. Samples
have parameters of their own, so every rotation reads an input angle (`CompiledCircuit.rotations`).

Shapes: S samples, P parameters, A input angles, W wires, N = 2**num_qubits amplitudes.
"""

import math
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from qlit.circuits import Circuit, Gate, GateKind
from qlit.engines.auto_engine import AutoEngine

_AMPLITUDES = 2**21  # of a chunk of samples
_ANGLES = 2**19  # of a chunk of samples: engines keep a matrix or coefficients per angle


def z_gradients(circuit: Circuit, parameters_SP: Tensor, wire: int, *, angles_SA: Tensor | None = None) -> Tensor:
    """Gradients of <Z> of one wire with respect to the parameters, from |0..0>.

    Args:
        circuit: The circuit.
        parameters_SP: Radians, shape (S, P).
        wire: Measured wire.
        angles_SA: Radians, shape (S, A); None if the circuit reads none.

    Returns:
        Derivatives, per radian, shape (S, P).

    Raises:
        ValueError: If the circuit has more qubits than the engine runs, a shape does not fit, or the free memory does
            not hold a sample.
    """
    rotations = AutoEngine().compile(circuit).rotations
    if not circuit.num_parameters:
        return parameters_SP.clone()
    sources, nothing = list(rotations.sources), parameters_SP.new_zeros(0)

    def run(rows: slice) -> Tensor:
        given = parameters_SP[rows].detach().clone().requires_grad_()
        with torch.enable_grad():
            both = given if angles_SA is None else torch.cat((given, angles_SA[rows]), dim=1)
            angles_SR = both[:, sources].contiguous()
            z = rotations.compiled.expectation(nothing, angles=angles_SR, wires=(wire,)).sum()
            (gradient,) = torch.autograd.grad(z, given)
        return gradient

    return _by_chunks(run, len(parameters_SP), circuit)


@torch.no_grad()
def bloch_vectors(
    circuit: Circuit, parameters: Tensor, *, angles_SA: Tensor | None = None, state_SN: Tensor | None = None
) -> Tensor:
    """Bloch vectors (<X>, <Y>, <Z>) of every wire in the final states: the reduced states of single wires.

    <X> and <Y> are <Z> after one more rotation of every wire. <Y> is 0 in circuits of real gates.

    Args:
        circuit: The circuit.
        parameters: Radians, shape (P,) for all samples alike, or (S, P) without `state_SN`.
        angles_SA: Radians, shape (S, A); None if the circuit reads none.
        state_SN: Initial statevectors, real, normalised (not checked), shape (S, N); None for |0..0>.

    Returns:
        Bloch vectors, no unit, shape (S, W, 3).

    Raises:
        ValueError: As `z_gradients`.
    """
    z_SW = _expectation(circuit, parameters, angles_SA, state_SN)
    x_SW = _expectation(*_turned(circuit, parameters, "ry", -math.pi / 2), angles_SA, state_SN)
    y_SW = torch.zeros_like(z_SW)
    if not circuit.is_real:
        y_SW = _expectation(*_turned(circuit, parameters, "rx", math.pi / 2), angles_SA, state_SN)
    return torch.stack((x_SW, y_SW, z_SW), dim=2)


@torch.no_grad()
def fidelities(
    circuit: Circuit,
    parameters_SP: Tensor,
    others_SP: Tensor,
    *,
    angles_SA: Tensor | None = None,
    other_angles_SA: Tensor | None = None,
) -> Tensor:
    """Fidelities |<b|a>|^2 of pairs of final states from |0..0>.

    The circuit runs forwards with the first parameters and backwards with the second ones; the fidelity is the
    probability to measure |0..0>.

    Args:
        circuit: The circuit.
        parameters_SP: Radians of the first states, shape (S, P).
        others_SP: Radians of the second states, shape (S, P).
        angles_SA: Input angles of the first states, radians, shape (S, A); None if the circuit reads none.
        other_angles_SA: Input angles of the second states.

    Returns:
        Fidelities, no unit, in [0, 1] up to rounding, shape (S,).

    Raises:
        ValueError: As `z_gradients`.
    """
    there_and_back = Circuit(circuit.num_qubits, circuit.gates + _backwards(circuit))
    parts = [parameters_SP, -others_SP]
    if angles_SA is not None and other_angles_SA is not None:
        parts += [angles_SA, -other_angles_SA]
    rotations = AutoEngine().compile(there_and_back).rotations
    if not rotations.sources:
        return parameters_SP.new_ones(len(parameters_SP))
    angles_SR, nothing = torch.cat(parts, dim=1)[:, list(rotations.sources)], parameters_SP.new_zeros(0)

    def run(rows: slice) -> Tensor:
        return rotations.compiled.probabilities(nothing, angles=angles_SR[rows].contiguous())[:, 0]

    return _by_chunks(run, len(parameters_SP), there_and_back)


def _backwards(circuit: Circuit) -> tuple[Gate, ...]:
    """The gates of the inverse circuit, for negated angles in slots of its own: behind those of the circuit."""

    def inverse(gate: Gate) -> Gate:
        if gate.value is not None:
            return replace(gate, value=-gate.value)
        if gate.parameter is not None:
            return replace(gate, parameter=gate.parameter + circuit.num_parameters)
        return gate if gate.angle is None else replace(gate, angle=gate.angle + circuit.num_angles)

    return tuple(inverse(gate) for gate in reversed(circuit.gates))  # all gates without an angle invert themselves


def _turned(circuit: Circuit, parameters: Tensor, kind: GateKind, angle: float) -> tuple[Circuit, Tensor]:
    """The circuit with one more rotation on every wire, and its parameters."""
    num_qubits, first = circuit.num_qubits, circuit.num_parameters
    last = tuple(Gate(kind, (wire,), parameter=first + wire) for wire in range(num_qubits))
    angles = parameters.new_full((*parameters.shape[:-1], num_qubits), angle)
    return Circuit(num_qubits, circuit.gates + last), torch.cat((parameters, angles), dim=-1)


def _expectation(circuit: Circuit, parameters: Tensor, angles_SA: Tensor | None, state_SN: Tensor | None) -> Tensor:
    """<Z> of all wires, shape (S, W)."""
    compiled = AutoEngine().compile(circuit)
    if parameters.dim() == 2:
        assert state_SN is None
        rotations, num_samples = compiled.rotations, len(parameters)
        given = parameters if angles_SA is None else torch.cat((parameters, angles_SA), dim=1)
        compiled, parameters = rotations.compiled, parameters.new_zeros(0)
        angles_SA = given[:, list(rotations.sources)] if rotations.sources else None
    else:
        num_samples = next((len(each) for each in (angles_SA, state_SN) if each is not None), 1)

    def run(rows: slice) -> Tensor:
        return compiled.expectation(
            parameters,
            angles=None if angles_SA is None else angles_SA[rows].contiguous(),
            state=None if state_SN is None else state_SN[rows].contiguous(),
        )

    if angles_SA is None and state_SN is None:
        return run(slice(None)).expand(num_samples, -1)
    return _by_chunks(run, num_samples, circuit)


def _by_chunks(run: Callable[[slice], Tensor], num_samples: int, circuit: Circuit) -> Tensor:
    """Concatenate the results of slices of the samples."""
    num_rows = max(1, min(_AMPLITUDES >> circuit.num_qubits, _ANGLES // max(1, len(circuit))))
    return torch.cat([run(slice(k, k + num_rows)) for k in range(0, num_samples, num_rows)])
