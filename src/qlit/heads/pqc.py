"""The paper's QPU-side module: a parameterised quantum circuit with data re-uploading."""

from collections.abc import Sequence
from typing import Literal, final

from qlit.circuits import reuploading_circuit
from qlit.engines.shots import Sampler
from qlit.heads.circuit_pqc import CircuitPQC
from qlit.heads.gate_noise import NO_NOISE, GateNoise


@final
class ReuploadingPQC(CircuitPQC):
    """R times [angle encoding, PQC1], then PQC2, then Z on the measured wires, exact or from finite shots.

    Q * (C + 1 + N * C) + Q * (C + 1 + M * C) parameters: 7 * Q by default.

    Args:
        num_qubits: Q, at least 2.
        num_reuploads: R, at least 1.
        num_main_layers: M, layers of PQC2.
        num_reupload_layers: N, layers of PQC1, whose parameters all re-uploads share.
        connectivity: C, 1 .. Q-1.
        shots: S, measurements per sample, in training and evaluation; null for exact expectation values.
        sampler: gaussian (differentiable), multinomial (evaluation only), both from exact probabilities; or device, the
            engine's own measurements, with gradients by the parameter-shift rule.
        register: Which outcomes are sampled: `measured`, the joint outcomes of the measured wires; or `full`, all
            2**Q outcomes, as published. With gaussian the latter is biased where outcomes outnumber shots.
        measured_wires: Wires whose <Z> is the output, distinct; or auto, one per logit: wire 0 for two classes, wires
            0 .. k-1 for k > 2.
        noise: Gate noise in training, evaluation or both; none by default. Shots are drawn from the noisy
            probabilities.
        init_std: Standard deviation of the normal distribution the starting parameters are drawn from, radians.
        engine: Engine that runs the circuit: auto, native, cuda, torch, torchquantum, density_matrix, reference,
            pennylane:DEVICE or the import path of your own.

    Raises:
        ValueError: If a number is out of range.
    Source: arXiv:2504.08732, sec. III.B, IV.D, Fig. 1.
    """

    def __init__(
        self,
        num_qubits: int,
        *,
        num_reuploads: int = 4,
        num_main_layers: int = 2,
        num_reupload_layers: int = 1,
        connectivity: int = 1,
        shots: int | None = 8192,
        sampler: Sampler = "gaussian",
        register: Literal["measured", "full"] = "measured",
        measured_wires: Sequence[int] | Literal["auto"] = (0,),
        noise: GateNoise = NO_NOISE,
        init_std: float = 0.1,
        engine: str = "auto",
    ) -> None:
        super().__init__(
            reuploading_circuit(num_qubits, num_reuploads, num_main_layers, num_reupload_layers, connectivity),
            shots=shots,
            sampler=sampler,
            register=register,
            measured_wires=measured_wires,
            noise=noise,
            init_std=init_std,
            engine=engine,
        )
