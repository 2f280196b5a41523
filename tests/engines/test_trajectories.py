import math

import numpy as np
import pytest
import torch
from engines.cases import random_inputs
from tolerances import SHOT_SIGMAS

from qlit.circuits import Circuit, DepolarizingNoise, cnot, encoder_circuit, reuploading_circuit, ry
from qlit.engines import DensityMatrixEngine, NativeEngine, TorchEngine, trajectories
from qlit.engines.pauli_errors import PauliErrors
from qlit.engines.trajectories import mean_over_trajectories

CIRCUIT = Circuit(3, (ry(0, parameter=0), cnot(0, 1), ry(1, parameter=1), cnot(1, 2), ry(2, parameter=0)))
NOISE = DepolarizingNoise(0.1, 0.3)
both_engines = pytest.mark.parametrize("engine", [TorchEngine(), NativeEngine()], ids=lambda engine: engine.name)


def scattered(engine, circuit, inputs, noise, *, repeats, seed, **options):
    """Values and gradients of many independent estimates, each shape (repeats, ..)."""
    rng, found = np.random.default_rng(seed), []
    for _ in range(repeats):
        values = mean_over_trajectories(
            engine.compile(circuit).expectation,
            PauliErrors(circuit, noise),
            inputs.parameters,
            rng=rng,
            angles=inputs.angles,
            state=inputs.state,
            wires=[0],
            **options,
        )
        found.append((values.detach(), *torch.autograd.grad(values.sum(), inputs.leaves)))
    return [torch.stack(each) for each in zip(*found, strict=True)]


@both_engines
@pytest.mark.parametrize("exact_start", [True, False], ids=["improved", "plain"])
@pytest.mark.parametrize(
    "circuit",
    [
        reuploading_circuit(4, 2, 1, 1, 1),
        reuploading_circuit(6, 2, 1, 1, 1),
        encoder_circuit(5, connectivity=2, num_layers=1),
    ],
    ids=["PQC of 4", "PQC of 6", "encoder of 5"],
)
def test_values_and_gradients_are_those_of_the_density_matrix(engine, circuit, exact_start):
    inputs = random_inputs(circuit, 2, dtype=torch.float64, with_state=circuit.num_angles == 0)
    noise = DepolarizingNoise(1e-2, 4e-2)
    options = {"angles": inputs.angles, "state": inputs.state, "wires": [0]}
    exact = DensityMatrixEngine().expectation(circuit, inputs.parameters, noise=noise, **options)
    expected = (exact.detach(), *torch.autograd.grad(exact.sum(), inputs.leaves))
    ideal = engine.expectation(circuit, inputs.parameters, **options).detach()
    found = scattered(engine, circuit, inputs, noise, repeats=60, seed=5, num_trajectories=8, exact_start=exact_start)
    for ours, theirs in zip(found, expected, strict=True):
        deviation = ours.std(dim=0) / math.sqrt(len(ours))
        assert ((ours.mean(dim=0) - theirs).abs() <= SHOT_SIGMAS * deviation + 1e-6).all()
    # Without noise the same test would fail: the noise is visible at this precision.
    deviation = found[0].std(dim=0) / math.sqrt(len(found[0]))
    assert ((ideal - expected[0]).abs() > SHOT_SIGMAS * deviation).any()


def test_the_improved_estimator_scatters_far_less_than_plain_sampling():
    circuit, noise = reuploading_circuit(6, 4, 2, 1, 1), DepolarizingNoise(1e-4, 1e-3)
    inputs = random_inputs(circuit, 4, dtype=torch.float64, with_state=False)
    variances = []
    for exact_start, num_trajectories in ((True, 4), (False, 5)):  # five runs of the circuit either way
        (values, *_) = scattered(
            NativeEngine(),
            circuit,
            inputs,
            noise,
            repeats=300,
            seed=6,
            num_trajectories=num_trajectories,
            exact_start=exact_start,
        )
        variances.append(values.var(dim=0).mean().item())
    assert variances[0] < variances[1] / 5


@both_engines
def test_a_part_of_a_batch_has_the_errors_it_has_in_the_whole(engine):
    circuit = reuploading_circuit(4, 2, 1, 1, 1)
    inputs = random_inputs(circuit, 5, dtype=torch.float64, with_state=False)

    def estimate(first, last):
        return mean_over_trajectories(
            engine.compile(circuit).expectation,
            PauliErrors(circuit, NOISE),
            inputs.parameters,
            num_trajectories=3,
            rng=np.random.default_rng(7),
            rows=(first, 5),
            angles=inputs.angles[first:last],
        )

    parts = torch.cat([estimate(0, 2), estimate(2, 2), estimate(2, 5)])
    torch.testing.assert_close(parts, estimate(0, 5), rtol=0, atol=1e-12)


def test_evaluation_in_parts_gives_the_same(monkeypatch):
    circuit = reuploading_circuit(4, 2, 1, 1, 1)
    inputs = random_inputs(circuit, 5, dtype=torch.float64, with_state=False)
    found = []
    for at_once in (2**26, 5 * 2**4 * 2, 1):
        monkeypatch.setattr(trajectories, "_AMPLITUDES_AT_ONCE", at_once)
        with torch.no_grad():
            found.append(
                mean_over_trajectories(
                    TorchEngine().compile(circuit).probabilities,
                    PauliErrors(circuit, NOISE),
                    inputs.parameters,
                    num_trajectories=6,
                    rng=np.random.default_rng(8),
                    angles=inputs.angles,
                )
            )
    assert found[0].shape == (5, 16)
    torch.testing.assert_close(found[0].sum(dim=1), torch.ones(5, dtype=torch.float64))
    for each in found[1:]:
        torch.testing.assert_close(each, found[0], rtol=0, atol=1e-12)


@pytest.mark.parametrize("exact_start", [True, False])
@pytest.mark.parametrize("num_drawn", [1, 25, 70])  # trajectories at once: less than one sample's, one's, and two's
def test_errors_drawn_in_portions_have_the_same_mean(monkeypatch, num_drawn, exact_start):
    circuit = reuploading_circuit(4, 1, 1, 1, 1)
    inputs = random_inputs(circuit, 5, dtype=torch.float64, with_state=False)
    num_trajectories, repeats = 30, 40
    monkeypatch.setattr(trajectories, "_ERRORS_AT_ONCE", num_drawn * len(circuit))

    def estimate(seed, first=0, last=5):
        return mean_over_trajectories(
            NativeEngine().compile(circuit).expectation,
            PauliErrors(circuit, NOISE),
            inputs.parameters,
            num_trajectories=num_trajectories,
            rng=np.random.default_rng(seed),
            rows=(first, 5),
            angles=inputs.angles[first:last],
            exact_start=exact_start,
        )

    with torch.no_grad():
        exact = DensityMatrixEngine().expectation(circuit, inputs.parameters, angles=inputs.angles, noise=NOISE)
        found = torch.stack([estimate(seed) for seed in range(repeats)])
        parts = torch.cat([estimate(3, 0, 2), estimate(3, 2, 2), estimate(3, 2, 5)])
    torch.testing.assert_close(parts, found[3], rtol=0, atol=1e-12)
    scatter = found.std(dim=0) / repeats**0.5
    assert ((found.mean(dim=0) - exact).abs() <= SHOT_SIGMAS * scatter + 1e-12).all()


def test_without_errors_the_circuit_runs_once_and_exactly():
    circuit = reuploading_circuit(4, 2, 1, 1, 1)
    inputs = random_inputs(circuit, 3, dtype=torch.float64, with_state=False)
    rng = np.random.default_rng(9)
    noisy = mean_over_trajectories(
        NativeEngine().compile(circuit).expectation,
        PauliErrors(circuit, DepolarizingNoise(0, 0)),
        inputs.parameters,
        num_trajectories=3,
        rng=rng,
        angles=inputs.angles,
    )
    assert torch.equal(noisy, NativeEngine().expectation(circuit, inputs.parameters, angles=inputs.angles))
    with pytest.raises(ValueError, match="no trajectory with an error"):
        PauliErrors(circuit, DepolarizingNoise(0, 0)).at_least_one(1, 1, rng)


def test_no_trajectories_are_refused():
    with pytest.raises(ValueError, match="num_trajectories=0"):
        mean_over_trajectories(
            NativeEngine().compile(CIRCUIT).expectation,
            PauliErrors(CIRCUIT, NOISE),
            torch.zeros(2),
            num_trajectories=0,
            rng=np.random.default_rng(0),
        )
