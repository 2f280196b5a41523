"""The density matrix engine: exact depolarising noise for small circuits, against which trajectories are tested.

In circuits of real gates, a depolarising channel mixes a state with one that is real too, so density matrices stay
real; complex gates make them complex. Autograd differentiates: a run is split into pieces, and only the matrices
between pieces are kept, so that memory grows with the square root of the number of gates.

Shapes: B batch, N = 2**num_qubits, Q qubits; a matrix in flight has an axis for each qubit of its rows, then of its
columns.
"""

import math
from collections.abc import Callable
from functools import lru_cache
from typing import ClassVar, final

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from qlit.circuits import Gate
from qlit.engines.base import Engine
from qlit.engines.gates_on_matrices import by_general_gate
from qlit.engines.memory import check_free
from qlit.engines.request import Capabilities, Request
from qlit.engines.statevector import expectation_of, marginal_of

# Matrices alive while one gate and its channel run: before, after, and autograd's copies of every step.
_WITHOUT_AUTOGRAD = 3
_KEPT_PER_GATE = 6


@final
class DensityMatrixEngine(Engine):
    """Density matrices in float32 or float64 on any torch device; 4**Q numbers per sample, at most 12 qubits.

    They are complex of that precision where gates are complex.

    Source: Nielsen and Chuang (2010), sec. 8.3.4. Cost: O(gates * 4**Q) a sample.
    """

    name: ClassVar[str] = "density_matrix"
    capabilities: ClassVar[Capabilities] = Capabilities(
        max_qubits=12, dtypes=(torch.float32, torch.float64), channels=True, all_gates=True
    )

    def _expectation(self, request: Request) -> Tensor:
        return expectation_of(self._diagonal(request), request)

    def _probabilities(self, request: Request) -> Tensor:
        return marginal_of(self._diagonal(request), request)

    def _diagonal(self, request: Request) -> Tensor:
        """Probabilities of all outcomes, shape (B, N)."""
        num_qubits, gates = request.circuit.num_qubits, request.circuit.gates
        differentiable = request.wants_gradients
        piece = max(1, math.isqrt(len(gates)))
        alive = _WITHOUT_AUTOGRAD + (piece * _KEPT_PER_GATE + -(-len(gates) // piece) if differentiable else 0)
        if request.parameters.device.type == "cpu":
            num_bytes = alive * request.batch_size * 4**num_qubits * request.parameters.itemsize
            num_bytes *= 1 if request.circuit.is_real else 2
            check_free(num_bytes, f"The density matrices of a batch of {request.batch_size} on {num_qubits} qubits")

        state_BN = request.initial_state()
        matrix = torch.einsum("bi,bj->bij", state_BN, state_BN).reshape(-1, *[2] * (2 * num_qubits))
        if not request.circuit.is_real:
            matrix = matrix.to(matrix.dtype.to_complex())
        if not request.circuit.num_parameters:
            matrix = matrix + request.parameters.sum()  # an empty sum: the gradient is empty rather than missing
        for start in range(0, len(gates), piece):
            act = _piece(gates[start : start + piece], request)
            matrix = checkpoint(act, matrix, use_reentrant=False) if differentiable else act(matrix)
        square = matrix.reshape(request.batch_size, 2**num_qubits, 2**num_qubits)
        diagonal_BN = square.diagonal(dim1=1, dim2=2)
        return diagonal_BN if request.circuit.is_real else diagonal_BN.real


def _piece(gates: tuple[Gate, ...], request: Request) -> Callable[[Tensor], Tensor]:
    """Gates and their channels, as a function of a matrix in flight."""

    def act(matrix: Tensor) -> Tensor:
        for gate in gates:
            matrix = _gate(gate, matrix, request)
            if request.noise is not None:
                matrix = _depolarised(matrix, gate.wires, request.noise.probability(gate))
        return matrix

    return act


def _gate(gate: Gate, matrix: Tensor, request: Request) -> Tensor:
    """U rho U^dagger."""
    num_qubits = request.circuit.num_qubits
    if not gate.is_basic:
        return by_general_gate(gate, matrix, _angle(gate, request))
    wire = gate.wires[-1]
    rows, columns = 1 + wire, 1 + num_qubits + wire
    if gate.kind == "ry":
        theta_B = _angle(gate, request)
        return _rotated(_rotated(matrix, rows, theta_B), columns, theta_B)
    if gate.kind == "x":
        return matrix.flip(rows, columns)
    if gate.kind == "z":
        signs = matrix.new_tensor([1, -1])
        return matrix * _along(signs, rows, matrix) * _along(signs, columns, matrix)
    order_N = _cnot_order(num_qubits, *gate.wires).to(matrix.device)
    square = matrix.reshape(-1, len(order_N), len(order_N))
    return square[:, order_N][:, :, order_N].reshape_as(matrix)


def _angle(gate: Gate, request: Request) -> Tensor:
    """Angle of a rotation, shape () or (B,); 0 for other gates."""
    if gate.parameter is not None:
        return request.parameters[gate.parameter]
    if gate.angle is None:
        return request.parameters.new_tensor(0.0 if gate.value is None else gate.value)
    assert request.angles is not None, "the interface checks that angles are given when the circuit reads them"
    return request.angles[:, gate.angle]


def _rotated(matrix: Tensor, axis: int, theta_B: Tensor) -> Tensor:
    """RY(theta) along one axis; theta has shape (), or (B,) with one angle per sample."""
    zero, one = matrix.unbind(axis)
    shape = (-1, *[1] * (zero.dim() - 1))
    cosine, sine = torch.cos(theta_B / 2).reshape(shape), torch.sin(theta_B / 2).reshape(shape)
    return torch.stack((cosine * zero - sine * one, sine * zero + cosine * one), dim=axis)


def _along(values: Tensor, axis: int, matrix: Tensor) -> Tensor:
    return values.reshape(*[-1 if k == axis else 1 for k in range(matrix.dim())])


@lru_cache(maxsize=1024)
def _cnot_order(num_qubits: int, control: int, target: int) -> Tensor:
    """Permutation of basis states by a CNOT, shape (N,)."""
    index_N = torch.arange(2**num_qubits)
    return index_N ^ (((index_N >> (num_qubits - 1 - control)) & 1) << (num_qubits - 1 - target))


def _depolarised(matrix: Tensor, wires: tuple[int, ...], probability: float) -> Tensor:
    """The channel: for d = 4**k on k wires, it mixes in p d / (d - 1) of the maximally mixed state."""
    if probability == 0:
        return matrix
    num_paulis = 4 ** len(wires)
    lost = probability * num_paulis / (num_paulis - 1)
    num_qubits = (matrix.dim() - 1) // 2
    mixed: Tensor = matrix * (1 - lost)
    # Diagonals in the wires, the trace's terms, come last, one axis a wire.
    kept, of_mixed = matrix, mixed
    for removed, wire in enumerate(sorted(wires, reverse=True)):
        axes = {"dim1": 1 + wire, "dim2": 1 + num_qubits - removed + wire}
        kept, of_mixed = kept.diagonal(**axes), of_mixed.diagonal(**axes)
    over = tuple(range(-len(wires), 0))
    of_mixed += kept.sum(dim=over, keepdim=True) * (lost / 2 ** len(wires))
    return mixed
