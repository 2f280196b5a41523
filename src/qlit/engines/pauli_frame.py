"""The Pauli frame: Pauli errors as signs of angles and flips of outcomes, for engines that do not insert errors.

No error is applied to amplitudes. RY(t) P = P RY(-t) for P = X or Z, and a CNOT maps Paulis to Paulis, so every error
can be moved behind the last gate. On its way it changes the signs of angles; behind the last gate an X flips the
outcome of its wire, and a Z has no effect. Global signs are dropped, because no probability depends on them. Every
engine that takes input angles can therefore run errors that differ from sample to sample.

Shapes: B batch, A input angles, P parameters, G gates, R rotations, W measured wires.
"""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qlit.circuits import Circuit, Gate
from qlit.engines.pauli_errors import X_FIRST, X_SECOND, Z_FIRST, Z_SECOND
from qlit.engines.request import Request

if TYPE_CHECKING:
    from qlit.engines.compiled import CompiledCircuit


class Rotations(NamedTuple):
    """A circuit in which every rotation reads a separate input angle.

    Args:
        compiled: The circuit, compiled for the engine of the original circuit.
        sources: For every rotation, the index of its angle among the original's parameters followed by its angles.
    """

    compiled: "CompiledCircuit"
    sources: tuple[int, ...]

    def angles(self, request: Request) -> Tensor:
        """Angle of every rotation for a request of the original circuit, radians, shape (B, R)."""
        given = request.parameters.expand(request.batch_size, -1)
        if request.angles is not None:
            given = torch.cat((given, request.angles), dim=1)
        return given[:, list(self.sources)]


def rotations_of(compiled: "CompiledCircuit") -> Rotations:
    """The circuit with a separate input angle for every rotation; `CompiledCircuit.rotations` keeps it."""
    circuit = compiled.circuit
    gates: list[Gate] = []
    sources: list[int] = []
    for gate in circuit:
        if gate.kind == "ry":
            source = gate.parameter if gate.angle is None else circuit.num_parameters + gate.angle
            assert source is not None, "an RY reads a parameter or an angle"
            gate = Gate("ry", gate.wires, angle=len(sources))
            sources.append(source)
        gates.append(gate)
    return Rotations(compiled.engine.compile(Circuit(circuit.num_qubits, tuple(gates))), tuple(sources))


class Framed(NamedTuple):
    """A request without errors, and the effect of the errors on its results.

    Args:
        request: The same circuit with a separate input angle for every rotation.
        flips: Whether the outcome of a measured wire is flipped, bool, shape (B, W).
    """

    request: Request
    flips: Tensor

    def expectation(self, values_BW: Tensor) -> Tensor:
        """Expectation values with errors, from those without."""
        return torch.where(self.flips, -values_BW, values_BW)

    def probabilities(self, values_BV: Tensor) -> Tensor:
        """Probabilities of joint outcomes with errors, from those without."""
        num_wires = self.flips.shape[1]
        weights = 2 ** torch.arange(num_wires - 1, -1, -1, device=values_BV.device)
        flipped_B1 = (self.flips * weights).sum(dim=1, keepdim=True)
        outcomes_V = torch.arange(values_BV.shape[1], device=values_BV.device)
        return values_BV.gather(1, outcomes_V ^ flipped_B1)


def as_signs(request: Request) -> Framed:
    """The request with its errors moved behind the last gate."""
    assert request.errors is not None, "only a request with errors needs a frame"
    signs_BR, flips_BQ = _signs_and_flips(request.circuit, request.errors.numpy())
    flips_BW = torch.from_numpy(flips_BQ)[:, list(request.wires)].to(request.parameters.device)
    rotations = request.compiled.rotations
    if not rotations.sources:  # and so neither parameters nor angles
        return Framed(request._replace(errors=None), flips_BW)
    angles_BR = rotations.angles(request)
    angles = (angles_BR * torch.from_numpy(signs_BR).to(angles_BR)).contiguous()
    parameters = request.parameters.new_zeros(0)
    without_errors = request._replace(compiled=rotations.compiled, parameters=parameters, angles=angles, errors=None)
    return Framed(without_errors, flips_BW)


def _signs_and_flips(circuit: Circuit, errors_BG: NDArray[np.uint8]) -> tuple[NDArray[np.int8], NDArray[np.bool_]]:
    """Signs of the rotations' angles, +1 or -1, shape (B, R), and flipped wires at the end, shape (B, num_qubits)."""
    batch_size = len(errors_BG)
    x_QB, z_QB = np.zeros((2, circuit.num_qubits, batch_size), dtype=bool)
    signs = []
    for k, gate in enumerate(circuit):
        first, second = gate.wires[0], gate.wires[-1]
        if gate.kind == "ry":
            signs.append(np.where(x_QB[first] ^ z_QB[first], -1, 1).astype(np.int8))
        elif gate.kind == "cnot":
            x_QB[second] ^= x_QB[first]
            z_QB[first] ^= z_QB[second]
        error_B = errors_BG[:, k]
        if not error_B.any():
            continue
        x_QB[first] ^= error_B & X_FIRST != 0
        z_QB[first] ^= error_B & Z_FIRST != 0
        if gate.kind == "cnot":
            x_QB[second] ^= error_B & X_SECOND != 0
            z_QB[second] ^= error_B & Z_SECOND != 0
    signs_BR = np.stack(signs, axis=1) if signs else np.zeros((batch_size, 0), dtype=np.int8)
    return signs_BR, x_QB.T.copy()
