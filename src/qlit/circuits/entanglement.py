"""Entanglement of pure states: the measure of Meyer and Wallach.

Shapes: B batch, W wires, N = 2**num_qubits amplitudes.
"""

import numpy as np
from numpy.typing import NDArray

_LONGER = 1e-4  # float32's rounding, room to spare


def meyer_wallach(bloch_BW3: NDArray[np.floating]) -> NDArray[np.float64]:
    """Meyer-Wallach entanglement of pure states: Q = 2 (1 - mean over wires of Tr rho_k^2).

    rho_k is the reduced state of wire k, and 2 Tr rho_k^2 = 1 + |r_k|^2 for its Bloch vector r_k, so that Q is 1 minus
    the mean of |r_k|^2. Q is 0 for product states, and 1 if every wire is maximally mixed, as in a GHZ state.

    Args:
        bloch_BW3: Bloch vectors (<X>, <Y>, <Z>) of all wires of pure states, no unit, shape (B, W, 3).

    Returns:
        Q, no unit, in [0, 1], shape (B,).

    Raises:
        ValueError: If the shape is another one, or a vector is longer than 1.
    Source: Meyer and Wallach, arXiv:quant-ph/0108104; in this form Brennen, arXiv:quant-ph/0305094.
    """
    if bloch_BW3.ndim != 3 or not bloch_BW3.shape[1] or bloch_BW3.shape[2] != 3:
        raise ValueError(f"Bloch vectors must have shape (B, W, 3) with W > 0, but have {bloch_BW3.shape}.")
    squares_BW = np.square(bloch_BW3.astype(np.float64)).sum(axis=2)
    if not (squares_BW <= 1 + _LONGER).all():  # also for NaN
        raise ValueError("Bloch vectors must have a length of at most 1, but some do not.")
    found: NDArray[np.float64] = np.clip(1 - squares_BW.mean(axis=1), 0, 1)  # rounding may leave the range
    return found


def haar_entanglement(num_qubits: int, *, real: bool = False) -> float:
    """Mean Meyer-Wallach entanglement of random states: (N - 2) / (N + 1), of real ones (N - 2) / (N + 2).

    Args:
        num_qubits: Number of qubits, at least 1.
        real: Whether amplitudes are real, as those of circuits of RY and CNOT.
    Source: mean purities of random states, Lubkin, doi:10.1063/1.523763; for real ones the fourth moments of a
        uniform point of a sphere.
    """
    size: int = 2**num_qubits
    return (size - 2) / (size + (2 if real else 1))
