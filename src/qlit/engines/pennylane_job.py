"""Bound circuits as PennyLane tapes, run on a device. Imports PennyLane, so it is imported only to use a device.

A job is one tape with a vector of V values for every rotation (parameter broadcasting). Simulators run it as one batch;
PennyLane splits it into V circuits for a device that does not support batches.

Shapes: B batch, R rotations, N = 2**num_qubits amplitudes, O measured values; V bound circuits.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Any, Literal

import numpy as np
import pennylane as qml
import torch
from numpy.typing import NDArray
from pennylane.devices import ExecutionConfig
from torch import Tensor

from qlit.circuits import Circuit, DepolarizingNoise, GateKind

_OPERATIONS: dict[GateKind, Any] = {
    "ry": qml.RY,
    "cnot": qml.CNOT,
    "x": qml.X,
    "z": qml.Z,
    "rx": qml.RX,
    "rz": qml.RZ,
    "cz": qml.CZ,
    "h": qml.Hadamard,
    "crx": qml.CRX,
    "cry": qml.CRY,
    "crz": qml.CRZ,
}


@dataclass(frozen=True)
class Job:
    """A circuit with its initial states, measurement and device; it runs with any angles.

    Args:
        device: A device of PennyLane.
        circuit: A circuit in which every rotation reads a separate input angle or has a fixed one.
        state_BN: Initial states, float64, shape (B, N), or None for |0..0>.
        wires: Measured wires.
        kind: "expval" measures <Z> of every wire, "probs" the probabilities of their joint outcomes.
        noise: Depolarising channels after the gates, or None.
        shots: Measurements per circuit, or None for exact values.
    """

    device: Any
    circuit: Circuit
    state_BN: Tensor | None  # noqa: N815 - a shape suffix
    wires: Sequence[int]
    kind: Literal["expval", "probs"]
    noise: DepolarizingNoise | None
    shots: int | None

    def values(self, angles_VR: Tensor, rows_V: Tensor) -> Tensor:
        """Measured values without derivatives, float64, shape (V, O), of samples `rows_V`."""
        state_VN = None if self.state_BN is None else self.state_BN[rows_V].numpy()
        (result,) = qml.execute([self._tape(list(angles_VR.numpy().T), state_VN)], self.device, diff_method=None)
        return self._stacked(result, len(rows_V))

    def differentiable_values(self, angles_BR: Tensor) -> Tensor:
        """Measured values by a simulator that uses torch, shape (B, O); autograd differentiates them."""
        tape = self._tape(list(angles_BR.unbind(1)), self.state_BN)
        (result,) = qml.execute([tape], self.device, diff_method="backprop", interface="torch")
        return self._stacked(result, len(angles_BR))

    def jacobian(self, angles_BR: Tensor, rotations: Sequence[int]) -> Tensor:
        """Derivatives by the device itself, exact, shape (B, O, wanted rotations), of values by rotations."""
        tapes = []
        for b, angles_R in enumerate(angles_BR.tolist()):
            tape = self._tape(angles_R, None if self.state_BN is None else self.state_BN[b].numpy())
            # Parameters are counted in the order of the operations, the initial state first.
            counted = self._parameter_numbers
            tape.trainable_params = [counted[rotation] + (self.state_BN is not None) for rotation in rotations]
            tapes.append(tape)
        # `qml.execute` does this too, but rounds to float32 when it converts values for torch.
        config = self.device.setup_execution_config(
            ExecutionConfig(gradient_method="adjoint", use_device_gradient=True)
        )
        ready, _ = self.device.preprocess_transforms(config)(tapes)
        jacobians = np.asarray(self.device.compute_derivatives(ready, config), dtype=np.float64)
        return torch.from_numpy(jacobians.reshape(len(angles_BR), -1, len(rotations)))

    def _tape(self, angles: Sequence[Any], state: Any) -> Any:
        operations = [] if state is None else [qml.StatePrep(state, self._all_wires, validate_norm=False)]
        for gate in self.circuit:
            operation = _OPERATIONS[gate.kind]
            if gate.is_rotation:
                operations.append(operation(gate.value if gate.angle is None else angles[gate.angle], gate.wires))
            else:
                operations.append(operation(gate.wires))
            if self.noise is not None:
                operations.append(_channel(self.noise.probability(gate), gate.wires))
        if self.kind == "probs":
            measurements = [qml.probs(wires=self.wires)]
        else:
            measurements = [qml.expval(qml.Z(wire)) for wire in self.wires]
        return qml.tape.QuantumScript(operations, measurements, shots=self.shots)

    @property
    def _parameter_numbers(self) -> list[int]:
        """Number of every rotation's angle among the angles of all rotations, fixed ones included."""
        rotations = [gate for gate in self.circuit if gate.is_rotation]
        return [number for number, gate in enumerate(rotations) if gate.value is None]

    @property
    def _all_wires(self) -> range:
        return range(self.circuit.num_qubits)

    def _stacked(self, result: Any, num_rows: int) -> Tensor:
        """Measurements as columns; a result that does not depend on the samples is broadcast to them."""
        parts = result if isinstance(result, tuple | list) else (result,)
        values = [
            part if isinstance(part, Tensor) else torch.from_numpy(np.asarray(part, np.float64)) for part in parts
        ]
        if self.kind == "probs":
            return values[0].expand(num_rows, -1)
        return torch.stack(values, dim=-1).expand(num_rows, -1)


def _channel(p: float, wires: Sequence[int]) -> Any:
    if len(wires) == 1:
        return qml.DepolarizingChannel(p, wires)
    return qml.QubitChannel(_two_qubit_kraus(p), wires)


@lru_cache(maxsize=8)
def _two_qubit_kraus(p: float) -> tuple[NDArray[np.complex128], ...]:
    """Kraus matrices of the two-qubit depolarising channel: the identity, and 15 products of Paulis."""
    paulis = [qml.matrix(pauli(0)) for pauli in (qml.I, qml.X, qml.Y, qml.Z)]
    weights = [1 - p] + 15 * [p / 15]
    return tuple(weight**0.5 * np.kron(*pair) for weight, pair in zip(weights, product(paulis, repeat=2), strict=True))
