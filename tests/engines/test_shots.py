import resource

import pytest
import torch
from tolerances import SHOT_SIGMAS

from qlit.engines import shots
from qlit.engines.shots import Shots

REPEATS = 4000


def probabilities(num_wires, seed=0):
    weights = torch.rand(2**num_wires, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return weights / weights.sum()


def signs(num_wires):
    return torch.tensor(
        [[1.0 - 2 * ((v >> (num_wires - 1 - w)) & 1) for w in range(num_wires)] for v in range(2**num_wires)],
        dtype=torch.float64,
    )


@pytest.mark.parametrize("sampler", ["gaussian", "multinomial"])
@pytest.mark.parametrize("num_wires", [1, 3])
def test_mean_and_covariance_are_those_of_counting(sampler, num_wires):
    p = probabilities(num_wires)
    shots = Shots(1000, sampler)
    z = shots.estimate(p.expand(REPEATS, -1), generator=torch.Generator().manual_seed(1))
    exact = p @ signs(num_wires)
    covariance = (signs(num_wires).T @ (torch.diag(p) - torch.outer(p, p)) @ signs(num_wires)) / 1000
    variances = covariance.diagonal()
    assert ((z.mean(dim=0) - exact).abs() <= SHOT_SIGMAS * (variances / REPEATS).sqrt()).all()
    # The sampling error of a (co)variance estimated from n draws is at most sqrt(2 / n) of the variances.
    bound = SHOT_SIGMAS * (2 / REPEATS) ** 0.5 * torch.outer(variances, variances).sqrt()
    assert ((torch.atleast_2d(z.T.cov()) - covariance).abs() <= bound).all()


def test_gaussian_gradients_are_those_of_the_exact_expectation_value():
    p = probabilities(2).expand(3, -1).clone().requires_grad_()
    z = Shots(10**6).estimate(p, generator=torch.Generator().manual_seed(0))
    (gradient,) = torch.autograd.grad(z[:, 0].sum(), p)
    exact = signs(2)[:, 0] - (p @ signs(2))[:, :1]  # of sum(s p) / sum(p) at sum(p) = 1
    torch.testing.assert_close(gradient, exact.detach(), rtol=0, atol=0.01)


def test_estimates_stay_in_range_with_few_shots_and_certain_outcomes():
    p = torch.tensor([[1.0, 0, 0, 0], [0.999, 0.001, 0, 0], [0.25, 0.25, 0.25, 0.25]], requires_grad=True)
    z = Shots(2).estimate(p, generator=torch.Generator().manual_seed(0))
    assert z.detach().abs().max() <= 1 + 1e-6
    z.sum().backward()
    assert p.grad.isfinite().all()
    torch.testing.assert_close(z[0].detach(), torch.ones(2))


def test_rectified_counts_are_biased_where_outcomes_outnumber_shots():
    """Known and documented: over 4,096 outcomes with 64 shots the estimate shrinks towards zero."""
    num_wires = 12
    p = torch.full((2**num_wires,), 0.2 / 2 ** (num_wires - 1), dtype=torch.float64)
    p[: 2 ** (num_wires - 1)] = 0.8 / 2 ** (num_wires - 1)
    z = Shots(64).estimate(p.expand(200, -1), generator=torch.Generator().manual_seed(0))[:, 0]
    assert z.mean() < 0.6 - 0.1
    z = Shots(64, "multinomial").estimate(p.expand(200, -1), generator=torch.Generator().manual_seed(0))[:, 0]
    assert abs(z.mean() - 0.6) < SHOT_SIGMAS * 0.8 / (64 * 200) ** 0.5


def test_no_samples_give_no_estimates():
    for sampler in ("gaussian", "multinomial"):
        assert Shots(5, sampler).estimate(torch.zeros(0, 4)).shape == (0, 2)


def test_portions_draw_what_a_single_call_draws(monkeypatch):
    p = torch.rand(7, 8, generator=torch.Generator().manual_seed(3))
    p /= p.sum(dim=1, keepdim=True)
    for num_shots in (1, 2, 99, 1000, 1001):
        whole = Shots(num_shots, "multinomial").estimate(p, generator=torch.Generator().manual_seed(4))
        monkeypatch.setattr(shots, "_DRAWS_AT_ONCE", 250)
        parts = Shots(num_shots, "multinomial").estimate(p, generator=torch.Generator().manual_seed(4))
        monkeypatch.undo()
        assert torch.equal(whole, parts)
        drawn = torch.multinomial(p, num_shots, replacement=True, generator=torch.Generator().manual_seed(4))
        counts = torch.stack([torch.bincount(row, minlength=8) for row in drawn])
        torch.testing.assert_close(whole, (counts / num_shots).float() @ signs(3).float(), rtol=0, atol=1e-6)


def test_memory_does_not_grow_with_shots():
    """Ten million shots of 4 samples in one call would take 320 MB for the outcomes alone."""
    p = torch.full((4, 2), 0.5)
    Shots(100, "multinomial").estimate(p)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    Shots(10**7, "multinomial").estimate(p)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 150_000  # KiB


def test_counts_beyond_the_integers_of_float32():
    """float32 stops counting at 2**24 = 16,777,216, which made a certain outcome 0.84 of 20 million shots."""
    p = torch.tensor([[0.9, 0.1]])
    z = Shots(20_000_000, "multinomial").estimate(p, generator=torch.Generator().manual_seed(0))
    assert abs(z.item() - 0.8) < SHOT_SIGMAS * 0.6 / 20_000_000**0.5


def test_bad_shots_are_refused():
    with pytest.raises(ValueError, match=r"`shots >= 1` must hold, but got shots=-3"):
        Shots(-3)
    with pytest.raises(ValueError, match="sampler must be"):
        Shots(3, "poisson")
    with pytest.raises(ValueError, match="blocks gradients"):
        Shots(3, "multinomial").estimate(torch.tensor([[0.5, 0.5]], requires_grad=True))
