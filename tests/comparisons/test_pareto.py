"""Pareto fronts: which models no other one beats in accuracy and cost."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from comparisons.fakes import model

from qlit.comparisons.comparison import compare
from qlit.comparisons.pareto import OPERATIONS, PARAMETERS, pareto_fronts


def compared(accuracies, parameters):
    """Models a, b, .. with these mean accuracies on three splits, which do not differ equally on every split."""
    models = []
    for number, (mean, count) in enumerate(zip(accuracies, parameters, strict=True)):
        moved = (mean - 0.01, mean, mean + 0.01) if number % 2 else (mean, mean + 0.01, mean - 0.01)
        params = {} if count is None else {"parameters.total": str(count)}
        models.append(model("abcdefgh"[number], moved, params=params))
    return compare(models)


def test_a_front_has_the_models_that_no_other_is_as_good_as_for_less():
    found = compared([0.7, 0.8, 0.75, 0.8, 0.9], [10, 100, 200, 300, 1000])
    operations = dict(zip("abcde", [500, 400, 300, 200, None], strict=True))
    by_parameters, by_operations = pareto_fronts(found, operations)
    assert (by_parameters.cost, by_operations.cost) == (PARAMETERS, OPERATIONS)
    assert [point.name for point in by_parameters.points if point.is_on_front] == ["a", "b", "e"]
    assert [point.name for point in by_operations.points if point.is_on_front] == ["d"]
    assert [point.cost for point in by_operations.points] == [500, 400, 300, 200, None]
    points = {point.name: point for point in by_parameters.points}
    assert (points["a"].gain, points["a"].cheaper) == (None, None)
    assert (points["b"].cheaper, points["e"].cheaper, points["c"].cheaper) == ("a", "b", None)
    assert points["e"].gain == pytest.approx(0.1)
    assert points["e"].gain_low <= 0.1 <= points["e"].gain_high


def test_a_gain_has_the_sign_and_interval_of_the_cheaper_model_whatever_their_order():
    one, other = compared([0.9, 0.7], [100, 10]), compared([0.7, 0.9], [10, 100])
    gains = [pareto_fronts(each, {})[0].points[k] for each, k in ((one, 0), (other, 1))]
    for point in gains:
        assert point.gain == pytest.approx(0.2)
        assert point.gain_low <= 0.2 <= point.gain_high
    pair = one.pairs[0]
    assert (gains[0].gain_low, gains[0].gain_high) == (-pair.high, -pair.low)


@pytest.mark.parametrize("seed", range(5))
def test_the_front_is_that_of_a_search_over_all_pairs(seed):
    generator = np.random.default_rng(seed)
    means, costs = generator.integers(60, 66, 8) / 100, generator.integers(1, 5, 8)
    (front, _) = pareto_fronts(compared(means, costs), dict.fromkeys("abcdefgh", 1))
    points = {point.name: (point.accuracy, -point.cost) for point in front.points}
    beaten = {
        one
        for one, other in itertools.permutations(points, 2)
        if points[other] != points[one] and all(b >= a for a, b in zip(points[one], points[other], strict=True))
    }
    assert {point.name for point in front.points if point.is_on_front} == points.keys() - beaten
    for point in front.points:
        if point.cheaper is not None:
            assert points[point.cheaper][1] > points[point.name][1]
            assert points[point.cheaper][0] < points[point.name][0]


def test_a_cost_that_fewer_than_two_models_have_has_no_front():
    found = compared([0.7, 0.8], [10, None])
    (front,) = pareto_fronts(found, {"a": 1, "b": 2})
    assert front.cost == OPERATIONS
    with pytest.raises(ValueError, match="needs two models at least whose parameters or operations are known"):
        pareto_fronts(found, {"a": None, "b": 2})
    with pytest.raises(ValueError, match="needs two models"):
        pareto_fronts(replace(found, models=found.models[:1]), {"a": 1})
