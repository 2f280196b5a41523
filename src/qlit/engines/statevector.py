"""Measurement of final states in plain torch, which autograd differentiates."""

from abc import abstractmethod
from functools import lru_cache

import torch
from torch import Tensor

from qlit.engines.base import Engine
from qlit.engines.request import Request


class StatevectorEngine(Engine):
    """An engine that computes the whole final state: subclasses compute it, this class measures it."""

    @abstractmethod
    def _statevector(self, request: Request) -> Tensor:
        """Final statevectors, shape (B, N): real, or complex if the circuit has complex gates."""

    def _expectation(self, request: Request) -> Tensor:
        return expectation_of(_squared(self._statevector(request)), request)

    def _probabilities(self, request: Request) -> Tensor:
        return marginal_of(_squared(self._statevector(request)), request)


def _squared(state_BN: Tensor) -> Tensor:
    """Probabilities of all outcomes, real, shape (B, N)."""
    if not state_BN.is_complex():
        return state_BN.square()
    return state_BN.real.square() + state_BN.imag.square()


def expectation_of(probabilities_BN: Tensor, request: Request) -> Tensor:
    """<Z> of a request's measured wires from the probabilities of all outcomes, shape (B, W)."""
    return probabilities_BN @ _signs(
        request.circuit.num_qubits, request.wires, probabilities_BN.dtype, probabilities_BN.device
    )


def marginal_of(probabilities_BN: Tensor, request: Request) -> Tensor:
    """Joint probabilities of a request's measured wires from those of all outcomes, shape (B, 2**W)."""
    num_qubits = request.circuit.num_qubits
    joint = probabilities_BN.reshape(request.batch_size, *[2] * num_qubits)
    unmeasured = [1 + wire for wire in range(num_qubits) if wire not in request.wires]
    marginal = joint.sum(dim=unmeasured) if unmeasured else joint
    # The sum leaves the measured wires in ascending order; the caller's order decides the bits of the outcome.
    ascending = sorted(request.wires)
    order = [1 + ascending.index(wire) for wire in request.wires]
    return marginal.permute(0, *order).reshape(request.batch_size, 2 ** len(request.wires))


def outcome_signs(num_wires: int, *, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Eigenvalues of Z on each of W measured wires for each joint outcome: +1 or -1, shape (2**W, W)."""
    return _signs(num_wires, tuple(range(num_wires)), dtype, device)


@lru_cache(maxsize=32)
@torch.inference_mode(False)  # an evaluation may call it first, and autograd cannot save inference tensors
def _signs(num_qubits: int, wires: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    index = torch.arange(2**num_qubits, device=device)[:, None]
    shifts = torch.tensor([num_qubits - 1 - wire for wire in wires], device=device)
    return (1 - 2 * ((index >> shifts) & 1)).to(dtype)
