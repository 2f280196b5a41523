"""The interface of all engines: circuit + parameters + inputs -> probabilities and expectation values.

Shapes: B batch, A input angles, P parameters, W measured wires, G gates, N = 2**num_qubits amplitudes.
"""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Unpack

import torch
from torch import Tensor

from qlit.circuits import Circuit
from qlit.engines.compiled import CompiledCircuit
from qlit.engines.pauli_frame import as_signs
from qlit.engines.request import Capabilities, Inputs, Request


class Engine(ABC):
    """Runs circuits. Subclasses declare their capabilities and implement the two private methods.

    Initial amplitudes are real, and stay real in circuits of real gates. Results are differentiable once with respect
    to parameters, angles and, where `capabilities.state_gradients`, the initial state.
    """

    name: ClassVar[str]
    capabilities: ClassVar[Capabilities]
    num_sent: int | None = None
    """Number of circuits that a device got so far from this engine; None if the engine simulates itself."""

    def compile(self, circuit: Circuit) -> CompiledCircuit:
        """Prepare a circuit that will run more than once: compile once, run many times.

        Raises:
            ValueError: If the circuit has more qubits, or other gates, than this engine can run.
        """
        self.check_width(circuit)
        self.check_gates(circuit)
        return CompiledCircuit(self, circuit)

    def expectation(self, circuit: Circuit, parameters: Tensor, **inputs: Unpack[Inputs]) -> Tensor:
        """Expectation values <Z> of some wires of a circuit that runs once; see `CompiledCircuit.expectation`."""
        return self.compile(circuit).expectation(parameters, **inputs)

    def probabilities(self, circuit: Circuit, parameters: Tensor, **inputs: Unpack[Inputs]) -> Tensor:
        """Probabilities of joint outcomes of a circuit that runs once; see `CompiledCircuit.probabilities`."""
        return self.compile(circuit).probabilities(parameters, **inputs)

    def taken_on(self, device_type: str, circuit: Circuit | None = None) -> "Engine":  # noqa: ARG002 - an engine that chooses reads them
        """The engine that runs a circuit with tensors on a torch device type: this one, unless it chooses.

        Args:
            device_type: Type of the device, such as "cpu".
            circuit: The circuit; None for one of RY, CNOT, X and Z.
        """
        return self

    def reason_on(self, device_type: str, circuit: Circuit | None = None) -> str | None:  # noqa: ARG002 - as above
        """Why `taken_on` chooses its engine, one clause; None for an engine that does not choose."""
        return None

    def check_width(self, circuit: Circuit) -> None:
        """Raise a ValueError if the circuit has more qubits than this engine can run."""
        if circuit.num_qubits > self.capabilities.max_qubits:
            raise ValueError(
                f"Engine {self.name!r} takes circuits of at most {self.capabilities.max_qubits} qubits, "
                f"but this one has {circuit.num_qubits}."
            )

    def check_gates(self, circuit: Circuit) -> None:
        """Raise a ValueError if the circuit has gates that this engine cannot run."""
        if self.capabilities.all_gates or circuit.is_basic:
            return
        names = dict.fromkeys(
            gate.name if gate.value is None else f"{gate.name} by a fixed angle"
            for gate in circuit
            if not gate.is_basic
        )
        raise ValueError(
            f"Engine {self.name!r} runs RY, CNOT, X and Z in real arithmetic, but the circuit has {', '.join(names)}: "
            "take `engine: auto`, or torch, density_matrix, torchquantum, reference or pennylane:DEVICE, which run all "
            "gates."
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
                f"Engine {self.name!r} is treated as a remote device, which only estimates from shots: use it for a "
                "PQC with `sampler: device` and a number of `shots`. Encoders need exact values: run them on another "
                "engine."
            )

    def missing(self) -> str | None:
        """One sentence about a missing package or setting that this engine needs; None if nothing is missing."""
        return None

    @abstractmethod
    def _expectation(self, request: Request) -> Tensor:
        """Expectation values of the measured wires, shape (B, W)."""

    @abstractmethod
    def _probabilities(self, request: Request) -> Tensor:
        """Probabilities of the joint outcomes of the measured wires, shape (B, 2**W)."""

    def _prepare(self, circuit: Circuit) -> Any:  # noqa: ARG002 - engines that override it read the circuit
        """Data that this engine derives from a circuit alone, for `CompiledCircuit.prepared_by`; None by default."""
        return None

    def _answer(self, request: Request, *, joint: bool) -> Tensor:
        """Results of a request, expectation values or `joint` probabilities.

        Encoders become numbers, and Pauli errors become signs of angles, where the engine does not run them itself.
        """
        can = self.capabilities
        if request.encoders and not can.encoder_amplitudes:
            angles = [scale * self._expectation(encoder) for encoder, scale in request.encoders]
            request = request._replace(angles=torch.cat(angles, dim=1), encoders=())
        measure = self._probabilities if joint else self._expectation
        if request.errors is None or can.pauli_errors:
            return measure(request)
        framed = as_signs(request)
        values = measure(framed.request)
        return framed.probabilities(values) if joint else framed.expectation(values)
