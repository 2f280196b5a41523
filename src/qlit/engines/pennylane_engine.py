"""Circuits on any PennyLane device by its name: simulators, and QPUs through their plugins.

PennyLane is imported when the first circuit runs, so that a device can be named and its costs estimated without it.

Shapes: B batch, A input angles, P parameters, R rotations, N = 2**num_qubits amplitudes, O measured values.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar, final

import torch
from torch import Tensor

from qlit.circuits import Circuit
from qlit.engines.base import Engine
from qlit.engines.memory import check_free
from qlit.engines.parameter_shift import measured, num_shifted, shift_rule
from qlit.engines.pennylane_devices import Device
from qlit.engines.request import Capabilities, Request

if TYPE_CHECKING:
    from qlit.engines.pennylane_job import Job

_T = TypeVar("_T")
Kind = Literal["expval", "probs"]
_BYTES_PER_AMPLITUDE = 16  # complex128
_MOST_AMPLITUDES = 2**18  # of the circuits that a simulator gets as one batch: 4 MiB, which fits caches
_MOST_BITS = 2**22  # measured by a simulator at once, with some 30 bytes per bit


@final
class PennyLaneEngine(Engine):
    """A PennyLane device: exact values where it is a simulator, estimates where shots are asked for.

    Gradients are exact where values are: by backpropagation (default.qubit, default.mixed) or the adjoint method
    (lightning devices). With shots, and on all other devices, they are estimated by the parameter-shift rule:
    2 circuits per sample for every gate with a trained angle, 4 if the gate is controlled. Simulators compute in
    complex128 for parameters of any type.

    Args:
        device: Name of the device, with options if it has any: "default.qubit", "default.qubit,seed=1",
            "ionq.qpu,backend=aria-1"; see `Device`.

    Raises:
        ValueError: If the text cannot be parsed, or an option looks like a credential.
    """

    name: ClassVar[str] = "pennylane"
    capabilities: ClassVar[Capabilities] = Capabilities(
        max_qubits=64, dtypes=(torch.float32, torch.float64), device_types=("cpu",), samples=True, all_gates=True
    )

    def __init__(self, device: str = "default.qubit") -> None:
        self.device = Device.parsed(device)
        # Unlike those of other engines, name and capabilities depend on an argument.
        self.name = f"pennylane:{device}"  # type: ignore[misc]
        self.capabilities = Capabilities(  # type: ignore[misc]
            max_qubits=12 if self.device.has_channels else 64,  # 4**12 entries of a density matrix: 256 MiB
            dtypes=(torch.float32, torch.float64),
            device_types=("cpu",),
            state_gradients=self.device.gradient_method == "backprop",
            channels=self.device.has_channels,
            samples=True,
            remote=not self.device.is_local,
            all_gates=True,
        )
        self._devices: dict[int, Any] = {}
        self.num_sent = 0

    def missing(self) -> str | None:
        return self.device.missing()

    def gradient_circuits(self, circuit: Circuit, *, by_angles: bool, shots: int | None) -> int:
        """Number of circuits for the gradient of one sample, in addition to the one for its values.

        Args:
            circuit: The circuit.
            by_angles: Whether the input angles have gradients too, for a trained encoder.
            shots: Measurements per circuit, or None for exact values, whose gradients some devices compute themselves.
        """
        if self._gradient_method(shots) != "parameter-shift":
            return 0
        trained = [gate for gate in circuit if gate.parameter is not None or (by_angles and gate.angle is not None)]
        num_controlled = sum(len(gate.wires) == 2 for gate in trained)
        return num_shifted(len(trained) - num_controlled, num_controlled)

    def _expectation(self, request: Request) -> Tensor:
        return self._measured(request, "expval")

    def _probabilities(self, request: Request) -> Tensor:
        return self._measured(request, "probs")

    def _gradient_method(self, shots: int | None) -> str:
        return self.device.gradient_method if shots is None else "parameter-shift"

    def _measured(self, request: Request, kind: Kind) -> Tensor:
        rotations = request.compiled.rotations
        circuit, sources = rotations.compiled.circuit, rotations.sources
        angles_BR = rotations.angles(request).double()
        state_BN = None if request.state is None else request.state.double()
        state_trains = torch.is_grad_enabled() and state_BN is not None and state_BN.requires_grad
        method = self._gradient_method(request.shots)
        if state_trains and method != "backprop":
            raise ValueError(
                f"Engine {self.name!r} gives no gradients with respect to the initial state from shots; take "
                "`shots: null`."
            )
        if not request.batch_size:
            values_BO = angles_BR.new_zeros(0, len(request.wires) if kind == "expval" else 2 ** len(request.wires))
            values_BO = values_BO + 0 * angles_BR.sum() + (0 if state_BN is None else 0 * state_BN.sum())
        elif method == "backprop" and (state_trains or angles_BR.requires_grad):
            # Autograd keeps the states behind all gates.
            self._check_memory(request, request.batch_size * (2 + len(circuit)))
            job = self._job(request, circuit, state_BN, kind)
            self._count(request.batch_size)
            # The values of a circuit without gates depend on no angle, but must be differentiable too.
            values_BO = self._reporting_errors(partial(job.differentiable_values, angles_BR)) + 0 * angles_BR.sum()
        else:
            if state_BN is not None:  # float32 rounding would fail a device's own check of the norm
                state_BN = (state_BN / torch.linalg.vector_norm(state_BN, dim=1, keepdim=True)).detach()
            job = self._job(request, circuit, state_BN, kind)
            evaluate = partial(self._evaluated, job, request)
            if method == "adjoint" and kind == "expval":
                differentiate = partial(self._by_jacobian, job, _trained(request, sources))
            else:
                differentiate = partial(
                    shift_rule,
                    rotations=_trained(request, sources),
                    evaluate=evaluate,
                    most_at_once=self._most_at_once(request),
                    controlled={gate.angle for gate in circuit if gate.angle is not None and len(gate.wires) == 2},
                )
            values_BO = measured(angles_BR, evaluate, differentiate)
        return values_BO.to(request.parameters.dtype)

    def _job(self, request: Request, circuit: Circuit, state_BN: Tensor | None, kind: Kind) -> "Job":
        device = self._device_with(circuit.num_qubits)
        from qlit.engines.pennylane_job import Job  # imports PennyLane, which `_device_with` has found

        return Job(device, circuit, state_BN, request.wires, kind, request.noise, request.shots)

    def _evaluated(self, job: "Job", request: Request, angles_VR: Tensor, rows_V: Tensor) -> Tensor:
        at_once = self._most_at_once(request)
        self._check_memory(request, 2 * min(at_once, len(rows_V)))
        self._count(len(rows_V))
        parts = [slice(first, first + at_once) for first in range(0, len(rows_V), at_once)]
        return torch.cat(
            [self._reporting_errors(partial(self._values, job, angles_VR[part], rows_V[part])) for part in parts]
        )

    def _values(self, job: "Job", angles_VR: Tensor, rows_V: Tensor) -> Tensor:
        """Measured values, shape (V, O); a simulator that would hold too many shots at once measures in portions."""
        most = max(1, _MOST_BITS // job.circuit.num_qubits)
        if job.shots is None or job.shots <= most or not self.device.is_local:
            return job.values(angles_VR, rows_V)
        portions = [min(most, job.shots - first) for first in range(0, job.shots, most)]
        values = [num_shots * replace(job, shots=num_shots).values(angles_VR, rows_V) for num_shots in portions]
        return sum(values[1:], values[0]) / job.shots

    def _by_jacobian(self, job: "Job", rotations: list[int], angles_BR: Tensor, by_value_BO: Tensor) -> Tensor:
        by_angle_BR = torch.zeros_like(angles_BR)
        if rotations:
            self._count(len(angles_BR))
            jacobian_BOR = self._reporting_errors(partial(job.jacobian, angles_BR, rotations))
            by_angle_BR[:, rotations] = torch.einsum("bo,bor->br", by_value_BO, jacobian_BOR)
        return by_angle_BR

    def _count(self, num_circuits: int) -> None:
        assert self.num_sent is not None
        self.num_sent += num_circuits

    def _amplitudes(self, request: Request) -> int:
        return int(2 ** (request.circuit.num_qubits * (2 if self.device.has_channels else 1)))

    def _most_at_once(self, request: Request) -> int:
        """Largest number of bound circuits in a job; a remote device gets all at once, to queue only once."""
        if not self.device.is_local:
            return 2**31
        at_once = _MOST_AMPLITUDES // self._amplitudes(request)
        if request.shots is not None:
            at_once = min(at_once, _MOST_BITS // (request.shots * request.circuit.num_qubits))
        return max(1, at_once)

    def _check_memory(self, request: Request, num_states: int) -> None:
        if self.device.is_local:
            num_bytes = num_states * self._amplitudes(request) * _BYTES_PER_AMPLITUDE
            check_free(num_bytes, f"The states of device {self.device.name!r}")

    def _device_with(self, num_qubits: int) -> Any:
        """The device with that number of wires, created once."""
        if num_qubits not in self._devices:
            if missing := self.missing():
                raise ValueError(missing)
            import pennylane as qml

            try:
                self._devices[num_qubits] = qml.device(self.device.name, wires=num_qubits, **self.device.options)
            except Exception as error:  # plugins raise errors of any type for wrong options or keys
                raise ValueError(
                    f"Device {self.device.name!r} cannot be made with {dict(self.device.options) or 'no options'}: "
                    f"{self.device.scrubbed(str(error))}"
                ) from error
        return self._devices[num_qubits]

    def _reporting_errors(self, run: Callable[[], _T]) -> _T:
        try:
            return run()
        except Exception as error:
            if self.device.is_local:
                raise
            raise ValueError(
                f"Device {self.device.name!r} did not run the circuits: {type(error).__name__}: "
                f"{self.device.scrubbed(str(error))}"
            ) from error


def _trained(request: Request, sources: tuple[int, ...]) -> list[int]:
    """Rotations whose angles need gradients; `sources` are indices of parameters, then of input angles."""
    trains = (request.parameters.requires_grad, request.angles is not None and request.angles.requires_grad)
    return [rotation for rotation, source in enumerate(sources) if trains[source >= request.circuit.num_parameters]]
