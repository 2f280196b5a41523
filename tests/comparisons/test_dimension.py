"""Accuracies on principal components, on made-up embeddings whose answer is known."""

import numpy as np
import pytest

from qlit.comparisons.dimension import Curve, Part, SplitParts, accuracies_on_components, findings_of
from qlit.reports.dimension import dimension_figure, dimension_text, products_text


def splits_of(labels_of, *, num_features=20, count=4):
    """Splits of Gaussian embeddings whose variances fall; `labels_of` makes labels of them."""
    splits = []
    for seed in range(count):
        generator = np.random.default_rng(seed)
        x = generator.normal(size=(900, num_features)) * np.linspace(2, 0.5, num_features)
        y = labels_of(x, generator)
        splits.append(SplitParts(*(Part(x[part], y[part]) for part in (slice(200), slice(200, 300), slice(300, 900)))))
    return splits


def linear(x, generator):
    return (x[:, 0] - x[:, 1] + 0.3 * generator.normal(size=len(x)) > 0).astype(int)


def product(x, generator):
    return (x[:, 0] * x[:, 1] + 0.3 * generator.normal(size=len(x)) > 0).astype(int)


def by_kind(curves):
    return {(each.num_components, each.has_products): each for each in curves}


def test_a_linear_rule_on_leading_directions_needs_few_components_and_no_products():
    curves = accuracies_on_components(splits_of(linear), [1, 4, 8], 4)
    found = by_kind(curves)
    assert list(found) == [(None, False), (1, False), (1, True), (4, False), (4, True), (8, False)]
    assert [each.num_features for each in curves] == [20, 1, 2, 4, 14, 8]
    assert found[1, False].mean < 0.8 < 0.85 < found[4, False].mean
    findings = findings_of(curves, 0.05)
    assert findings.enough in (4, 8)
    assert findings.gains == ()
    assert findings.num_tried == 2


def test_a_rule_on_products_shows_that_products_help():
    curves = accuracies_on_components(splits_of(product), [2, 4], 4)
    found = by_kind(curves)
    assert found[None, False].mean < 0.6
    assert found[4, True].mean > found[4, False].mean + 0.2
    findings = findings_of(curves, 0.005)
    assert 4 in findings.gains
    assert findings.gain[1] > 0
    text = products_text(findings)
    assert "a quadratic head can gain here" in text
    assert "points at" in text


def test_a_gain_below_what_more_components_reach_without_products_is_none():
    whole, one, products = (
        Curve(None, False, 9, (0.80, 0.81, 0.82)),
        Curve(1, False, 1, (0.50, 0.52, 0.51)),
        Curve(1, True, 2, (0.55, 0.57, 0.56)),
    )
    findings = findings_of([whole, one, products], 0.01)
    assert (findings.gains, findings.linear_at, findings.gain_at) == ((), None, 1)
    assert findings.gain[0] == pytest.approx(-0.25)
    assert "(-25.00 points at 1 component against the best without products, at all features; " in products_text(
        findings
    )


def test_results_do_not_depend_on_the_unit_of_embeddings():
    splits = splits_of(linear, count=2)
    larger = [SplitParts(*(Part(1000 * x, y) for x, y in split)) for split in splits]
    ours, theirs = (accuracies_on_components(each, [4], 4) for each in (splits, larger))
    assert [each.accuracies for each in ours] == [each.accuracies for each in theirs]


def test_several_classes_are_possible():
    def three(x, _):
        return np.argmax(x[:, :3], axis=1)

    curves = accuracies_on_components(splits_of(three, count=2), [4], 0)
    assert [each.has_products for each in curves] == [False, False]
    assert by_kind(curves)[4, False].mean > 0.8
    assert products_text(findings_of(curves, 0.01)) == "Products of components were not tried."


def test_more_components_than_training_sentences_determine_are_refused():
    with pytest.raises(ValueError, match="200 training sentences with 20 features determine at most 20 components"):
        accuracies_on_components(splits_of(linear, count=2), [21], 0)


def test_intervals_are_paired_and_end_at_100_per_cent():
    whole = Curve(None, False, 768, (0.80, 0.90, 1.00))
    other = Curve(8, False, 8, (0.81, 0.91, 1.00))
    assert whole.interval[1] == 1.0
    mean, low, high = other.minus(whole)
    assert mean == pytest.approx(0.02 / 3)
    assert high - low < 0.04  # far narrower than the interval of either
    findings = findings_of([whole, other], 0.02)
    assert findings.enough == 8
    text = dimension_text([whole, other], findings, 0.02, heading="set")
    assert max(map(len, text.splitlines())) <= 80
    assert "8 components are enough: logistic regression there" in text
    assert dimension_text([whole], findings_of([whole], 0.02), 0.02, heading="set").count("None of these numbers") == 1


def test_the_figure_has_both_curves_and_the_band_of_all_features():
    figure = dimension_figure(accuracies_on_components(splits_of(linear, count=2), [1, 2, 4], 2), title="t", note="n")
    (axes,) = figure.axes
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["all 20 features", "components", "components and their products"]
    figure.canvas.draw()
    assert [text.get_text() for text in axes.get_xticklabels()] == ["1", "2", "4"]
