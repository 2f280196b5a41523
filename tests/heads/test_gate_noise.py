import pytest
import torch

from qlit.engines import DensityMatrixEngine, engine_by_name
from qlit.heads import GateNoise, ReuploadingPQC
from qlit.heads.gate_noise import NO_NOISE

LOUD = {"p1": 0.01, "p2": 0.05}


def pqc(noise=NO_NOISE, **kwargs):
    torch.manual_seed(0)
    return ReuploadingPQC(4, init_std=1.0, noise=noise, **({"shots": None} | kwargs)).double()


def angles(batch_size=5):
    values = torch.linspace(-2, 2, 4 * batch_size, dtype=torch.float64).reshape(batch_size, 4)
    return values.requires_grad_()


def value_and_gradients(module, batch_size=5):
    inputs = angles(batch_size)
    value = module(inputs)
    return value.detach(), *torch.autograd.grad(value.sum(), [module.theta, inputs])


def test_every_method_means_the_same_channel():
    exact = value_and_gradients(pqc(GateNoise(**LOUD, training="density_matrix")))
    for method, repeats in (("trajectories", 100), ("injection", 2000)):
        module = pqc(GateNoise(**LOUD, training=method))
        found = [torch.stack(each) for each in zip(*(value_and_gradients(module) for _ in range(repeats)), strict=True)]
        for ours, theirs in zip(found, exact, strict=True):
            tolerance = 5 * ours.std(dim=0) / repeats**0.5 + 1e-9
            assert ((ours.mean(dim=0) - theirs).abs() <= tolerance).all()


def test_injection_draws_one_pattern_for_the_whole_batch():
    """A batch of equal rows stays one of equal rows, and another step has another pattern."""
    module = pqc(GateNoise(**LOUD, training="injection"))
    rows = angles(1).detach().repeat(6, 1)
    values = torch.cat([module(rows).detach().T for _ in range(20)])
    assert (values == values[:, :1]).all()
    assert len(values[:, 0].unique()) > 5


def test_training_and_evaluation_are_switched_separately():
    ideal = pqc()(angles()).detach()
    for training in (True, False):
        module = pqc(GateNoise(**LOUD, training="trajectories" if training else "none", evaluation="none"))
        noisy = pqc(GateNoise(**LOUD, training="none", evaluation="none" if training else "trajectories"))
        assert (not torch.equal(module.train()(angles()), ideal)) == training
        assert torch.equal(module.eval()(angles()), ideal)
        assert torch.equal(noisy.train()(angles()), ideal)
        assert torch.equal(noisy.eval()(angles()), ideal) == training


def test_seeded_errors_belong_to_the_rows_of_the_batch():
    module = pqc(GateNoise(**LOUD), shots=50)
    with torch.no_grad():
        module.seed_shots(7, 0, 5)
        whole = module(angles())
        parts = []
        for first, last in ((0, 2), (2, 2), (2, 5)):
            module.seed_shots(7, first, 5)
            parts.append(module(angles()[first:last]))
        module.seed_shots(8, 0, 5)
        other = module(angles())
    torch.testing.assert_close(torch.cat(parts), whole, rtol=0, atol=1e-12)
    assert not torch.equal(other, whole)


@pytest.mark.parametrize("sampler", ["gaussian", "multinomial"])
def test_shots_come_on_top_of_the_noisy_probabilities(sampler):
    """Mean and variance of counting S shots of the noisy circuit: 1 - <Z>^2 over S with the exact, noisy <Z>."""
    noise = GateNoise(**LOUD, evaluation="density_matrix")
    exact = pqc(noise).eval()(angles(10)).detach().flatten()
    module = pqc(noise, shots=200, sampler=sampler).eval()
    with torch.no_grad():
        estimates = module(angles(10).repeat(400, 1)).reshape(400, 10)
    variance = (1 - exact**2) / 200
    assert ((estimates.mean(dim=0) - exact).abs() <= 5 * (variance / 400).sqrt()).all()
    # The variance of a sample variance of n nearly normal numbers is 2 / n of its square.
    ratio = estimates.var(dim=0) / variance
    assert ratio.mean().item() == pytest.approx(1, abs=5 * (2 / 400 / 10) ** 0.5)


def test_a_density_matrix_needs_an_engine_that_has_one():
    noise = GateNoise(**LOUD, evaluation="density_matrix")
    assert isinstance(pqc(noise, engine="auto").engine, DensityMatrixEngine)
    assert isinstance(pqc(noise, engine="density_matrix").engine, DensityMatrixEngine)
    with pytest.raises(ValueError, match=r"Engine 'torch' has no density matrix. Take `engine: density_matrix`"):
        pqc(noise, engine="torch")
    assert pqc(GateNoise(**LOUD), engine="torch").engine.name == "torch"


def test_density_matrices_too_wide_are_refused_at_once():
    noise = GateNoise(**LOUD, evaluation="density_matrix")
    with pytest.raises(ValueError, match="at most 12 qubits, but this one has 13"):
        ReuploadingPQC(13, noise=noise)
    assert engine_by_name("density_matrix").capabilities.max_qubits == 12


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"p1": 1.5}, r"lies in 0 \.\. 1, but got p1=1.5"),
        ({"p2": -0.1}, r"lies in 0 \.\. 1, but got p2=-0.1"),
        ({"training": "kraus"}, "but got training='kraus'"),
        ({"evaluation": "injection"}, "one of trajectories, density_matrix, none, but got evaluation='injection'"),
        ({"num_trajectories": 0}, "num_trajectories=0"),
        ({"num_evaluation_trajectories": -3}, "num_evaluation_trajectories=-3"),
    ],
)
def test_what_makes_no_sense_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        GateNoise(**(LOUD | change))


def test_exact_outputs_of_a_noisy_circuit_are_those_of_its_density_matrix():
    noisy = pqc(GateNoise(**LOUD), shots=50).eval()
    assert noisy.randomness == "16 noise trajectories and 50 shots"
    noisy.make_exact()
    assert noisy.randomness == ""
    exact = pqc(GateNoise(**LOUD, evaluation="density_matrix")).eval()
    with torch.no_grad():
        torch.testing.assert_close(noisy(angles()), exact(angles()), rtol=0, atol=1e-10)


def test_a_noisy_circuit_on_an_engine_without_density_matrix_is_not_exact():
    module = pqc(GateNoise(**LOUD), engine="torch").eval()
    with pytest.raises(ValueError, match="Engine 'torch' has no density matrix"):
        module.make_exact()
    assert module.randomness == "16 noise trajectories"
