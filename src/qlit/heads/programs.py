"""A hybrid head on one embedding as separate programs, and the rule that combines their results.

Shapes: D features of an embedding.
"""

from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from qlit.circuits import Circuit
from qlit.circuits.openqasm import to_openqasm
from qlit.engines import AutoEngine
from qlit.heads.base import Head
from qlit.heads.circuit_pqc import CircuitPQC
from qlit.heads.encoders import AmplitudeEncoder, Encoder, ParallelEncoders
from qlit.heads.hybrid import HybridHead


@dataclass(frozen=True)
class Program:
    """One circuit with all values bound.

    Args:
        name: encoder, encoder_0, encoder_1, .. or pqc.
        circuit: The circuit.
        parameters: Radians, one per parameter.
        angles: Radians, one per input angle.
        state: Initial statevector, real, or None for |0..0>.
        wires: Measured wires.
        expectations: Their exact <Z>.
    """

    name: str
    circuit: Circuit
    parameters: list[float]
    angles: list[float]
    state: list[float] | None
    wires: tuple[int, ...]
    expectations: list[float]

    def openqasm(self, comment: str) -> str:
        """The program in OpenQASM 3, beginning with a comment."""
        return to_openqasm(
            self.circuit, self.parameters, angles_A=self.angles, state_N=self.state, wires=self.wires, comment=comment
        )


@dataclass(frozen=True)
class Angle:
    """Source of an input angle of the PQC: scale times an expectation value.

    Args:
        value: Radians.
        program: Name of the encoder's program; None if the encoder has no circuit.
        bit: Index of the measured wire in that program; None without a program.
        scale: Radians at <Z> = 1; None without a program.
    """

    value: float
    program: str | None = None
    bit: int | None = None
    scale: float | None = None


@dataclass(frozen=True)
class HeadPrograms:
    """Programs of a head for one embedding, and the rule that combines their results.

    Args:
        encoders: Programs of the encoders that are circuits.
        pqc: Program of the PQC.
        angles: Sources of its input angles.
        weight: Weights of the final linear layer, one row per logit; None without the layer.
        bias: Biases of the final linear layer, one per logit; None without the layer.
        logits: One for two classes, otherwise one per class.
    """

    encoders: list[Program]
    pqc: Program
    angles: list[Angle]
    weight: list[list[float]] | None
    bias: list[float] | None
    logits: list[float]


@torch.no_grad()
def programs_of(head: Head, embedding_D: Tensor) -> HeadPrograms:
    """The programs of a head, in float64, with exact expectation values: no shots, no noise.

    Args:
        head: A hybrid head; it is not changed.
        embedding_D: Embedding of a sentence, shape (D,).

    Raises:
        ValueError: If the head is no `HybridHead`, or the embedding does not fit it.
    """
    if not isinstance(head, HybridHead):
        raise ValueError(
            f"Only heads with a PQC (HybridHead) have OpenQASM programs, but this one is a {type(head).__name__}: "
            "export it as an ONNX file."
        )
    if not isinstance(head.pqc, CircuitPQC):
        raise ValueError(
            f"Only PQCs with a circuit of qlit (ReuploadingPQC, AnsatzPQC) have OpenQASM programs, but this one is a "
            f"{type(head.pqc).__name__}."
        )
    exact = deepcopy(head).double()
    exact.check_features(len(embedding_D))
    features_1O = exact.preprocessed(embedding_D.double().unsqueeze(0))
    programs: list[Program] = []
    angles: list[Angle] = []
    encoders = exact.encoder.members() if isinstance(exact.encoder, ParallelEncoders) else [exact.encoder]
    for number, encoder in enumerate(encoders):
        if isinstance(encoder, AmplitudeEncoder):
            program = _of_encoder(encoder, features_1O, "encoder" if len(encoders) == 1 else f"encoder_{number}")
            programs.append(program)
            scale = encoder.angle_scale.item()
            angles += [Angle(scale * z, program.name, bit, scale) for bit, z in enumerate(program.expectations)]
        else:
            angles += _given(encoder, features_1O)
    assert isinstance(exact.pqc, CircuitPQC), "checked above"
    pqc = _program(
        "pqc",
        exact.pqc,
        exact.pqc.measured_wires,
        angles_1Q=torch.tensor([[angle.value for angle in angles]], dtype=torch.float64),
    )
    linear = exact.linear
    return HeadPrograms(
        encoders=programs,
        pqc=pqc,
        angles=angles,
        weight=None if linear is None else linear.weight.tolist(),
        bias=None if linear is None else linear.bias.tolist(),
        logits=exact.logits(torch.tensor([pqc.expectations], dtype=torch.float64))[0].tolist(),
    )


def _of_encoder(encoder: AmplitudeEncoder, features_1O: Tensor, name: str) -> Program:
    return _program(name, encoder, encoder.wires, state_1N=encoder.states(features_1O))


def _given(encoder: Encoder, features_1O: Tensor) -> list[Angle]:
    return [Angle(value) for value in encoder(features_1O)[0].tolist()]


def _program(
    name: str, module: Any, wires: tuple[int, ...], *, angles_1Q: Tensor | None = None, state_1N: Tensor | None = None
) -> Program:
    values_1W = AutoEngine().expectation(module.circuit, module.theta, angles=angles_1Q, state=state_1N, wires=wires)
    return Program(
        name,
        module.circuit,
        parameters=module.theta.tolist(),
        angles=[] if angles_1Q is None else angles_1Q[0].tolist(),
        state=None if state_1N is None else state_1N[0].tolist(),
        wires=wires,
        expectations=values_1W[0].tolist(),
    )
