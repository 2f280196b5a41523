"""Direct steps of Adam have the bits of `optimizer.step()`, and call what hangs on it."""

import pytest
import torch
from torch import nn
from torch.optim.optimizer import register_optimizer_step_pre_hook

from qlit.training.direct_steps import DirectSteps

SIZES = (1, 3, 33, 280)  # with and without a rest after the processor's vectors


def parameters(sizes=SIZES):
    torch.manual_seed(1)
    return [nn.Parameter(torch.randn(size)) for size in sizes]


def set_gradients(given, number):
    generator = torch.Generator().manual_seed(number)
    for parameter in given:
        parameter.grad = torch.randn(parameter.shape, generator=generator)


def pair(make=torch.optim.Adam, sizes=SIZES, **settings):
    """Two equal optimisers, and a function that makes their steps, the first one's directly."""
    ours, theirs = parameters(sizes), parameters(sizes)
    made = [make([{"params": each[:2]}, {"params": each[2:], "lr": 0.1}], **settings) for each in (ours, theirs)]
    direct = DirectSteps(made[0])

    def step(number, without=None):
        for given in (ours, theirs):
            set_gradients(given, number)
            if without is not None:
                given[without].grad = None
        direct.step()
        made[1].step()

    return made, step


def assert_equal(made):
    ours, theirs = (optimizer.state_dict() for optimizer in made)
    assert ours["param_groups"] == theirs["param_groups"]
    for number, state in theirs["state"].items():
        for name, value in state.items():
            assert torch.equal(ours["state"][number][name], value)
    for one, other in zip(*(group for group in map(all_parameters, made)), strict=True):
        assert torch.equal(one, other)


def all_parameters(optimizer):
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


@pytest.mark.parametrize(
    "settings", [{}, {"weight_decay": 0.1}, {"maximize": True, "betas": (0.5, 0.9), "eps": 1e-3}], ids=str
)
def test_steps_have_the_same_bits(settings):
    made, step = pair(fused=True, **settings)
    for number in range(20):
        step(number)
        for optimizer in made:
            optimizer.param_groups[1]["lr"] *= 0.9
    assert_equal(made)


def test_a_step_in_which_a_parameter_has_no_gradient_leaves_it_unchanged():
    made, step = pair(fused=True)
    for number in range(6):
        step(number, without=2 if number == 3 else None)
    assert_equal(made)


@pytest.mark.parametrize(
    ("make", "settings"),
    [
        (torch.optim.Adam, {"fused": True, "amsgrad": True}),
        (torch.optim.Adam, {"fused": False}),
        (torch.optim.SGD, {"lr": 0.1}),
        (torch.optim.AdamW, {"fused": True}),
    ],
    ids=str,
)
def test_other_optimisers_make_their_own_steps(make, settings):
    made, step = pair(make, **settings)
    for number in range(4):
        step(number)
    assert_equal(made)


def test_hooks_and_schedulers_of_an_optimiser_are_called():
    steps = []
    made, step = pair(fused=True)
    made[0].register_step_post_hook(lambda *_: steps.append(0))
    for number in range(3):
        step(number)
    assert len(steps) == 3
    handle = register_optimizer_step_pre_hook(lambda *_: steps.append(1))
    try:
        made, step = pair(fused=True)
        step(0)
        step(1)
    finally:
        handle.remove()
    assert steps.count(1) == 4
    made, step = pair(fused=True)
    schedules = [torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5) for optimizer in made]
    for number in range(3):
        step(number)
        for schedule in schedules:
            schedule.step()  # it would warn if it had not noted a step
    assert_equal(made)
