"""Orders of models against published ones."""

import pytest
from comparisons.fakes import model

from qlit.comparisons.published_order import RankedModel, ordering_of


def ranked(name, published, accuracies):
    return RankedModel(name, published, dict(enumerate(model(name, accuracies).runs)))


LOW, MIDDLE, HIGH = (0.60, 0.61, 0.62), (0.70, 0.72, 0.71), (0.80, 0.81, 0.83)


def test_pairs_are_ordered_as_published_reversed_or_within_noise():
    found = ordering_of(
        [ranked("a", 90, LOW), ranked("b", 91, HIGH), ranked("c", 92, MIDDLE), ranked("d", 92.5, (0.71, 0.70, 0.72))]
    )
    assert found.agreeing == (("b", "a"), ("c", "a"), ("d", "a"))
    assert found.reversed == (("b", "c"), ("b", "d"))
    assert [set(pair) for pair in found.noisy] == [{"c", "d"}]
    # Means of c and d are equal; of the 5 other pairs 3 go with the published order, 2 against it.
    assert found.kendall_tau == pytest.approx((3 - 2) / (6 * 5) ** 0.5)


def test_pairs_without_a_common_seed_or_a_published_order_are_left_out():
    late = model("b", (*LOW, *HIGH)).runs
    found = ordering_of([ranked("a", 90, LOW), RankedModel("b", 91, {k: late[k] for k in (3, 4, 5)})])
    assert (found.agreeing, found.reversed, found.noisy) == ((), (), ())
    equal = ordering_of([ranked("a", 90, LOW), ranked("b", 90, HIGH)])
    assert (equal.agreeing, equal.reversed, equal.noisy, equal.kendall_tau) == ((), (), (), None)


def test_only_the_seeds_of_both_are_compared():
    found = ordering_of([ranked("a", 90, LOW), ranked("b", 91, (*HIGH, 0.1, 0.1))])
    assert found.agreeing == (("b", "a"),)
    assert found.kendall_tau == -1  # of all runs, as the table's means are
