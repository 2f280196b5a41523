"""The Pauli frame: Pauli errors as signs of angles and flips of outcomes, for engines that do not insert errors.

No error is applied to amplitudes. RY(t) P = P RY(-t) for P = X or Z, as for any rotation and a Pauli that anticommutes
with its own; CNOT, CZ and H map Paulis to Paulis. A controlled rotation consists of two plain ones between CNOTs or CZs
(`_parts`). So every error can be moved behind the last gate. On its way it changes the signs of angles; behind the last
gate an X flips the outcome of its wire, and a Z has no effect. Global phases are dropped, because no probability
depends on them. Every engine that takes input angles can therefore run errors that differ from sample to sample.

Shapes: B batch, A input angles, P parameters, G gates, R rotations, W measured wires.
"""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qlit.circuits import Circuit, Gate, GateKind
from qlit.engines.pauli_errors import X_FIRST, X_SECOND, Z_FIRST, Z_SECOND
from qlit.engines.request import Request

if TYPE_CHECKING:
    from qlit.engines.compiled import CompiledCircuit


class Rotations(NamedTuple):
    """A circuit in which rotations read separate input angles.

    Args:
        compiled: The circuit, compiled for the engine of the original circuit.
        sources: For every rotation, the index of its angle among the original's parameters, its angles and `fixed`.
        factors: Factors of those angles; None if all are 1.
        fixed: Fixed angles, radians.
    """

    compiled: "CompiledCircuit"
    sources: tuple[int, ...]
    factors: tuple[float, ...] | None = None
    fixed: tuple[float, ...] = ()

    def angles(self, request: Request) -> Tensor:
        """Angle of every rotation for a request of the original circuit, radians, shape (B, R)."""
        given = request.parameters.expand(request.batch_size, -1)
        if request.angles is not None:
            given = torch.cat((given, request.angles), dim=1)
        if self.fixed:
            given = torch.cat((given, given.new_tensor(self.fixed).expand(request.batch_size, -1)), dim=1)
        angles_BR = given[:, list(self.sources)]
        return angles_BR if self.factors is None else angles_BR * angles_BR.new_tensor(self.factors)


def rotations_of(compiled: "CompiledCircuit") -> Rotations:
    """The circuit with a separate input angle for every rotation by a slot; `CompiledCircuit.rotations` keeps it."""
    circuit = compiled.circuit
    gates: list[Gate] = []
    sources: list[int] = []
    for gate in circuit:
        source = gate.parameter if gate.angle is None else circuit.num_parameters + gate.angle
        if source is not None:
            gate = Gate(gate.kind, gate.wires, angle=len(sources))
            sources.append(source)
        gates.append(gate)
    return Rotations(compiled.engine.compile(Circuit(circuit.num_qubits, tuple(gates))), tuple(sources))


def plain_rotations_of(compiled: "CompiledCircuit") -> Rotations:
    """The circuit with plain rotations alone, also for fixed angles; `CompiledCircuit.plain_rotations` keeps it."""
    circuit = compiled.circuit
    if not any(gate.is_rotation and (len(gate.wires) == 2 or gate.value is not None) for gate in circuit):
        return compiled.rotations
    gates: list[Gate] = []
    sources: list[int] = []
    factors: list[float] = []
    fixed: list[float] = []
    for gate in circuit:
        for part, factor in _parts(gate):
            if part.is_rotation:
                source = part.parameter if part.angle is None else circuit.num_parameters + part.angle
                if part.value is not None:
                    source = circuit.num_parameters + circuit.num_angles + len(fixed)
                    fixed.append(part.value)
                assert source is not None, "a rotation has an angle"
                part = Gate(part.kind, part.wires, angle=len(sources))
                sources.append(source)
                factors.append(factor)
            gates.append(part)
    plain = compiled.engine.compile(Circuit(circuit.num_qubits, tuple(gates)))
    return Rotations(plain, tuple(sources), tuple(factors), tuple(fixed))


def _parts(gate: Gate) -> list[tuple[Gate, float]]:
    """A gate as gates that move Paulis, first to last, with the factor of the angle of each.

    A controlled rotation by t is one of t / 2 and one of -t / 2 on its target. Between and behind them the target is
    flipped, or for RX its sign changed, where the control is 1: the second then turns by t / 2 there.
    """
    if not gate.is_rotation or len(gate.wires) == 1:
        return [(gate, 1.0)]
    axis: GateKind = "rx" if gate.kind == "crx" else "ry" if gate.kind == "cry" else "rz"
    rotation = Gate(axis, gate.wires[1:], gate.parameter, gate.angle, gate.value)
    turned = Gate("cz" if axis == "rx" else "cnot", gate.wires)
    return [(rotation, 0.5), (turned, 1.0), (rotation, -0.5), (turned, 1.0)]


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
    rotations = request.compiled.plain_rotations
    if request.noise is not None and len(rotations.compiled.circuit) != len(request.circuit):
        raise ValueError(
            "Pauli errors together with exact noise channels need a circuit without controlled rotations: give one of "
            "the two."
        )
    if not rotations.sources:  # and so neither parameters nor angles
        return Framed(request._replace(errors=None), flips_BW)
    angles_BR = rotations.angles(request)
    angles = (angles_BR * torch.from_numpy(signs_BR).to(angles_BR)).contiguous()
    parameters = request.parameters.new_zeros(0)
    without_errors = request._replace(compiled=rotations.compiled, parameters=parameters, angles=angles, errors=None)
    return Framed(without_errors, flips_BW)


def _signs_and_flips(circuit: Circuit, errors_BG: NDArray[np.uint8]) -> tuple[NDArray[np.int8], NDArray[np.bool_]]:
    """Signs of the plain rotations, +1 or -1, shape (B, R), and flipped wires at the end, shape (B, num_qubits)."""
    batch_size = len(errors_BG)
    x_QB, z_QB = np.zeros((2, circuit.num_qubits, batch_size), dtype=bool)
    signs = []
    for k, gate in enumerate(circuit):
        first, second = gate.wires[0], gate.wires[-1]
        for part, _ in _parts(gate):
            on, at = part.wires[0], part.wires[-1]
            match part.kind:
                case "rx":
                    signs.append(np.where(z_QB[on], -1, 1).astype(np.int8))
                case "ry":
                    signs.append(np.where(x_QB[on] ^ z_QB[on], -1, 1).astype(np.int8))
                case "rz":
                    signs.append(np.where(x_QB[on], -1, 1).astype(np.int8))
                case "h":
                    x_QB[on], z_QB[on] = z_QB[on].copy(), x_QB[on].copy()
                case "cnot":
                    x_QB[at] ^= x_QB[on]
                    z_QB[on] ^= z_QB[at]
                case "cz":
                    z_QB[at] ^= x_QB[on]
                    z_QB[on] ^= x_QB[at]
        error_B = errors_BG[:, k]
        if not error_B.any():
            continue
        x_QB[first] ^= error_B & X_FIRST != 0
        z_QB[first] ^= error_B & Z_FIRST != 0
        if len(gate.wires) == 2:
            x_QB[second] ^= error_B & X_SECOND != 0
            z_QB[second] ^= error_B & Z_SECOND != 0
    signs_BR = np.stack(signs, axis=1) if signs else np.zeros((batch_size, 0), dtype=np.int8)
    return signs_BR, x_QB.T.copy()
