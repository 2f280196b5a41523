"""The work every contestant does, its inputs and an independent float64 reference. Needs NumPy alone.

Gates are ("cnot", control, target), ("ry", wire, parameter) and ("angle", wire, input angle); the circuits are written
here once more, not taken from qlit, so that a mistake there cannot hide. Shapes: B batch, N = 2**num_qubits.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

BATCH_SIZE = 16
NUM_FEATURES = 768  # of a sentence embedding; 2**num_qubits where that is less
CONNECTIVITY = 9  # of the encoder; num_qubits - 1 where that is less
NUM_ENCODER_LAYERS = 2
NUM_REUPLOADS, NUM_REUPLOAD_LAYERS, NUM_MAIN_LAYERS = 4, 1, 2

Gate = tuple[str, int, int]
Result = tuple[float, np.ndarray, np.ndarray]  # loss, its gradients by the encoder's and by the PQC's parameters


@dataclass(frozen=True)
class Work:
    """One training step's inputs: float32 values, so that every contestant starts from the same numbers."""

    num_qubits: int
    encoder_parameters: np.ndarray  # radians, (28 Q) where Q > 9
    pqc_parameters: np.ndarray  # radians, (7 Q)
    states: np.ndarray  # normalised embeddings, padded with zeros, (B, N)

    @property
    def encoder_gates(self) -> list[Gate]:
        return ansatz(self.num_qubits, min(CONNECTIVITY, self.num_qubits - 1), NUM_ENCODER_LAYERS)

    @property
    def pqc_gates(self) -> list[Gate]:
        reupload = ansatz(self.num_qubits, 1, NUM_REUPLOAD_LAYERS)
        angles = [("angle", wire, wire) for wire in range(self.num_qubits)]
        main = ansatz(self.num_qubits, 1, NUM_MAIN_LAYERS, first=num_parameters(reupload))
        return (angles + reupload) * NUM_REUPLOADS + main

    @property
    def num_rotations(self) -> int:
        """RY gates of a step, re-uploaded ones counted each time."""
        return sum(gate[0] != "cnot" for gate in self.encoder_gates + self.pqc_gates)


@dataclass(frozen=True)
class Contestant:
    """What the `build(work, name, num_threads)` of a contestant's file gives.

    Args:
        version: Of everything that matters to its speed.
        step: One whole training step; finished when it returns.
        forward: forward(batch_size, train) makes the function that runs the forward pass alone on so many samples, as
            training does or as validation does; None where that is not measured.
    """

    version: str
    step: Callable[[], Result]
    forward: Callable[[int, bool], Callable[[], object]] | None = None


def ansatz(num_qubits: int, connectivity: int, num_layers: int, first: int = 0) -> list[Gate]:
    """Rings of CNOT and RY, an RY on each wire, `num_layers` times the rings again; parameters counted from `first`."""
    gates: list[Gate] = []

    def ry(wire: int) -> None:
        gates.append(("ry", wire, first + sum(gate[0] == "ry" for gate in gates)))

    def rings() -> None:
        for distance in range(1, connectivity + 1):
            for control in range(num_qubits):
                target = (control + distance) % num_qubits
                gates.append(("cnot", control, target))
                ry(target)

    rings()
    for wire in range(num_qubits):
        ry(wire)
    for _ in range(num_layers):
        rings()
    return gates


def num_parameters(gates: list[Gate]) -> int:
    return len({gate[2] for gate in gates if gate[0] == "ry"})


def make_work(num_qubits: int, seed: int = 7) -> Work:
    random = np.random.default_rng(seed + num_qubits)
    empty = Work(num_qubits, np.empty(0), np.empty(0), np.empty(0))
    num_features = min(NUM_FEATURES, 2**num_qubits)
    encoder = random.uniform(-np.pi, np.pi, num_parameters(empty.encoder_gates))
    pqc = random.uniform(-np.pi, np.pi, num_parameters(empty.pqc_gates))
    states_BN = np.zeros((BATCH_SIZE, 2**num_qubits))
    states_BN[:, :num_features] = random.normal(size=(BATCH_SIZE, num_features))
    states_BN /= np.linalg.norm(states_BN, axis=1, keepdims=True)
    return Work(num_qubits, encoder.astype(np.float32), pqc.astype(np.float32), states_BN.astype(np.float32))


def save(path: Path, work: Work, expected: Result) -> None:
    """The inputs and what should come out, for workers to read."""
    loss, by_encoder, by_pqc = expected
    np.savez(
        path,
        encoder=work.encoder_parameters,
        pqc=work.pqc_parameters,
        states=work.states[:, :NUM_FEATURES],
        loss=loss,
        by_encoder=by_encoder,
        by_pqc=by_pqc,
    )


def load(path: Path) -> tuple[Work, Result]:
    with np.load(path) as saved:
        features = saved["states"]
        encoder, pqc = saved["encoder"], saved["pqc"]
        expected = float(saved["loss"]), saved["by_encoder"], saved["by_pqc"]
    num_qubits = len(pqc) // 7
    states_BN = np.zeros((BATCH_SIZE, 2**num_qubits), np.float32)
    states_BN[:, : features.shape[1]] = features
    return Work(num_qubits, encoder, pqc, states_BN), expected


def error(found: Result, expected: Result) -> tuple[float, float]:
    """Absolute error of the loss, and the largest of all gradients."""
    gaps = [np.abs(np.ravel(found[k]).astype(np.float64) - expected[k]).max() for k in range(3)]
    return float(gaps[0]), float(max(gaps[1:]))


def reference(work: Work) -> Result:
    """Loss and gradients in float64, gate by gate, with an adjoint sweep: plain, slow and independent of qlit."""
    encoder, pqc = work.encoder_parameters.astype(np.float64), work.pqc_parameters.astype(np.float64)
    encoded_BN = final_states(work.states.astype(np.float64), work.encoder_gates, encoder, None)
    angles_BQ = expectations(encoded_BN)
    final_BN = final_states(zero_states(len(encoded_BN), work.num_qubits), work.pqc_gates, pqc, angles_BQ)
    values_BQ = expectations(final_BN)

    by_values_BQ = np.zeros_like(values_BQ)
    by_values_BQ[:, 0] = 1
    by_pqc, by_angles_BQ, _ = gradients(final_BN, by_values_BQ, work.pqc_gates, pqc, angles_BQ)
    assert by_angles_BQ is not None
    by_encoder, _, _ = gradients(encoded_BN, by_angles_BQ, work.encoder_gates, encoder, None)
    return float(values_BQ[:, 0].sum()), by_encoder, by_pqc


def zero_states(batch_size: int, num_qubits: int) -> np.ndarray:
    """|0..0>, shape (B, N)."""
    states_BN = np.zeros((batch_size, 2**num_qubits))
    states_BN[:, 0] = 1
    return states_BN


def final_states(
    states_BN: np.ndarray, gates: list[Gate], parameters: np.ndarray, angles_BQ: np.ndarray | None
) -> np.ndarray:
    """The states behind the last gate, shape (B, N)."""
    for gate in gates:
        states_BN = _applied(states_BN, gate, parameters, angles_BQ)
    return states_BN


def expectations(states_BN: np.ndarray) -> np.ndarray:
    """<Z> of every wire, shape (B, Q)."""
    return states_BN**2 @ _signs(states_BN).T


def _signs(states_BN: np.ndarray) -> np.ndarray:
    """Z of each wire in each basis state, +1 or -1, shape (Q, N)."""
    num_qubits = states_BN.shape[1].bit_length() - 1
    return np.stack([1.0 - 2.0 * _bit(num_qubits, wire) for wire in range(num_qubits)])


def _bit(num_qubits: int, wire: int) -> np.ndarray:
    """The wire's bit of each basis index; wire 0 is the most significant."""
    return np.arange(2**num_qubits) >> (num_qubits - 1 - wire) & 1


def _halves(state_BN: np.ndarray, wire: int) -> tuple[np.ndarray, np.ndarray]:
    """Views of the amplitudes where the wire is 0 and where it is 1."""
    view = state_BN.reshape(len(state_BN), 2**wire, 2, -1)
    return view[:, :, 0], view[:, :, 1]


def _applied(
    state_BN: np.ndarray, gate: Gate, parameters: np.ndarray, angles_BQ: np.ndarray | None, inverse: bool = False
) -> np.ndarray:
    kind, wire, slot = gate
    num_qubits = state_BN.shape[1].bit_length() - 1
    if kind == "cnot":
        flipped = np.arange(2**num_qubits) ^ (_bit(num_qubits, wire) << (num_qubits - 1 - slot))
        return state_BN[:, flipped]
    angle = _angle(gate, parameters, angles_BQ) * (-0.5 if inverse else 0.5)
    cosine, sine = np.cos(angle), np.sin(angle)
    (zero, one), after = _halves(state_BN, wire), np.empty_like(state_BN)
    zero_after, one_after = _halves(after, wire)
    zero_after[:] = cosine * zero - sine * one
    one_after[:] = sine * zero + cosine * one
    return after


def _angle(gate: Gate, parameters: np.ndarray, angles_BQ: np.ndarray | None) -> np.ndarray:
    kind, _, slot = gate
    if kind == "ry":
        return parameters[slot]
    assert angles_BQ is not None
    return angles_BQ[:, slot, None, None]


def gradients(
    state_BN: np.ndarray,
    by_values_BQ: np.ndarray,
    gates: list[Gate],
    parameters: np.ndarray,
    angles_BQ: np.ndarray | None,
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray]:
    """Gradients by parameters, angles and initial states, from final states and the gradient by their <Z>."""
    by_parameters = np.zeros_like(parameters)
    by_angles_BQ = None if angles_BQ is None else np.zeros_like(angles_BQ)
    cotangent_BN = 2 * state_BN * (by_values_BQ @ _signs(state_BN))
    for gate in reversed(gates):
        kind, wire, slot = gate
        if kind != "cnot":
            (zero, one), (by_zero, by_one) = _halves(state_BN, wire), _halves(cotangent_BN, wire)
            by_angle_B = 0.5 * (by_one * zero - by_zero * one).sum((1, 2))
            if kind == "ry":
                by_parameters[slot] += by_angle_B.sum()
            else:
                assert by_angles_BQ is not None
                by_angles_BQ[:, slot] += by_angle_B
        state_BN = _applied(state_BN, gate, parameters, angles_BQ, inverse=True)
        cotangent_BN = _applied(cotangent_BN, gate, parameters, angles_BQ, inverse=True)
    return by_parameters, by_angles_BQ, cotangent_BN
