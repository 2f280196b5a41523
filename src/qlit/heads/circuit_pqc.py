"""PQCs that run a circuit of qlit on an engine, with shots and gate noise.

Shapes: B batch, Q qubits, W measured wires.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from qlit.circuits import Circuit
from qlit.engines import CircuitAngles, engine_by_name
from qlit.engines.pauli_errors import PauliErrors
from qlit.engines.shots import Sampler, Shots
from qlit.heads.base import check_finite
from qlit.heads.gate_noise import GateNoise
from qlit.heads.runs_circuit import RunsCircuit

_ERRORS = 1  # separates the random numbers of errors from those of shots, which share a seed


class _Seeded(NamedTuple):
    """Rows of the batch that the next call's randomness belongs to."""

    seed: int
    first_row: int
    num_rows: int


_Seeds = _Seeded | list[int] | Tensor | None  # of a batch, one per row, or its normal numbers


@dataclass
class _Next:
    """Randomness of the next call; in an object of its own, because a module takes long to set its attributes."""

    seeded: _Seeds = None


class CircuitPQC(RunsCircuit, nn.Module):
    """A PQC that runs one circuit on an engine: Z on the measured wires, exact or from finite shots.

    Subclasses choose the circuit; `ReuploadingPQC` describes the other arguments. `measured_wires: auto` measures the
    first wire until `measure_for` is called.
    """

    def __init__(
        self,
        circuit: Circuit,
        *,
        shots: int | None,
        sampler: Sampler,
        register: Literal["measured", "full"],
        measured_wires: Sequence[int] | Literal["auto"],
        noise: GateNoise,
        init_std: float,
        engine: str,
    ) -> None:
        super().__init__()
        check_finite("init_std", init_std, least=0)
        self.num_qubits = circuit.num_qubits
        self.shots = None if shots is None else Shots(shots, sampler)
        self.measures_auto = measured_wires == "auto"
        self._register = register
        self._measure((0,) if isinstance(measured_wires, str) else tuple(measured_wires))
        self.noise = noise
        self._pauli_errors: PauliErrors | None = None
        self.compiled = noise.engine(engine_by_name(engine)).compile(circuit)
        if sampler == "device" and register == "full":
            raise ValueError("With `sampler: device` the device measures by itself: leave `register` at measured.")
        if sampler == "device" and "trajectories" in (noise.method(training=t) for t in (True, False)):
            raise ValueError(
                "With `sampler: device` trajectories would multiply the shots: a QPU has its own noise, a simulator "
                "takes `training` and `evaluation: density_matrix` (engine pennylane:default.mixed)."
            )
        self.engine.check_shots(shots if sampler == "device" else None)
        self.theta = nn.Parameter(init_std * torch.randn(self.circuit.num_parameters))
        self._next = _Next()

    def _measure(self, wires: tuple[int, ...]) -> None:
        if not wires or not set(wires) <= set(range(self.num_qubits)):
            raise ValueError(f"Measured wires must lie in 0 .. {self.num_qubits - 1}, but got {wires}.")
        self.measured_wires = wires
        self._sampled_wires = tuple(range(self.num_qubits)) if self._register == "full" else wires

    @property
    def num_outputs(self) -> int:
        """W, number of measured wires."""
        return len(self.measured_wires)

    @property
    def measured(self) -> str:
        """The measured wires as text, such as "0, 1, 2 (auto: one per logit)"."""
        return ", ".join(map(str, self.measured_wires)) + " (auto: one per logit)" * self.measures_auto

    def measure_for(self, num_logits: int) -> None:
        """Measure one wire per logit, wires 0, 1, .., if `measured_wires` is auto.

        Raises:
            ValueError: If there are fewer qubits than logits.
        """
        if not self.measures_auto:
            return
        if num_logits > self.num_qubits:
            raise ValueError(
                f"`measured_wires: auto` measures one wire for each of {num_logits} classes, but the PQC has "
                f"num_qubits={self.num_qubits}: raise `num_qubits` to {num_logits}, or list fewer wires in "
                "`measured_wires`."
            )
        self._measure(tuple(range(num_logits)))

    def forward(self, angles: Tensor | Sequence[CircuitAngles]) -> Tensor:
        """<Z> of the measured wires, shape (B, W), for angles in radians, shape (B, Q), or their circuits."""
        seeded, self._next.seeded = self._next.seeded, None
        if self.shots is None:
            return self._run(self.compiled.expectation, angles, self.measured_wires, seeded)
        if self.shots.sampler == "device":
            measure = partial(self.compiled.expectation, shots=self.shots.num_shots)
            return self._run(measure, angles, self.measured_wires, seeded)
        probabilities_BV = self._run(self.compiled.probabilities, angles, self._sampled_wires, seeded)
        estimates = self._estimates(self.shots, probabilities_BV, seeded)
        if self._sampled_wires == self.measured_wires:
            return estimates
        by_wire = estimates.unbind(dim=1)  # indices would be copied to a GPU in every step
        return torch.stack([by_wire[wire] for wire in self.measured_wires], dim=1)

    def seed_shots(self, seed: int, first_row: int, num_rows: int) -> None:
        """Fix the shots and errors of the next call as those of rows `first_row`, .. of a batch of `num_rows`.

        A resumed run and a batch that is split over processes then draw the same noise as an undisturbed run. A device
        that measures by itself has no seed.
        """
        self._next.seeded = _Seeded(seed, first_row, num_rows)

    def is_replayable(self, device_type: str) -> bool:
        """As `Head.is_replayable`: gate noise, and shots other than Gaussian ones, draw numbers on the host."""
        if self.noise.method(training=True) != "none" or (self.shots is not None and self.shots.sampler != "gaussian"):
            return False
        return self.engine.taken_on(device_type, self.circuit).capabilities.replayable

    def normals(self, seed: int, num_rows: int) -> Tensor | None:
        """As `Head.normals`; V = 2**W for W sampled wires."""
        if self.shots is None or self.shots.sampler != "gaussian":
            return None
        return _normal(num_rows, 2 ** len(self._sampled_wires), seed)

    def use_normals(self, normals_BV: Tensor) -> None:
        """As `Head.use_normals`."""
        self._next.seeded = normals_BV

    def seed_rows(self, seeds: Sequence[int]) -> None:
        """Fix the shots and errors of the next call row by row: those of row k depend on `seeds[k]` alone.

        A device that measures by itself has no seed.
        """
        self._next.seeded = list(seeds)

    @property
    def randomness(self) -> str:
        """What random draws <Z> in evaluation is estimated from; "" if it is exact."""
        parts = []
        if self.noise.method(training=False) == "trajectories":
            parts.append(f"{self.noise.num_evaluation_trajectories:,} noise trajectories")
        if self.shots is not None:
            parts.append(f"{self.shots.num_shots:,} shots{' without a seed' * (self.shots.sampler == 'device')}")
        return " and ".join(parts)

    def make_exact(self) -> None:
        """Compute <Z> in evaluation exactly from now on: no shots, and gate noise by density matrices.

        Raises:
            ValueError: If the engine gives no exact results, or has no density matrix for its gate noise.
        """
        self.engine.check_shots(None)
        if self.noise.method(training=False) == "trajectories":
            noise = replace(self.noise, evaluation="density_matrix")
            self.engine, self.noise = noise.engine(self.engine), noise
        self.shots = None

    def _run(
        self,
        compute: Callable[..., Tensor],
        angles: Tensor | Sequence[CircuitAngles],
        wires: tuple[int, ...],
        seeded: _Seeds,
    ) -> Tensor:
        """Result of an engine for the circuit, with gate noise if there is any."""
        if isinstance(angles, Tensor):
            angles = angles.contiguous()
        method = self.noise.method(training=self.training)
        if method == "none":
            return compute(self.theta, angles=angles, wires=wires)
        if not isinstance(angles, Tensor):
            angles = self._measured(angles)
        if isinstance(seeded, list) and method != "density_matrix":
            batches = [(angles[k : k + 1], _Seeded(seed, 0, 1)) for k, seed in enumerate(seeded)]
            return torch.cat([self._run(compute, row, wires, of_row) for row, of_row in batches])
        if not isinstance(seeded, _Seeded):
            rng, rows = np.random.default_rng(int(torch.randint(2**62, ()))), None
        else:
            rng, rows = np.random.default_rng((seeded.seed, _ERRORS)), (seeded.first_row, seeded.num_rows)
        return self.noise.apply(
            compute,
            self._source_of_errors(),
            self.theta,
            training=self.training,
            rng=rng,
            rows=rows,
            angles=angles,
            wires=wires,
        )

    def _source_of_errors(self) -> PauliErrors:
        """Random errors of the circuit, kept until circuit or error rates change."""
        source, circuit, channel = self._pauli_errors, self.circuit, self.noise.channel
        if source is None or source.circuit is not circuit or source.noise != channel:
            source = self._pauli_errors = PauliErrors(circuit, channel)
        return source

    def _measured(self, encoders: Sequence[CircuitAngles]) -> Tensor:
        """Angles measured by the encoders, radians, shape (B, Q), without gate noise, which applies only to the PQC."""
        angles = [
            given.scale
            * given.compiled_for(self.engine).expectation(given.parameters, state=given.state, wires=given.wires)
            for given in encoders
        ]
        return torch.cat(angles, dim=1)

    def _estimates(self, shots: Shots, probabilities_BV: Tensor, seeded: _Seeds) -> Tensor:
        """<Z> of the sampled wires, shape (B, W), estimated with the seed of the batch, or those of its rows."""
        if isinstance(seeded, list) and shots.sampler == "multinomial":
            rows = [(probabilities_BV[k : k + 1], _Seeded(seed, 0, 1)) for k, seed in enumerate(seeded)]
            return torch.cat([self._estimates(shots, row, of_row) for row, of_row in rows])
        generator, noise_BV = None, None
        # Normal numbers are drawn on the CPU whatever the device, so that a seed means the same numbers everywhere.
        if isinstance(seeded, list):
            noise_BV = torch.cat([_normal(1, probabilities_BV.shape[1], seed) for seed in seeded])
        elif isinstance(seeded, Tensor):
            noise_BV = seeded
        elif seeded is not None and shots.sampler == "multinomial":
            generator = torch.Generator(probabilities_BV.device).manual_seed(seeded.seed + seeded.first_row)
        elif seeded is not None:
            noise_BV = _normal(seeded.num_rows, probabilities_BV.shape[1], seeded.seed)[seeded.first_row :]
            noise_BV = noise_BV[: len(probabilities_BV)]
        if noise_BV is not None:
            noise_BV = noise_BV.to(probabilities_BV)
        return shots.estimate(probabilities_BV, generator=generator, noise_BV=noise_BV)


def _normal(num_rows: int, num_outcomes: int, seed: int) -> Tensor:
    """Standard normal numbers, float64, shape (num_rows, num_outcomes)."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(num_rows, num_outcomes, generator=generator, dtype=torch.float64)
