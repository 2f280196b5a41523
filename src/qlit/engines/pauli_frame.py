"""Pauli errors after the gates of a circuit: as data, and as nothing but signs of angles.

An error is never applied to amplitudes. RY(t) P = P RY(-t) for P = X or Z, and a CNOT maps Paulis to Paulis, so every
error can be moved behind the last gate: on its way it turns the signs of angles, and there an X flips the outcome of
its wire while a Z does nothing. Global signs are dropped: no probability depends on one. Every engine that takes input
angles can so run errors that differ from sample to sample.

Shapes: B batch, A input angles, P parameters, G gates, R rotations, W measured wires.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qlit.circuits import Circuit, Gate
from qlit.engines.pauli_errors import X_FIRST, X_SECOND, Z_FIRST, Z_SECOND
from qlit.engines.request import Run


class Framed(NamedTuple):
    """A run without errors, and what is left of them at its end.

    Args:
        run: The same circuit with every rotation reading an input angle of its own.
        flips: Whether the outcome of a measured wire is flipped, bool, shape (B, W).
    """

    run: Run
    flips: Tensor

    def expectation(self, values_BW: Tensor) -> Tensor:
        """Expectation values of the run with errors, from those without."""
        return torch.where(self.flips, -values_BW, values_BW)

    def probabilities(self, values_BV: Tensor) -> Tensor:
        """Probabilities of joint outcomes of the run with errors, from those without."""
        num_wires = self.flips.shape[1]
        weights = 2 ** torch.arange(num_wires - 1, -1, -1, device=values_BV.device)
        flipped_B1 = (self.flips * weights).sum(dim=1, keepdim=True)
        outcomes_V = torch.arange(values_BV.shape[1], device=values_BV.device)
        return values_BV.gather(1, outcomes_V ^ flipped_B1)


def as_signs(run: Run) -> Framed:
    """The run with its errors moved behind the last gate."""
    assert run.errors is not None, "who has no errors needs no frame"
    signs_BR, flips_BQ = _signs_and_flips(run.circuit, run.errors.numpy())
    flips_BW = torch.from_numpy(flips_BQ)[:, list(run.wires)].to(run.parameters.device)
    circuit, sources = each_rotation_its_own(run.circuit)
    if not sources:  # and so neither parameters nor angles
        return Framed(run._replace(errors=None), flips_BW)
    angles_BR = angles_of_rotations(run, sources)
    angles = (angles_BR * torch.from_numpy(signs_BR).to(angles_BR)).contiguous()
    parameters = run.parameters.new_zeros(0)
    return Framed(run._replace(circuit=circuit, parameters=parameters, angles=angles, errors=None), flips_BW)


@lru_cache(maxsize=64)
def each_rotation_its_own(circuit: Circuit) -> tuple[Circuit, tuple[int, ...]]:
    """The circuit with an input angle for every rotation, and which of parameters, then angles, each of them is."""
    gates: list[Gate] = []
    sources: list[int] = []
    for gate in circuit:
        if gate.kind == "ry":
            source = gate.parameter if gate.angle is None else circuit.num_parameters + gate.angle
            assert source is not None, "an RY reads a parameter or an angle"
            gate = Gate("ry", gate.wires, angle=len(sources))
            sources.append(source)
        gates.append(gate)
    return Circuit(circuit.num_qubits, tuple(gates)), tuple(sources)


def angles_of_rotations(run: Run, sources: tuple[int, ...]) -> Tensor:
    """What each rotation turns by, radians, shape (B, R); `sources` as of `each_rotation_its_own`."""
    given = run.parameters.expand(run.batch_size, -1)
    if run.angles is not None:
        given = torch.cat((given, run.angles), dim=1)
    return given[:, list(sources)]


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
