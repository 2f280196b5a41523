"""What the circuits of a trained head do with sentences: angles, <Z>, and entanglement of the final states.

Shapes: B sentences, D features of an embedding, Q qubits, N = 2**Q amplitudes.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from qlit.circuits.entanglement import haar_entanglement, meyer_wallach
from qlit.engines.ensembles import bloch_vectors
from qlit.heads import AmplitudeEncoder, CircuitPQC, Head, HybridHead

MAX_QUBITS = 16
"""Widest circuit that is looked at: wider ones would take longer than the training."""


@dataclass
class TrainedStates:
    """Numbers of the final states of a head's circuits, exact, without shots and gate noise.

    Args:
        angles: Outputs of the encoder, radians, shape (B, O): the latent vectors.
        z: <Z> of all wires of the PQC, shape (B, Q); None if it is no circuit of qlit.
        entanglement: Meyer-Wallach entanglement, shape (B,), by the name of the circuit's module.
        random_entanglement: Mean of uniformly random states, by the same names.
        too_wide: Names of circuits that were left out.
    """

    angles: NDArray[np.float64]
    z: NDArray[np.float64] | None = None
    entanglement: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    random_entanglement: dict[str, float] = field(default_factory=dict)
    too_wide: list[str] = field(default_factory=list)


@torch.no_grad()
def trained_states(head: HybridHead, embeddings_BD: Tensor) -> TrainedStates:
    """Run the circuits of a head on sentences; the head, its mode and torch's random numbers stay as they are.

    Encoders run on their engine, and the states are simulated by `engine: auto` in float64 on the CPU.

    Args:
        head: The head.
        embeddings_BD: Embeddings, of its type and on its device, shape (B, D).

    Raises:
        ValueError: If the head cannot take the embeddings.
    """
    inputs: dict[str, Tensor] = {}
    with ExitStack() as stack:
        stack.enter_context(undisturbed(head))
        for name, module in head.named_modules():
            if isinstance(module, AmplitudeEncoder):  # perhaps inside another encoder, which transforms its input
                stack.callback(module.register_forward_pre_hook(_keep(inputs, name)).remove)
        angles_BQ = head.encoder(head.preprocessed(embeddings_BD))
        found = TrainedStates(_plain(angles_BQ).numpy())
        for name, embeddings in inputs.items():
            encoder = head.get_submodule(name)
            assert isinstance(encoder, AmplitudeEncoder)
            _add(found, name, encoder, state_SN=encoder.states(embeddings))
        if isinstance(head.pqc, CircuitPQC):
            vectors = _add(found, "pqc", head.pqc, angles_SA=angles_BQ)
            found.z = None if vectors is None else vectors[:, :, 2]
    return found


def has_circuits(head: Head) -> bool:
    """Whether `trained_states` finds a circuit in a head."""
    return isinstance(head, HybridHead) and any(
        isinstance(module, AmplitudeEncoder | CircuitPQC) for module in head.modules()
    )


@contextmanager
def undisturbed(module: nn.Module) -> Iterator[None]:
    """Context with a module in evaluation mode; afterwards its modes and torch's random numbers are as before."""
    modes = [(each, each.training) for each in module.modules()]
    devices = {each.device for each in module.parameters() if each.device.type == "cuda"}
    with torch.random.fork_rng(devices=[each.index for each in devices]):
        module.eval()
        try:
            yield
        finally:
            for each, mode in modes:
                each.training = mode


def _keep(inputs: dict[str, Tensor], name: str) -> Any:
    def hook(_: nn.Module, given: tuple[Tensor, ...]) -> None:
        inputs[name] = given[0]

    return hook


def _add(found: TrainedStates, name: str, module: Any, **given: Tensor) -> NDArray[np.float64] | None:
    """Add the entanglement of a circuit; return the Bloch vectors of its wires, None if it is too wide."""
    circuit = module.circuit
    if circuit.num_qubits > MAX_QUBITS:
        found.too_wide.append(name)
        return None
    inputs = {key: _plain(value) for key, value in given.items()}
    vectors: NDArray[np.float64] = bloch_vectors(circuit, _plain(module.theta), **inputs).numpy()
    found.entanglement[name] = meyer_wallach(vectors)
    found.random_entanglement[name] = haar_entanglement(circuit.num_qubits, real=circuit.is_real)
    return vectors


def _plain(tensor: Tensor) -> Tensor:
    return tensor.detach().to(device="cpu", dtype=torch.float64)
