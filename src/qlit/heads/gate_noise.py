"""Gate noise of a PQC: error rates and the simulation method in training and in evaluation."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor

from qlit.circuits import DepolarizingNoise
from qlit.engines import DensityMatrixEngine, Engine
from qlit.engines.pauli_errors import PauliErrors
from qlit.engines.trajectories import mean_over_trajectories

MAX_TRAJECTORIES = 100_000
Training = Literal["trajectories", "injection", "density_matrix", "none"]
Evaluation = Literal["trajectories", "density_matrix", "none"]


@dataclass(frozen=True)
class GateNoise:
    """A depolarising channel after every gate of a PQC; see `DepolarizingNoise` for the meaning of p1 and p2.

    All three methods simulate the same channel. `trajectories` is an unbiased estimate from random Pauli errors: the
    exact error-free trajectory and some trajectories with errors for every sample. `density_matrix` is exact, for few
    qubits. `injection` draws one Pauli pattern per step for the whole batch: noise-aware training as published.

    Args:
        p1: Error probability of a one-qubit gate, in [0, 1].
        p2: Error probability of a two-qubit gate, in [0, 1].
        training: How noise is simulated in training: trajectories, injection or density_matrix; none for no noise.
        evaluation: How noise is simulated in validation, test and prediction: trajectories or density_matrix; none for
            no noise.
        num_trajectories: Trajectories with errors per sample in training, at least 1. At the paper's rates, the
            variance with two is far below that of 8192 shots.
        num_evaluation_trajectories: The same in evaluation.

    Raises:
        ValueError: If a number is out of range or a method unknown.
    Source: arXiv:2504.08732, sec. IV.D, Fig. 11, Table XV; injection arXiv:2110.11331.
    """

    p1: float = 0.0
    p2: float = 0.0
    training: Training = "trajectories"
    evaluation: Evaluation = "trajectories"
    num_trajectories: int = 2
    num_evaluation_trajectories: int = 16

    def __post_init__(self) -> None:
        _ = self.channel  # checks the probabilities
        if self.training not in get_args(Training):
            raise ValueError(
                f"Noise in training is simulated by one of {', '.join(get_args(Training))}, but got "
                f"training={self.training!r}."
            )
        if self.evaluation not in get_args(Evaluation):
            raise ValueError(
                f"Noise in evaluation is simulated by one of {', '.join(get_args(Evaluation))}, but got "
                f"evaluation={self.evaluation!r}."
            )
        for name in ("num_trajectories", "num_evaluation_trajectories"):
            if not 1 <= getattr(self, name) <= MAX_TRAJECTORIES:
                raise ValueError(
                    f"`1 <= {name} <= {MAX_TRAJECTORIES:,}` must hold, but got {name}={getattr(self, name)}."
                )

    @property
    def channel(self) -> DepolarizingNoise:
        """The channel with these error rates."""
        return DepolarizingNoise(self.p1, self.p2)

    def method(self, *, training: bool) -> Training:
        """Simulation method in training or evaluation; none without errors."""
        if self.p1 == self.p2 == 0:
            return "none"
        return self.training if training else self.evaluation

    def engine(self, engine: Engine) -> Engine:
        """The engine that can simulate this noise: `engine`, or for a density matrix its engine in place of auto.

        Raises:
            ValueError: If the engine has no density matrix.
        """
        methods = [self.method(training=training) for training in (True, False)]
        if "density_matrix" not in methods or engine.capabilities.channels:
            return engine
        if engine.name != "auto":
            raise ValueError(
                f"Engine {engine.name!r} has no density matrix. Take `engine: density_matrix` or `engine: auto`, or "
                "noise by `trajectories`."
            )
        return DensityMatrixEngine()

    def runs(self, *, training: bool) -> int:
        """Number of circuit runs per sample."""
        return 1 + self._count(training=training) if self.method(training=training) == "trajectories" else 1

    def _count(self, *, training: bool) -> int:
        return self.num_trajectories if training else self.num_evaluation_trajectories

    def apply(
        self,
        compute: Callable[..., Tensor],
        source: PauliErrors,
        parameters: Tensor,
        *,
        training: bool,
        rng: np.random.Generator,
        rows: tuple[int, int] | None,
        angles: Tensor,
        **options: Any,
    ) -> Tensor:
        """Result of a noisy circuit, by the method of training or evaluation.

        Args:
            compute: `expectation` or `probabilities` of a compiled circuit.
            source: Random errors of that circuit with this noise.
            parameters: Radians, shape (P,).
            training: Whether this is training.
            rng: Source of randomness.
            rows: (first, all) if the samples are a part of a batch; see `mean_over_trajectories`.
            angles: Radians, shape (B, A).
            options: Passed to `compute`.
        """
        method = self.method(training=training)
        if method == "trajectories":
            return mean_over_trajectories(
                compute,
                source,
                parameters,
                num_trajectories=self._count(training=training),
                rng=rng,
                rows=rows,
                angles=angles,
                **options,
            )
        if method == "density_matrix":
            options["noise"] = self.channel
        elif method == "injection":
            pattern_1G = torch.from_numpy(source.drawn(1, rng))
            options["errors"] = pattern_1G.repeat(len(angles), 1)
        return compute(parameters, angles=angles, **options)


NO_NOISE = GateNoise()
