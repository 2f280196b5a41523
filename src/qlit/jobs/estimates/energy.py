"""Energy of the inference of one sentence by the re-uploading PQC: on a QPU, and by a simulator on a GPU.

Gate counts are those of the circuit itself. The formulas are the paper's (arXiv:2504.08732, sec. VII.B, Table V):

    E_qpu = N (SQ T_sq + TQ T_tq) S P_qpu        E_gpu = 2^N (4 SQ + 8 TQ) / F_gpu P_gpu

for N qubits, SQ one-qubit and TQ two-qubit gates. The text prints P_qpu in place of P_gpu in the second one; with it
the curves cross at 48 qubits instead of the published 46.
"""

import math
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch

from qlit.circuits import reuploading_circuit
from qlit.circuits.ansatz import MAX_QUBITS
from qlit.heads import ReuploadingPQC

_J_PER_KJ = 1000.0
FLOP_ONE_QUBIT, FLOP_TWO_QUBIT = 2**2, 2**3  # per amplitude, as in the paper
_BUDGET_S, _MOST_REPEATS = 0.3, 200


@dataclass(frozen=True)
class EnergyModel:
    """Circuit and constants of the estimate; the defaults are those of Table V and Fig. 5.

    Args:
        num_reuploads: R.
        num_main_layers: M.
        num_reupload_layers: N.
        connectivity: C.
        shots: S, repetitions of the circuit on the QPU.
        qpu_watt_per_qubit: P_qpu, power of the QPU per qubit, W.
        one_qubit_gate_s: T_sq, duration of a one-qubit gate, s.
        two_qubit_gate_s: T_tq, duration of a two-qubit gate, s.
        gpu_watt: P_gpu, power of a GPU, W. The number of GPUs cancels: it multiplies power and speed.
        gpu_flops: F_gpu, double-precision operations of a GPU per second.

    Raises:
        ValueError: If a constant is not positive and finite. The circuit is checked by `estimate`.
    """

    num_reuploads: int = 4
    num_main_layers: int = 2
    num_reupload_layers: int = 1
    connectivity: int = 1
    shots: int = 8000
    qpu_watt_per_qubit: float = 300.0
    one_qubit_gate_s: float = 1e-4
    two_qubit_gate_s: float = 1e-5
    gpu_watt: float = 700.0
    gpu_flops: float = 3.4e13

    def __post_init__(self) -> None:
        for each in fields(self)[4:]:
            value = getattr(self, each.name)
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"`{each.name} > 0` must hold, but got {value}.")

    @property
    def least_qubits(self) -> int:
        """Smallest number of qubits whose rings have this connectivity."""
        return max(2, self.connectivity + 1)


@dataclass(frozen=True)
class Energy:
    """Energy of one inference.

    Args:
        num_qubits: N.
        one_qubit_gates: SQ.
        two_qubit_gates: TQ.
        qpu_kj: E_qpu, kJ.
        gpu_kj: E_gpu, kJ.
        misprint_kj: E_gpu with the power P_qpu of one qubit, as the paper's text prints it, kJ.
    """

    num_qubits: int
    one_qubit_gates: int
    two_qubit_gates: int
    qpu_kj: float
    gpu_kj: float
    misprint_kj: float


def estimate(model: EnergyModel, num_qubits: int) -> Energy:
    """Energy for a number of qubits.

    Raises:
        ValueError: As `qlit.circuits.reuploading_circuit`.
    """
    circuit = reuploading_circuit(
        num_qubits, model.num_reuploads, model.num_main_layers, model.num_reupload_layers, model.connectivity
    )
    one, two = circuit.num_one_qubit_gates, circuit.num_two_qubit_gates
    qpu_s = model.shots * (one * model.one_qubit_gate_s + two * model.two_qubit_gate_s)
    gpu_s = 2.0**num_qubits * (FLOP_ONE_QUBIT * one + FLOP_TWO_QUBIT * two) / model.gpu_flops
    return Energy(
        num_qubits, one, two,
        qpu_kj=num_qubits * qpu_s * model.qpu_watt_per_qubit / _J_PER_KJ,
        gpu_kj=gpu_s * model.gpu_watt / _J_PER_KJ,
        misprint_kj=gpu_s * model.qpu_watt_per_qubit / _J_PER_KJ,
    )  # fmt: skip


def estimates(model: EnergyModel, max_qubits: int) -> list[Energy]:
    """Energies from the least number of qubits to `max_qubits`.

    Raises:
        ValueError: If `max_qubits` is out of range, or the circuit is invalid.
    """
    if not model.least_qubits < max_qubits <= MAX_QUBITS:
        raise ValueError(f"`{model.least_qubits} < max_qubits <= {MAX_QUBITS}` must hold, but got {max_qubits=}.")
    return [estimate(model, num_qubits) for num_qubits in range(model.least_qubits, max_qubits + 1)]


def crossover(qpu_kj: Sequence[float], other_kj: Sequence[float], num_qubits: Sequence[int]) -> int | None:
    """Number of qubits from which the QPU needs less energy, for all larger ones too; None if there is none."""
    found = None
    for number, qpu, other in zip(num_qubits, qpu_kj, other_kj, strict=True):
        if other <= qpu:
            found = None
        elif found is None:
            found = number
    return found


def measured_s(model: EnergyModel, num_qubits: int, *, batch_size: int = 16, engine: str = "auto") -> float:
    """Median time of the exact inference of one sentence of a batch on this machine, s; float32, on the CPU."""
    pqc = ReuploadingPQC(
        num_qubits,
        num_reuploads=model.num_reuploads,
        num_main_layers=model.num_main_layers,
        num_reupload_layers=model.num_reupload_layers,
        connectivity=model.connectivity,
        shots=None,
        engine=engine,
    )
    angles_BQ = torch.linspace(-1, 1, batch_size * num_qubits).reshape(batch_size, num_qubits)
    durations: list[float] = []
    with torch.inference_mode():
        pqc(angles_BQ)  # not timed: the engine compiles its plan
        while not durations or (sum(durations) < _BUDGET_S and len(durations) < _MOST_REPEATS):
            begun = time.perf_counter()
            pqc(angles_BQ)
            durations.append(time.perf_counter() - begun)
    return statistics.median(durations) / batch_size
