"""Encoder of sentence pairs: both embeddings in the two halves of one amplitude vector.

Shapes: B batch, D features of one sentence, 2 D of a pair, N = 2**num_qubits amplitudes, O outputs.
"""

import math
from typing import final

import torch
from torch import Tensor, nn

from qlit.circuits import pair_circuit
from qlit.engines import engine_by_name
from qlit.engines.memory import check_states
from qlit.heads.base import check_finite
from qlit.heads.encoders import AmplitudeEncoder, check_norms, check_num_outputs

_NEEDS = "finite embeddings of both sentences that are not all zeros"


def pair_encoding(features_B2D: Tensor, num_qubits: int) -> Tensor:
    """Amplitude encoding of pairs: (|0> u / |u| + |1> v / |v|) / sqrt(2), each half padded with zeros.

    After RY(pi / 2) on wire 0, <Z> of this wire is -<u|v>, the negative cosine of u and v.

    Args:
        features_B2D: Features u and v side by side, shape (B, 2 D), D <= 2**(num_qubits - 1).
        num_qubits: Qubits of the register; wire 0 tells u from v.
    Returns:
        Real normalised statevectors, shape (B, N).
    Raises:
        ValueError: If the features are odd in number or too many, or a half cannot be normalised (zeros, NaN,
            infinite). Within `unchecked_norms` such a half gives amplitudes that are not finite.
    Source: Schuld, Fingerhuth and Petruccione (2017), arXiv:1703.10793: interference of two vectors by one rotation.
    """
    check_pair_amplitudes(features_B2D.shape[1], num_qubits)
    check_states(2, features_B2D.shape[0], num_qubits, features_B2D)  # the padded and the normalised one
    num_features = features_B2D.shape[1] // 2
    halves_B2D = features_B2D.reshape(-1, 2, num_features)
    norms_B21 = torch.linalg.vector_norm(halves_B2D, dim=2, keepdim=True)
    check_norms(norms_B21, f"Amplitude encoding of pairs needs {_NEEDS}")
    padding = 2 ** (num_qubits - 1) - num_features
    state_BN: Tensor = torch.constant_pad_nd(halves_B2D / (math.sqrt(2) * norms_B21), (0, padding)).flatten(1)
    return state_BN.contiguous()


def check_pair_amplitudes(num_features: int, num_qubits: int) -> None:
    """Raise a ValueError if `num_features` features are no pair, or a half needs more than `num_qubits` - 1 qubits."""
    if num_features % 2:
        raise ValueError(
            f"A PairEncoder takes the embeddings of two sentences side by side, an even number of features, but got "
            f"{num_features}: set `data.second_text_column`, or use a SimulatedQuantumEncoder."
        )
    if num_features > 2**num_qubits:
        dim, needed = num_features // 2, (num_features // 2 - 1).bit_length() + 1
        raise ValueError(
            f"Pairs of embeddings of {dim} features each need num_qubits >= {needed}, but the PairEncoder has "
            f"num_qubits={num_qubits}. Raise its `num_qubits`, or take a body with smaller embeddings; features are "
            "never cut."
        )


@final
class PairEncoder(AmplitudeEncoder):
    """A simulated quantum encoder of sentence pairs that starts at their cosine. Not in the paper.

    Both embeddings u and v, normalised one by one, are the halves of one amplitude vector. A trainable circuit starts
    near RY(pi / 2) on wire 0, with which <Z> of wire 0 is minus the cosine of u and v, and its further layers near the
    identity. Outputs are exact <Z>, scaled to angles. Q_e * (1 + layers * C) + 1 parameters.

    Args:
        num_outputs: O, number of output angles: <Z> of the first O qubits.
        num_qubits: Q_e, at least O, with 2**Q_e >= 2 D.
        connectivity: C of the circuit, 1 .. Q_e - 1.
        num_layers: Layers of the circuit after its RY column, at least 0.
        init_std: Standard deviation of the normal distribution around the start, radians; 0 gives the cosine itself.
        engine: Engine that runs the circuit exactly, as of `SimulatedQuantumEncoder`.

    Raises:
        ValueError: If a number is out of range.
    """

    def __init__(
        self,
        num_outputs: int,
        *,
        num_qubits: int = 11,
        connectivity: int = 9,
        num_layers: int = 2,
        init_std: float = 0.1,
        engine: str = "auto",
    ) -> None:
        super().__init__()
        check_num_outputs(num_outputs, num_qubits)
        check_finite("init_std", init_std, least=0)
        self.num_outputs, self.num_qubits = num_outputs, num_qubits
        self.wires = tuple(range(num_outputs))
        circuit = pair_circuit(num_qubits, connectivity=connectivity, num_layers=num_layers)
        self.compiled = engine_by_name(engine).compile(circuit)
        self.engine.check_shots(None)
        start = torch.zeros(circuit.num_parameters)
        start[0] = math.pi / 2
        self.theta = nn.Parameter(start + init_std * torch.randn(circuit.num_parameters))
        self.angle_scale = nn.Parameter(torch.ones(()))

    def states(self, embeddings_BD: Tensor) -> Tensor:
        """As of `AmplitudeEncoder`; the errors are those of `pair_encoding`."""
        return pair_encoding(embeddings_BD, self.num_qubits)

    @property
    def needs(self) -> str:
        return _NEEDS

    def unusable(self, embeddings_BD: Tensor) -> Tensor:
        norms_B2 = torch.linalg.vector_norm(embeddings_BD.reshape(len(embeddings_BD), 2, -1), dim=2)
        is_usable_B: Tensor = ((norms_B2 > 0) & norms_B2.isfinite()).all(dim=1)
        return ~is_usable_B

    def check_features(self, num_features: int) -> None:
        check_pair_amplitudes(num_features, self.num_qubits)
