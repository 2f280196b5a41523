"""Encoders: the first module of a hybrid head, from a sentence embedding to the angles of the PQC.

Shapes: B batch, D features of an embedding, N = 2**num_qubits amplitudes, O outputs.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import final

import torch
from torch import Tensor, nn

from qlit.circuits import encoder_circuit
from qlit.engines import CircuitAngles, Engine, engine_by_name
from qlit.engines.memory import check_states
from qlit.heads.base import check_finite
from qlit.heads.runs_circuit import RunsCircuit

_UNCHECKED: ContextVar[bool] = ContextVar("unchecked norms", default=False)


class Encoder(nn.Module, ABC):
    """Maps embeddings (B, D), after the preprocessing of the head, to `num_outputs` angles (radians) a sample."""

    num_outputs: int
    num_features: int | None = None
    """D that the encoder was made for; None if its constructor does not fix D."""

    @abstractmethod
    def forward(self, embeddings_BD: Tensor) -> Tensor:
        """Angles, radians, shape (B, O)."""

    def angles_for(self, engine: Engine, embeddings_BD: Tensor) -> Tensor | list[CircuitAngles]:  # noqa: ARG002 - encoders with circuits read it
        """Input angles of a circuit on `engine`: the values of `forward`, or the circuits that measure them.

        It returns circuits if the encoder uses an equal engine, and one call for all circuits is faster.
        """
        return self(embeddings_BD)  # type: ignore[no-any-return]

    def is_replayable(self, device_type: str) -> bool:  # noqa: ARG002 - encoders with circuits read it
        """As `Head.is_replayable`."""
        return False

    @abstractmethod
    def check_features(self, num_features: int) -> None:
        """Raise a ValueError, before any training, if embeddings of D features do not fit."""

    @property
    def needs(self) -> str:
        """Requirement on embeddings, as a clause of a message."""
        return "finite embeddings"

    def unusable(self, embeddings_BD: Tensor) -> Tensor:
        """Mask of unusable embeddings, bool, shape (B,); called after `fit_center`, before training."""
        return ~embeddings_BD.isfinite().all(dim=1)

    def fit_center(self, embeddings_BD: Tensor) -> None:
        """Fit statistics that an encoder of your own needs to the training split; a `Preprocessing` serves any head."""


def amplitude_encoding(features_BD: Tensor, num_qubits: int, *, pad_with: float = 0.0) -> Tensor:
    """Amplitude encoding of whole vectors: amplitude k is feature k, the rest is padding, then normalised.

    Args:
        features_BD: Features, shape (B, D), D <= 2**num_qubits.
        num_qubits: Qubits of the register; wire 0 is the most significant bit of k.
        pad_with: Value of every padded amplitude before normalisation, in the units of the features. A value other
            than 0 is a bias: it gives the expectation values a part that is linear in the features.

    Returns:
        Real normalised statevectors, shape (B, N).

    Raises:
        ValueError: If the features do not fit, or a vector cannot be normalised (all zeros, NaN, infinite). Within
            `unchecked_norms` such a vector gives amplitudes that are not finite.
    Source: arXiv:2504.08732, sec. III.C.
    """
    check_amplitudes(features_BD.shape[1], num_qubits)
    check_states(2, features_BD.shape[0], num_qubits, features_BD)  # the padded and the normalised one
    padding = 2**num_qubits - features_BD.shape[1]
    amplitudes_BN = torch.constant_pad_nd(features_BD, (0, padding), pad_with) if padding else features_BD
    norms_B1 = torch.linalg.vector_norm(amplitudes_BN, dim=1, keepdim=True)
    check_norms(norms_B1, "Amplitude encoding needs finite vectors that are not all zeros")
    state_BN: Tensor = amplitudes_BN / norms_B1
    return state_BN.contiguous()


def check_norms(norms: Tensor, needs: str) -> None:
    """Raise a ValueError, which begins with `needs`, if a norm is 0 or not finite; not within `unchecked_norms`."""
    # One transfer; a NaN is not above 0.
    if not _UNCHECKED.get() and not all(0 < norm < math.inf for norm in norms.flatten().tolist()):
        raise ValueError(f"{needs}, but this batch contains others.")


@contextmanager
def unchecked_norms() -> Iterator[None]:
    """Context in which `check_norms` does not look at norms, which takes a transfer from the device."""
    token = _UNCHECKED.set(True)
    try:
        yield
    finally:
        _UNCHECKED.reset(token)


def check_amplitudes(num_features: int, num_qubits: int) -> None:
    """Raise a ValueError if `num_features` amplitudes need more than `num_qubits` qubits."""
    if num_features > 2**num_qubits:
        needed = (num_features - 1).bit_length()
        raise ValueError(
            f"Amplitude encoding of {num_features} features needs num_qubits >= {needed}, but the encoder has "
            f"num_qubits={num_qubits}. Raise the encoder's `num_qubits`, or give the head a preprocessing with fewer "
            "outputs; features are never cut."
        )


def check_num_outputs(num_outputs: int, num_qubits: int) -> None:
    """Raise a ValueError unless an encoder has a qubit for every output."""
    if not 1 <= num_outputs <= num_qubits:
        raise ValueError(
            f"An encoder returns the <Z> of its first qubits, so `1 <= num_outputs <= num_qubits` must hold, "
            f"but got {num_outputs=}, {num_qubits=}. Raise the encoder's `num_qubits` or the number of encoders."
        )


class AmplitudeEncoder(RunsCircuit, Encoder):
    """An encoder whose embeddings are the initial state of a trainable circuit: exact <Z>, scaled to angles.

    Its constructor sets `num_outputs` and the attributes below, and compiles the circuit.
    """

    num_qubits: int
    wires: tuple[int, ...]
    """The measured wires, one for each output."""
    theta: nn.Parameter
    """Parameters of the circuit, radians."""
    angle_scale: nn.Parameter

    @abstractmethod
    def states(self, embeddings_BD: Tensor) -> Tensor:
        """Initial states of the circuit, real, normalised, shape (B, N)."""

    def forward(self, embeddings_BD: Tensor) -> Tensor:
        state_BN = self.states(embeddings_BD)
        return self.angle_scale * self.compiled.expectation(self.theta, state=state_BN, wires=self.wires)

    def angles_for(self, engine: Engine, embeddings_BD: Tensor) -> Tensor | list[CircuitAngles]:
        most_amplitudes = engine.taken_on(embeddings_BD.device.type).capabilities.encoder_amplitudes
        if engine.name != self.engine.name or len(embeddings_BD) << self.num_qubits > most_amplitudes:
            return super().angles_for(engine, embeddings_BD)
        state_BN = self.states(embeddings_BD)
        return [CircuitAngles(self.compiled, self.theta, self.angle_scale, state_BN, self.wires)]

    def is_replayable(self, device_type: str) -> bool:
        return self.engine.taken_on(device_type, self.circuit).capabilities.replayable


@final
class SimulatedQuantumEncoder(AmplitudeEncoder):
    """A simulated quantum encoder (sQE): amplitude encoding, a trainable circuit, exact <Z>, scaled to angles.

    Q_e * (C + 1 + layers * C) + 1 parameters: 28 * Q_e + 1 by default.

    Args:
        num_outputs: O, number of output angles: <Z> of the first O qubits.
        num_qubits: Q_e, at least O, with 2**Q_e >= D.
        connectivity: C of the circuit, 1 .. Q_e - 1.
        num_layers: Layers of the circuit after its RY column, at least 0.
        pad_with: Value of the padded amplitudes before normalisation; 0 as published.
        center: Earlier spelling of the hybrid head's `preprocessing: qlit.heads.Centering`; true has the same effect.
        init_std: Standard deviation of the normal distribution the starting parameters are drawn from, radians.
        engine: Engine that runs the circuit exactly: auto, native, cuda, torch, torchquantum, reference or
            pennylane:DEVICE.

    Raises:
        ValueError: If a number is out of range.
    Source: arXiv:2504.08732, sec. III.C; the scale is the "+ 1" of the published parameter counts.
    """

    def __init__(
        self,
        num_outputs: int,
        *,
        num_qubits: int = 10,
        connectivity: int = 9,
        num_layers: int = 2,
        pad_with: float = 0.0,
        center: bool = False,
        init_std: float = 0.1,
        engine: str = "auto",
    ) -> None:
        super().__init__()
        check_num_outputs(num_outputs, num_qubits)
        check_finite("pad_with", pad_with)
        check_finite("init_std", init_std, least=0)
        self.num_outputs = num_outputs
        self.wires = tuple(range(num_outputs))
        self.num_qubits = num_qubits
        self.pad_with = pad_with
        self.center = center
        circuit = encoder_circuit(num_qubits, connectivity=connectivity, num_layers=num_layers)
        self.compiled = engine_by_name(engine).compile(circuit)
        self.engine.check_shots(None)
        self.theta = nn.Parameter(init_std * torch.randn(self.circuit.num_parameters))
        self.angle_scale = nn.Parameter(torch.ones(()))

    def states(self, embeddings_BD: Tensor) -> Tensor:
        """Initial states of the circuit, real, normalised, shape (B, N).

        Raises:
            ValueError: As `amplitude_encoding`; or if `center` is set outside a HybridHead.
        """
        if self.center:
            raise ValueError(
                "`center` centres the embeddings of a HybridHead whose encoder this is, alone or in ParallelEncoders; "
                "elsewhere give the head `preprocessing=Centering()`."
            )
        return amplitude_encoding(embeddings_BD, self.num_qubits, pad_with=self.pad_with)

    @property
    def needs(self) -> str:
        return "finite embeddings that are not all zeros" + " where `pad_with` is 0" * (self.pad_with == 0)

    def unusable(self, embeddings_BD: Tensor) -> Tensor:
        # The norm that `amplitude_encoding` divides by, computed without memory for the padding.
        padding = 2**self.num_qubits - embeddings_BD.shape[1]
        norms_B = torch.linalg.vector_norm(embeddings_BD, dim=1)
        if padding and self.pad_with:
            norms_B = torch.hypot(norms_B, norms_B.new_tensor(abs(self.pad_with) * math.sqrt(padding)))
        is_usable_B: Tensor = (norms_B > 0) & norms_B.isfinite()
        return ~is_usable_B

    def check_features(self, num_features: int) -> None:
        check_amplitudes(num_features, self.num_qubits)


@final
class ParallelEncoders(Encoder):
    """E encoders side by side, each on the whole embedding; their outputs are concatenated.

    Args:
        num_outputs: Q, number of output angles of all encoders together; each encoder outputs Q / E.
        num_encoders: E, at least 1, a divisor of Q.
        encoder: Encoder class, called with the number of outputs; created E times with different starting parameters.

    Raises:
        ValueError: If E does not divide Q.
    Source: arXiv:2504.08732, sec. III.D.
    """

    def __init__(self, num_outputs: int, *, num_encoders: int = 2, encoder: Callable[[int], Encoder]) -> None:
        super().__init__()
        if num_encoders < 1 or num_outputs % num_encoders:
            raise ValueError(
                f"The number of encoders must divide the PQC's qubits, but got {num_encoders=}, "
                f"num_qubits={num_outputs}: every encoder returns an equal part of the angles."
            )
        self.num_outputs = num_outputs
        self.encoders = nn.ModuleList(encoder(num_outputs // num_encoders) for _ in range(num_encoders))

    def forward(self, embeddings_BD: Tensor) -> Tensor:
        return torch.cat([encoder(embeddings_BD) for encoder in self.encoders], dim=1)

    def angles_for(self, engine: Engine, embeddings_BD: Tensor) -> Tensor | list[CircuitAngles]:
        given = [encoder.angles_for(engine, embeddings_BD) for encoder in self.members()]
        numbers = [angles for angles in given if isinstance(angles, Tensor)]
        if numbers:  # equal encoders all return numbers, or all return circuits
            return torch.cat(numbers, dim=1)
        return [circuit for circuits in given for circuit in circuits if isinstance(circuit, CircuitAngles)]

    def is_replayable(self, device_type: str) -> bool:
        return all(encoder.is_replayable(device_type) for encoder in self.members())

    def check_features(self, num_features: int) -> None:
        for encoder in self.members():
            encoder.check_features(num_features)

    @property
    def needs(self) -> str:
        return self.members()[0].needs

    def unusable(self, embeddings_BD: Tensor) -> Tensor:
        return torch.stack([encoder.unusable(embeddings_BD) for encoder in self.members()]).any(dim=0)

    def fit_center(self, embeddings_BD: Tensor) -> None:
        for encoder in self.members():
            encoder.fit_center(embeddings_BD)

    def members(self) -> list[Encoder]:
        """The encoders, in the order of their outputs."""
        return [encoder for encoder in self.encoders if isinstance(encoder, Encoder)]


def take_centering(encoder: Encoder) -> bool:
    """Whether an encoder, or one of several side by side, has `center` set; it is then switched off there.

    The head then centres its embeddings: every encoder gets the same ones.
    """
    if isinstance(encoder, ParallelEncoders):
        taken = [take_centering(each) for each in encoder.members()]
        return any(taken)
    if not isinstance(encoder, SimulatedQuantumEncoder):
        return False
    is_set, encoder.center = encoder.center, False
    return is_set
