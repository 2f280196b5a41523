"""State preparation: any real statevector from |0..0> by RY and CNOT alone."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from qlit.circuits.circuit import Circuit
from qlit.circuits.gates import Gate, cnot, ry

_NORM_ATOL = 1e-5  # float32's rounding over 2**18 amplitudes, room to spare


def real_state_preparation(amplitudes_N: Sequence[float] | NDArray[np.floating]) -> tuple[Circuit, NDArray[np.float64]]:
    """A circuit that prepares a real statevector from |0..0>, and its angles.

    It proceeds wire by wire. The first w wires hold the square roots of their outcomes' probabilities. An RY on wire w,
    whose angle depends on the wires before it, splits every one of them. The angles of the last wire carry the signs.

    Args:
        amplitudes_N: Real amplitudes, N = 2**Q, Q >= 1, of norm 1; wire 0 is the most significant bit of the index.

    Returns:
        The circuit (2**Q - 1 RY with one parameter each, and 2**Q - 2 CNOT) and its parameters, radians, shape
        (N - 1,).

    Raises:
        ValueError: If N is no power of two, or the amplitudes are not normalised.
    Source: Moettoenen et al., arXiv:quant-ph/0407010, with one kind of rotation, since all amplitudes are real.
    """
    state_N = np.asarray(amplitudes_N, dtype=np.float64)
    num_qubits = len(state_N).bit_length() - 1
    if num_qubits < 1 or state_N.shape != (2**num_qubits,):
        raise ValueError(f"A statevector has 2**Q amplitudes, Q >= 1, but got shape {state_N.shape}.")
    norm = float(np.linalg.norm(state_N))
    if not abs(norm - 1) <= _NORM_ATOL:
        raise ValueError(f"A statevector has norm 1, but this one has {norm}.")
    halves = [state_N]  # amplitudes of the first w wires, w = Q, Q - 1, .. 0; all but the last without sign
    while len(halves[0]) > 1:
        halves.insert(0, np.linalg.norm(halves[0].reshape(-1, 2), axis=1))
    gates: list[Gate] = []
    angles: list[NDArray[np.float64]] = []
    for wire in range(num_qubits):
        zero, one = halves[wire + 1].reshape(-1, 2).T
        controlled, plain_angles = _uniformly_controlled_ry(wire, 2 * np.arctan2(one, zero), 2**wire - 1)
        gates += controlled
        angles.append(plain_angles)
    return Circuit(num_qubits, tuple(gates)), np.concatenate(angles)


def _uniformly_controlled_ry(
    wire: int, angles: NDArray[np.float64], first_parameter: int
) -> tuple[list[Gate], NDArray[np.float64]]:
    """RY on `wire` by an angle that depends on the outcome of the wires before it, as plain RY and CNOT.

    A CNOT before and after RY(t) makes it RY(-t) where its control is 1. In Gray code order, one CNOT between
    two RY is enough, and the angles of all outcomes become signed sums of plain ones.
    """
    size = len(angles)
    gray = np.arange(size) ^ (np.arange(size) >> 1)
    sums = angles.copy()
    step = 1
    while step < size:  # Walsh-Hadamard transform: the sum over outcomes j with the sign (-1)**popcount(j & k)
        pairs = sums.reshape(-1, 2, step)
        sums = np.stack((pairs[:, 0] + pairs[:, 1], pairs[:, 0] - pairs[:, 1]), axis=1).reshape(-1)
        step *= 2
    gates: list[Gate] = []
    for k in range(size):
        gates.append(ry(wire, parameter=first_parameter + k))
        if size > 1:
            changed = int(gray[k] ^ gray[(k + 1) % size])  # one bit; bit 0 is the wire just before
            gates.append(cnot(wire - changed.bit_length(), wire))
    return gates, sums[gray] / size
