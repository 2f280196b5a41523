"""The dense twin: complex128 matrices on the whole register, slow but obviously right.

Every other engine is tested against it. Each gate becomes a 2**Q x 2**Q matrix by Kronecker products; a derivative is
the product of all gate matrices with one of them replaced by its derivative. It fuses no gates, and shares no code
with the fast engines.

Shapes: B batch, A input angles, P parameters, N = 2**num_qubits amplitudes.
"""

from typing import Any, ClassVar, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qlit.circuits import Circuit, Gate
from qlit.engines.request import Capabilities, Request
from qlit.engines.statevector import StatevectorEngine

Matrix = NDArray[np.complex128]

_IDENTITY = np.eye(2, dtype=np.complex128)
_X = np.array([[0, 1], [1, 0]], dtype=np.complex128)
_Y = np.array([[0, -1j], [1j, 0]], dtype=np.complex128)
_Z = np.diag([1, -1]).astype(np.complex128)
_H = np.array([[1, 1], [1, -1]], dtype=np.complex128) / np.sqrt(2)
_AXES = {"x": _X, "y": _Y, "z": _Z}
_ZERO = np.diag([1, 0]).astype(np.complex128)  # |0><0|
_ONE = np.diag([0, 1]).astype(np.complex128)  # |1><1|


def on_register(num_qubits: int, factors: dict[int, Matrix]) -> Matrix:
    """Kronecker product over all wires, wire 0 first, with the identity where no factor is given; shape (N, N)."""
    matrix: Matrix = np.ones((1, 1), dtype=np.complex128)
    for wire in range(num_qubits):
        matrix = np.kron(matrix, factors.get(wire, _IDENTITY)).astype(np.complex128)
    return matrix


def gate_matrix(gate: Gate, num_qubits: int, theta: float = 0.0) -> Matrix:
    """The gate on the whole register, shape (N, N); `theta` in radians is read by rotations only.

    Source: arXiv:2504.08732, sec. II.B; RY(t) = exp(-i t Y / 2) = cos(t / 2) - i sin(t / 2) Y; the same for X and Z.
    """
    if gate.is_rotation:
        factor = np.cos(theta / 2) * _IDENTITY - 1j * np.sin(theta / 2) * _AXES[gate.kind[-1]]
    else:
        factor = {"x": _X, "z": _Z, "h": _H, "cnot": _X, "cz": _Z}[gate.kind]
    target = gate.wires[-1]
    if len(gate.wires) == 1:
        return on_register(num_qubits, {target: factor})
    control = gate.wires[0]
    return on_register(num_qubits, {control: _ZERO}) + on_register(num_qubits, {control: _ONE, target: factor})


def gate_derivative(gate: Gate, num_qubits: int, theta: float) -> Matrix:
    """Derivative of a rotation by its angle on the whole register, shape (N, N)."""
    half = -0.5 * np.sin(theta / 2) * _IDENTITY - 0.5j * np.cos(theta / 2) * _AXES[gate.kind[-1]]
    controls = dict.fromkeys(gate.wires[:-1], _ONE)
    return on_register(num_qubits, {**controls, gate.wires[-1]: half})


def unitary(circuit: Circuit, parameters_P: NDArray[np.float64], angles_A: NDArray[np.float64]) -> Matrix:
    """The circuit's matrix for one sample, shape (N, N)."""
    total = np.eye(2**circuit.num_qubits, dtype=np.complex128)
    for gate in circuit:
        total = gate_matrix(gate, circuit.num_qubits, _theta(gate, parameters_P, angles_A)) @ total
    return total


def unitary_derivatives(
    circuit: Circuit, parameters_P: NDArray[np.float64], angles_A: NDArray[np.float64]
) -> tuple[Matrix, Matrix]:
    """Derivatives of `unitary` by every parameter, shape (P, N, N), and by every angle, shape (A, N, N)."""
    size = 2**circuit.num_qubits
    by_parameter = np.zeros((circuit.num_parameters, size, size), dtype=np.complex128)
    by_angle = np.zeros((circuit.num_angles, size, size), dtype=np.complex128)
    thetas = [_theta(gate, parameters_P, angles_A) for gate in circuit]
    matrices = [gate_matrix(gate, circuit.num_qubits, theta) for gate, theta in zip(circuit, thetas, strict=True)]
    after = [np.eye(size, dtype=np.complex128)]  # product of the gates behind gate k, last gate first
    for matrix in reversed(matrices):
        after.append(after[-1] @ matrix)
    before = np.eye(size, dtype=np.complex128)
    for k, gate in enumerate(circuit):
        if gate.is_rotation and gate.value is None:
            term = after[len(circuit) - 1 - k] @ gate_derivative(gate, circuit.num_qubits, thetas[k]) @ before
            if gate.parameter is not None:
                by_parameter[gate.parameter] += term
            elif gate.angle is not None:
                by_angle[gate.angle] += term
        before = matrices[k] @ before
    return by_parameter, by_angle


def _theta(gate: Gate, parameters_P: NDArray[np.float64], angles_A: NDArray[np.float64]) -> float:
    if gate.parameter is not None:
        return float(parameters_P[gate.parameter])
    if gate.value is not None:
        return gate.value
    return 0.0 if gate.angle is None else float(angles_A[gate.angle])


class _DenseStatevector(torch.autograd.Function):
    """Final statevectors by dense matrices; gradients by the product rule."""

    @staticmethod
    def forward(
        ctx: Any, circuit: Circuit, parameters_P: Tensor, angles_BA: Tensor, initial_BN: Tensor
    ) -> Tensor:  # (B, N)
        ctx.circuit = circuit
        ctx.save_for_backward(parameters_P, angles_BA, initial_BN)
        parameters, angles, initial = (_numpy(tensor) for tensor in (parameters_P, angles_BA, initial_BN))
        finals = np.zeros(initial.shape, dtype=np.complex128)
        for b in range(len(initial)):
            finals[b] = unitary(circuit, parameters, angles[b]) @ initial[b]
        if not circuit.is_real:
            return torch.from_numpy(finals).to(parameters_P.device, parameters_P.dtype.to_complex())
        assert np.abs(finals.imag).max(initial=0) < 1e-12, "every gate is real: no imaginary part can appear"
        return _tensor(finals.real.copy(), parameters_P)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, cotangent_BN: Tensor) -> tuple[None, Tensor, Tensor, Tensor]:
        saved = ctx.saved_tensors
        parameters, angles, initial = (_numpy(tensor) for tensor in saved)
        # Autograd's cotangent of a complex number is dL/d(real part) + i dL/d(imaginary part).
        cotangent = cotangent_BN.detach().cpu().to(torch.complex128).numpy().conj()
        by_parameter, by_angle, by_initial = np.zeros_like(parameters), np.zeros_like(angles), np.zeros_like(initial)
        for b in range(len(initial)):
            d_parameters, d_angles = unitary_derivatives(ctx.circuit, parameters, angles[b])
            by_parameter += (cotangent[b] @ (d_parameters @ initial[b]).T).real
            by_angle[b] = (cotangent[b] @ (d_angles @ initial[b]).T).real
            by_initial[b] = (cotangent[b] @ unitary(ctx.circuit, parameters, angles[b])).real
        like = saved[0]
        return None, _tensor(by_parameter, like), _tensor(by_angle, like), _tensor(by_initial, like)


def _numpy(tensor: Tensor) -> NDArray[np.float64]:
    array: NDArray[np.float64] = tensor.detach().to(device="cpu", dtype=torch.float64).numpy()
    return array


def _tensor(array: NDArray[np.float64], like: Tensor) -> Tensor:
    return torch.from_numpy(array).to(like)


@final
class ReferenceEngine(StatevectorEngine):
    """The dense twin as an engine; cost per sample O(gates * 8**Q), so at most 8 qubits."""

    name: ClassVar[str] = "reference"
    capabilities: ClassVar[Capabilities] = Capabilities(
        max_qubits=8, dtypes=(torch.float64, torch.float32), device_types=("cpu",), all_gates=True
    )

    def _statevector(self, request: Request) -> Tensor:
        parameters = request.parameters
        angles = parameters.new_zeros(request.batch_size, 0) if request.angles is None else request.angles
        final_BN: Tensor = _DenseStatevector.apply(  # type: ignore[no-untyped-call]
            request.circuit, parameters, angles, request.initial_state()
        )
        return final_BN
