"""A circuit prepared for many runs on one engine, and the checks of what each run is given.

Shapes: B batch, A input angles, P parameters, W measured wires, G gates, N = 2**num_qubits amplitudes.
"""

from collections.abc import Sequence
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, final

import torch
from torch import Tensor

from qlit.circuits import Circuit, DepolarizingNoise
from qlit.engines.pauli_frame import Rotations, plain_rotations_of, rotations_of
from qlit.engines.request import CircuitAngles, EncoderRequest, Request

if TYPE_CHECKING:
    from qlit.engines.base import Engine


@final
class CompiledCircuit:
    """A circuit that an engine runs many times; made by `Engine.compile`.

    Everything that an engine derives from the circuit alone is made in the first run that needs it, and kept here. A
    copy, a deep copy and a pickle hold the engine and the circuit, and derive the rest again.

    Args:
        engine: The engine that runs the circuit.
        circuit: The circuit.
    """

    def __init__(self, engine: "Engine", circuit: Circuit) -> None:
        self.engine, self.circuit = engine, circuit
        # By the engine's id, with the engine, so that no other gets the same id: an engine may hand runs to others.
        self._prepared: dict[int, tuple[Engine, Any]] = {}

    def __reduce__(self) -> tuple[type["CompiledCircuit"], tuple["Engine", Circuit]]:
        return CompiledCircuit, (self.engine, self.circuit)

    def prepared_by(self, engine: "Engine") -> Any:
        """Result of an engine's `_prepare` for this circuit, made once."""
        found = self._prepared.get(id(engine))
        if found is None:
            found = self._prepared[id(engine)] = (engine, engine._prepare(self.circuit))
        return found[1]

    @cached_property
    def rotations(self) -> Rotations:
        """The circuit with a separate input angle for every rotation by a slot."""
        return rotations_of(self)

    @cached_property
    def plain_rotations(self) -> Rotations:
        """The circuit without controlled rotations, with a separate input angle for every rotation."""
        return plain_rotations_of(self)

    def expectation(
        self,
        parameters: Tensor,
        *,
        angles: Tensor | Sequence[CircuitAngles] | None = None,
        state: Tensor | None = None,
        wires: Sequence[int] | None = None,
        errors: Tensor | None = None,
        noise: DepolarizingNoise | None = None,
        shots: int | None = None,
    ) -> Tensor:
        """Expectation values <Z> of some wires: exact, unless `shots` are asked of an engine that samples.

        Args:
            parameters: Radians, shape (P,).
            angles: Radians, shape (B, A); needed exactly when the circuit reads input angles. Or the encoders whose
                exact expectation values they are, one after the other: the result equals that of running the encoders
                first, but an engine may run all circuits in one call.
            state: Initial statevectors, real, normalised (not checked), shape (B, N); None for |0..0>.
            wires: Measured wires; None for all, in order.
            errors: Pauli errors after the gates, uint8, on the CPU, shape (B, G) for G gates: bit 0 an X and bit 1 a Z
                on the gate's first wire, bits 2 and 3 the same on its second; both are a Y up to a sign.
            noise: Depolarising channels after the gates, exactly; for engines with `capabilities.channels`.
            shots: Measurements per sample to estimate from; for engines with `capabilities.samples`.

        Returns:
            <Z>, no unit, in [-1, 1] up to rounding, shape (B, W).

        Raises:
            ValueError: If a shape, type, device or wire does not fit; the message names it and the right one.
        """
        request = self._checked(parameters, angles, state, wires, errors, noise, shots)
        return _in_full_precision(self.engine, request, joint=False)

    def probabilities(
        self,
        parameters: Tensor,
        *,
        angles: Tensor | Sequence[CircuitAngles] | None = None,
        state: Tensor | None = None,
        wires: Sequence[int] | None = None,
        errors: Tensor | None = None,
        noise: DepolarizingNoise | None = None,
        shots: int | None = None,
    ) -> Tensor:
        """Probabilities of the joint outcomes of some wires; arguments and errors as `expectation`.

        Returns:
            Probabilities, shape (B, 2**W); the first measured wire is the most significant bit of the outcome.
        """
        request = self._checked(parameters, angles, state, wires, errors, noise, shots)
        return _in_full_precision(self.engine, request, joint=True)

    def _checked(
        self,
        parameters: Tensor,
        angles: Tensor | Sequence[CircuitAngles] | None,
        state: Tensor | None,
        wires: Sequence[int] | None,
        errors: Tensor | None,
        noise: DepolarizingNoise | None,
        shots: int | None,
    ) -> Request:
        # Every training step calls this, and its time shows beside small circuits: it makes no avoidable call.
        engine, circuit, dtype, device = self.engine, self.circuit, parameters.dtype, parameters.device
        can = engine.capabilities
        if dtype not in can.dtypes:
            allowed = ", ".join(str(dtype).removeprefix("torch.") for dtype in can.dtypes)
            raise ValueError(f"Engine {engine.name!r} computes in {allowed}, but the parameters are {dtype}.")
        if can.device_types is not None and device.type not in can.device_types:
            raise ValueError(
                f"Engine {engine.name!r} runs on {', '.join(can.device_types)}, but the parameters are on {device}. "
                "Engine 'torch' runs on any device."
            )
        _check_shape("parameters", parameters, (circuit.num_parameters,))

        batch_size = 1
        encoders: tuple[EncoderRequest, ...] = ()
        if angles is not None and not isinstance(angles, Tensor):
            encoders = tuple([_checked_encoder(engine, given, dtype, device) for given in angles])
            batch_size = _checked_batch_size(circuit, encoders)
            angles = None
        elif (angles is None) != (circuit.num_angles == 0):
            raise ValueError(
                f"The circuit reads {circuit.num_angles} input angles a sample, "
                f"but {'none were' if angles is None else f'angles of shape {tuple(angles.shape)} were'} given."
            )
        elif angles is not None:
            batch_size = angles.shape[0]
        elif state is not None:
            batch_size = state.shape[0]
        elif errors is not None:
            batch_size = errors.shape[0]
        if angles is not None:
            _check_shape("angles", angles, (batch_size, circuit.num_angles))
            _check_alike("angles", angles, dtype, device)
        if state is not None:
            _check_shape("state", state, (batch_size, 2**circuit.num_qubits))
            _check_alike("state", state, dtype, device)
            if not can.state_gradients and state.requires_grad:
                raise ValueError(
                    f"Engine {engine.name!r} gives no gradients with respect to the initial state; engine 'torch' does."
                )
        if errors is not None:
            _check_shape("errors", errors, (batch_size, len(circuit)))
            if errors.dtype != torch.uint8 or errors.device.type != "cpu":
                raise ValueError(f"`errors` must be torch.uint8 on the CPU, but is {errors.dtype} on {errors.device}.")
        if noise is not None and not can.channels:
            raise ValueError(
                f"Engine {engine.name!r} runs no exact noise channels. Engine 'density_matrix' does, for few qubits; "
                "noise trajectories run on any engine with statevectors."
            )
        engine.check_shots(shots)
        measured = _checked_wires(circuit.num_qubits, None if wires is None else tuple(wires))
        return Request(self, parameters, angles, state, measured, batch_size, errors, noise, shots, encoders)


def _checked_encoder(
    engine: "Engine", given: CircuitAngles, dtype: torch.dtype, device: torch.device
) -> EncoderRequest:
    compiled = given.compiled_for(engine)
    request = compiled._checked(given.parameters, None, given.state, given.wires, None, None, None)
    _check_shape("scale", given.scale, ())
    _check_alike("an encoder's scale", given.scale, dtype, device)
    _check_alike("an encoder's parameters", given.parameters, dtype, device)
    return EncoderRequest(request, given.scale)


def _checked_batch_size(circuit: Circuit, encoders: Sequence[EncoderRequest]) -> int:
    """B of the encoders, after checking that they measure one wire per input angle for the same samples."""
    num_given = sum([len(request.wires) for request, _ in encoders])
    if not encoders or num_given != circuit.num_angles:
        raise ValueError(
            f"The circuit reads {circuit.num_angles} input angles a sample, but its encoders measure {num_given} wires."
        )
    batch_size = encoders[0].request.batch_size
    for request, _ in encoders:
        if request.batch_size != batch_size:
            raise ValueError(
                f"Encoders must run the same samples, but got batches of {batch_size} and {request.batch_size}."
            )
    return batch_size


def _in_full_precision(engine: "Engine", request: Request, *, joint: bool) -> Tensor:
    """Run a request with autocast off: amplitudes need full precision."""
    device_type = request.parameters.device.type
    if not torch.is_autocast_enabled(device_type):
        return engine._answer(request, joint=joint)
    with torch.autocast(device_type, enabled=False):
        return engine._answer(request, joint=joint)


@lru_cache(maxsize=256)  # every training step asks
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


def _check_alike(name: str, tensor: Tensor, dtype: torch.dtype, device: torch.device) -> None:
    if tensor.dtype != dtype or tensor.device != device:
        raise ValueError(
            f"Parameters and {name} must share type and device, but got {dtype} on {device} and {tensor.dtype} on "
            f"{tensor.device}."
        )
