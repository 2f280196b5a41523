"""The one interface of all engines: circuit + parameters + inputs -> probabilities and expectation values.

Shapes: B batch, A input angles, P parameters, W measured wires, G gates, N = 2**num_qubits amplitudes.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import ClassVar

import torch
from torch import Tensor

from qlit.circuits import Circuit, DepolarizingNoise
from qlit.engines.pauli_frame import as_signs
from qlit.engines.request import Capabilities, CircuitAngles, Run


class Engine(ABC):
    """Runs circuits. Subclasses declare their capabilities and implement the two private methods.

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
        angles: Tensor | Sequence[CircuitAngles] | None = None,
        state: Tensor | None = None,
        wires: Sequence[int] | None = None,
        errors: Tensor | None = None,
        noise: DepolarizingNoise | None = None,
        shots: int | None = None,
    ) -> Tensor:
        """Expectation values <Z> of some wires: exact, unless `shots` are asked of an engine that samples itself.

        Args:
            circuit: The circuit.
            parameters: Radians, shape (P,).
            angles: Radians, shape (B, A); needed exactly when the circuit reads input angles. Or the circuits whose
                exact expectation values they are, one after the other: equal to running these first, but an engine
                may run all of them in one call.
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
        run = self._checked(circuit, parameters, angles, state, wires, errors, noise, shots)
        return _in_full_precision(self._erroneous_expectation, run)

    def probabilities(
        self,
        circuit: Circuit,
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
        run = self._checked(circuit, parameters, angles, state, wires, errors, noise, shots)
        return _in_full_precision(self._erroneous_probabilities, run)

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

    def check_shots(self, shots: int | None) -> None:
        """Raise a ValueError if this engine does not estimate from `shots`, or, for None, gives no exact results."""
        if shots is not None and not self.capabilities.samples:
            raise ValueError(
                f"Engine {self.name!r} gives exact results and draws no shots itself. Take `sampler: gaussian` or "
                "`sampler: multinomial`, which draw them from exact probabilities, or a device (engine "
                "'pennylane:default.qubit')."
            )
        if shots is not None and shots < 1:
            raise ValueError(f"`shots >= 1` must hold, but got {shots=}; for exact results leave them out.")
        if shots is None and self.capabilities.remote:
            raise ValueError(
                f"Engine {self.name!r} is taken for a device elsewhere, which estimates from shots alone: give it a "
                "PQC with `sampler: device` and a number of `shots`, and run what has to be exact, as encoders are, "
                "on another."
            )

    def missing(self) -> str | None:
        """What must be installed or set before this engine can run, in one sentence; None if nothing."""
        return None

    @abstractmethod
    def _expectation(self, run: Run) -> Tensor: ...

    @abstractmethod
    def _probabilities(self, run: Run) -> Tensor: ...

    def _erroneous_expectation(self, run: Run) -> Tensor:
        """`_expectation`, with Pauli errors turned into signs for an engine that does not insert them itself."""
        run = self._behind_encoders(run)
        if run.errors is None or self.capabilities.pauli_errors:
            return self._expectation(run)
        framed = as_signs(run)
        return framed.expectation(self._expectation(framed.run))

    def _erroneous_probabilities(self, run: Run) -> Tensor:
        run = self._behind_encoders(run)
        if run.errors is None or self.capabilities.pauli_errors:
            return self._probabilities(run)
        framed = as_signs(run)
        return framed.probabilities(self._probabilities(framed.run))

    def _behind_encoders(self, run: Run) -> Run:
        """The run with angles in place of its encoders, unless the engine runs these itself."""
        if not run.encoders or self.capabilities.encoder_amplitudes:
            return run
        angles = [scale * self._expectation(each) for each, scale in run.encoders]
        return run._replace(angles=torch.cat(angles, dim=1), encoders=())

    def _checked(
        self,
        circuit: Circuit,
        parameters: Tensor,
        angles: Tensor | Sequence[CircuitAngles] | None,
        state: Tensor | None,
        wires: Sequence[int] | None,
        errors: Tensor | None,
        noise: DepolarizingNoise | None,
        shots: int | None,
    ) -> Run:
        # At every step of a training, and beside a small circuit not for nothing: no call that can be spared.
        can, dtype, device = self.capabilities, parameters.dtype, parameters.device
        if circuit.num_qubits > can.max_qubits:
            self.check_width(circuit)
        if dtype not in can.dtypes:
            allowed = ", ".join(str(dtype).removeprefix("torch.") for dtype in can.dtypes)
            raise ValueError(f"Engine {self.name!r} computes in {allowed}, but the parameters are {dtype}.")
        if can.device_types is not None and device.type not in can.device_types:
            raise ValueError(
                f"Engine {self.name!r} runs on {', '.join(can.device_types)}, but the parameters are on {device}. "
                "Engine 'torch' runs on any device."
            )
        _check_shape("parameters", parameters, (circuit.num_parameters,))

        batch_size = 1
        encoders: tuple[tuple[Run, Tensor], ...] = ()
        if angles is not None and not isinstance(angles, Tensor):
            encoders = tuple([self._checked_encoder(each, dtype, device) for each in angles])
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
                    f"Engine {self.name!r} gives no gradients with respect to the initial state; engine 'torch' does."
                )
        if errors is not None:
            _check_shape("errors", errors, (batch_size, len(circuit)))
            if errors.dtype != torch.uint8 or errors.device.type != "cpu":
                raise ValueError(f"`errors` must be torch.uint8 on the CPU, but is {errors.dtype} on {errors.device}.")
        if noise is not None and not can.channels:
            raise ValueError(
                f"Engine {self.name!r} runs no exact noise channels. Engine 'density_matrix' does, for few qubits; "
                "noise trajectories run on any engine with statevectors."
            )
        self.check_shots(shots)
        measured = _checked_wires(circuit.num_qubits, None if wires is None else tuple(wires))
        return Run(circuit, parameters, angles, state, measured, batch_size, errors, noise, shots, encoders)

    def _checked_encoder(self, given: CircuitAngles, dtype: torch.dtype, device: torch.device) -> tuple[Run, Tensor]:
        run = self._checked(given.circuit, given.parameters, None, given.state, given.wires, None, None, None)
        _check_shape("scale", given.scale, ())
        _check_alike("an encoder's scale", given.scale, dtype, device)
        _check_alike("an encoder's parameters", given.parameters, dtype, device)
        return run, given.scale


def _checked_batch_size(circuit: Circuit, encoders: Sequence[tuple[Run, Tensor]]) -> int:
    """B of the encoders, after checking that they measure one wire per input angle for the same samples."""
    num_given = sum([len(run.wires) for run, _ in encoders])
    if not encoders or num_given != circuit.num_angles:
        raise ValueError(
            f"The circuit reads {circuit.num_angles} input angles a sample, but its encoders measure {num_given} wires."
        )
    batch_size = encoders[0][0].batch_size
    for run, _ in encoders:
        if run.batch_size != batch_size:
            raise ValueError(
                f"Encoders must run the same samples, but got batches of {batch_size} and {run.batch_size}."
            )
    return batch_size


def _in_full_precision(compute: Callable[[Run], Tensor], run: Run) -> Tensor:
    """Switch autocast off: amplitudes need full precision."""
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


def _check_alike(name: str, tensor: Tensor, dtype: torch.dtype, device: torch.device) -> None:
    if tensor.dtype != dtype or tensor.device != device:
        raise ValueError(
            f"Parameters and {name} must share type and device, but got {dtype} on {device} and {tensor.dtype} on "
            f"{tensor.device}."
        )
