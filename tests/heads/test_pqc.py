import pytest
import torch
from tolerances import ENGINE_ATOL, SHOT_SIGMAS

from qlit.heads import GateNoise, ReuploadingPQC


def pqc(**kwargs):
    torch.manual_seed(0)
    return ReuploadingPQC(4, init_std=1.0, **kwargs)


def angles(batch_size=5):
    return torch.linspace(-2, 2, 4 * batch_size).reshape(batch_size, 4)


@pytest.mark.parametrize("register", ["measured", "full"])
@pytest.mark.parametrize("sampler", ["gaussian", "multinomial"])
def test_shots_scatter_around_the_exact_value(sampler, register):
    exact = pqc(shots=None, measured_wires=[2, 0])(angles()).detach()
    noisy = pqc(shots=10_000, sampler=sampler, register=register, measured_wires=[2, 0])
    with torch.no_grad():
        estimates = torch.stack([noisy(angles()) for _ in range(30)])
    assert (estimates.std(dim=0) <= 2 / 100).all()
    assert estimates.std(dim=0).max() > 1e-3
    assert ((estimates.mean(dim=0) - exact).abs() <= SHOT_SIGMAS / (10_000 * 30) ** 0.5).all()


def test_gradients_pass_through_gaussian_shots():
    noisy, exact = pqc(shots=10**7), pqc(shots=None)
    for module in (noisy, exact):
        module(angles()).sum().backward()
    torch.testing.assert_close(noisy.theta.grad, exact.theta.grad, rtol=0, atol=0.02)


def test_multinomial_is_refused_in_training():
    with pytest.raises(ValueError, match="blocks gradients"):
        pqc(sampler="multinomial")(angles())


def test_a_device_measures_by_itself():
    exact = pqc(shots=None, measured_wires=[2, 0])(angles(30)).detach()
    module = pqc(shots=1000, sampler="device", engine="pennylane:default.qubit,seed=0", measured_wires=[2, 0])
    with torch.no_grad():
        estimates = module(angles(30))
    assert ((estimates - exact).abs() <= SHOT_SIGMAS / 1000**0.5).all()
    assert (estimates - exact).abs().max() > 1e-3
    torch.testing.assert_close(estimates * 500, (estimates * 500).round(), rtol=0, atol=1e-3)  # whole counts


def test_a_device_measures_under_exact_gate_noise():
    noise = GateNoise(0.01, 0.05, training="density_matrix", evaluation="density_matrix")
    exact = pqc(shots=None, noise=noise, num_reuploads=1)(angles(10)).detach()
    engine = "pennylane:default.mixed,seed=0"
    with torch.no_grad():
        device = pqc(shots=None, noise=noise, num_reuploads=1, engine=engine)(angles(10))
        estimates = pqc(shots=1000, sampler="device", noise=noise, num_reuploads=1, engine=engine)(angles(10))
    torch.testing.assert_close(device, exact, rtol=0, atol=ENGINE_ATOL[torch.float32])
    assert ((estimates - exact).abs() <= SHOT_SIGMAS / 1000**0.5).all()
    assert (estimates - exact).abs().max() > 1e-3


def test_training_steps_on_a_device_with_shots_lower_the_loss():
    module = pqc(shots=2000, sampler="device", engine="pennylane:default.qubit,seed=0", num_reuploads=1)
    optimizer = torch.optim.Adam(module.parameters(), lr=0.1)
    losses = []
    for _ in range(8):
        loss = (module(angles()) + 1).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize("register", ["measured", "full"])
def test_seeded_shot_noise_belongs_to_the_rows_of_the_batch(register):
    module = pqc(shots=50, register=register)
    with torch.no_grad():
        module.seed_shots(7, 0, 5)
        whole = module(angles())
        parts = []
        for first, last in ((0, 2), (2, 2), (2, 5)):
            module.seed_shots(7, first, 5)
            parts.append(module(angles()[first:last]))
        unseeded = module(angles())
    torch.testing.assert_close(torch.cat(parts), whole)
    assert not torch.equal(unseeded, whole)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"shots": -1}, "shots=-1"),
        ({"measured_wires": [4]}, r"must lie in 0 .. 3, but got \(4,\)"),
        ({"measured_wires": []}, "must lie in"),
        ({"connectivity": 4}, "connectivity=4"),
        ({"num_reuploads": 0}, "num_reuploads >= 1"),
        ({"sampler": "device"}, "'auto' gives exact results and draws no shots itself"),
        (
            {"sampler": "device", "register": "full", "engine": "pennylane:default.qubit"},
            "leave `register` at measured",
        ),
        ({"engine": "pennylane:ionq.qpu"}, "only estimates from shots: use it for a PQC with `sampler: device`"),
        ({"engine": "pennylane:ionq.qpu", "sampler": "device", "shots": None}, "only estimates from shots"),
        ({"engine": "pennylane:"}, "needs the name of a device"),
        (
            {"sampler": "device", "engine": "pennylane:default.mixed", "noise": GateNoise(0.1, 0.1)},
            "trajectories would multiply the shots",
        ),
    ],
)
def test_numbers_out_of_range_are_refused(kwargs, message):
    with pytest.raises(ValueError, match=message):
        pqc(**kwargs)


ROWS = {
    "gaussian": {"shots": 50},
    "full register": {"shots": 50, "register": "full"},
    "multinomial": {"shots": 50, "sampler": "multinomial"},
    "trajectories": {"shots": None, "noise": GateNoise(0.02, 0.05)},
    "trajectories and shots": {"shots": 50, "noise": GateNoise(0.02, 0.05)},
    "density matrix": {"shots": 50, "noise": GateNoise(0.02, 0.05, evaluation="density_matrix")},
}


@pytest.mark.parametrize("kwargs", ROWS.values(), ids=ROWS)
def test_a_row_with_a_seed_of_its_own_does_not_depend_on_other_rows(kwargs):
    module = pqc(**kwargs).eval()
    seeds, order = [5, 2**63 - 1, 0, 7, 5], [4, 2, 0, 1]

    def estimate(rows):
        module.seed_rows([seeds[row] for row in rows])
        return module(angles()[rows])

    with torch.no_grad():
        whole = estimate([0, 1, 2, 3, 4])
        torch.testing.assert_close(estimate(order), whole[order], rtol=0, atol=1e-12)
        torch.testing.assert_close(estimate([3]), whole[3:4], rtol=0, atol=1e-12)
        seeds[3] = 8
        assert not torch.equal(estimate([3]), whole[3:4])


def test_estimates_by_row_are_unbiased():
    module, exact = pqc(shots=20).eval(), pqc(shots=None).eval()
    row = angles()[:1].repeat(4000, 1)
    with torch.no_grad():
        module.seed_rows(list(range(4000)))
        estimates, (expected,) = module(row), exact(row[:1])
    assert ((estimates.mean(dim=0) - expected).abs() < SHOT_SIGMAS / (20 * 4000) ** 0.5).all()


def test_exact_expectation_values_replace_shots():
    module = pqc(shots=50).eval()
    assert module.randomness == "50 shots"
    module.make_exact()
    assert module.randomness == ""
    torch.testing.assert_close(module(angles()), pqc(shots=None)(angles()), rtol=0, atol=0)
    device = pqc(shots=50, sampler="device", engine="pennylane:default.qubit")
    assert device.randomness == "50 shots without a seed"
    with pytest.raises(ValueError, match="only estimates from shots"):
        pqc(shots=50, sampler="device", engine="pennylane:ionq.qpu").make_exact()
