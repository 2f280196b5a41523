import math

import pytest
import torch
from tolerances import DENSE_ATOL

from qlit.engines.parameter_shift import measured, num_shifted, shift_rule


def evaluate(angles_VR, rows_V):
    """Two values of three rotations that depend on the sample: of the form a + b cos t + c sin t in every angle."""
    first, second, third = angles_VR.unbind(1)
    scale = 1.0 + rows_V
    return torch.stack((scale * first.cos() * second.sin() * third.cos(), first.sin() + scale * third.sin()), dim=1)


def angles():
    return torch.linspace(-4, 5, 12, dtype=torch.float64).reshape(4, 3).requires_grad_()


@pytest.mark.parametrize("most_at_once", [1, 8, 16, 1000])
def test_gradients_are_those_of_autograd_whatever_the_size_of_a_job(most_at_once):
    weights = torch.tensor([0.3, -2.0], dtype=torch.float64)
    exact = angles()
    (evaluate(exact, torch.arange(4)) * weights).sum().backward()
    jobs = []

    def counted(angles_VR, rows_V):
        jobs.append(len(rows_V))
        return evaluate(angles_VR, rows_V)

    shifted = angles()
    values = measured(shifted, counted, lambda x, by: shift_rule(x, by, [0, 1, 2], counted, most_at_once=most_at_once))
    assert jobs == [4]
    (values * weights).sum().backward()
    torch.testing.assert_close(shifted.grad, exact.grad, rtol=0, atol=DENSE_ATOL)
    assert sum(jobs) == 4 * (1 + num_shifted(3))
    assert max(jobs) <= max(most_at_once, 8)  # one rotation of four samples at least


def test_only_wanted_rotations_are_shifted():
    x = angles().detach()
    by = torch.ones(4, 2, dtype=torch.float64)
    everything = shift_rule(x, by, [0, 1, 2], evaluate, most_at_once=1000)
    some = shift_rule(x, by, [2], evaluate, most_at_once=1000)
    torch.testing.assert_close(some[:, 2], everything[:, 2])
    assert not some[:, :2].any()
    assert not shift_rule(x, by, [], evaluate, most_at_once=1000).any()


def test_shifts_are_quarter_turns():
    seen = []
    x = torch.zeros(1, 2, dtype=torch.float64)

    def kept(angles_VR, _):
        seen.append(angles_VR)
        return angles_VR[:, :1]

    shift_rule(x, torch.ones(1, 1, dtype=torch.float64), [1], kept, most_at_once=10)
    torch.testing.assert_close(seen[0], torch.tensor([[0, math.pi / 2], [0, -math.pi / 2]], dtype=torch.float64))
