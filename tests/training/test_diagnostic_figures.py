"""The figures of `Diagnostics` hold the numbers they were given; how they look was judged by eye."""

import numpy as np
import pytest
from matplotlib.collections import LineCollection, PathCollection
from sklearn.decomposition import PCA
from training.test_figures import assert_is_drawn, texts

from qlit.training.diagnostic_figures import entanglement_of_states, gradient_curves, latent_vectors

NAMES = ("negative", "positive")


def points_of(axes):
    return [np.asarray(each.get_offsets()) for each in axes.collections if isinstance(each, PathCollection)]


def legend_of(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_gradients_are_drawn_by_group_without_zeros():
    history = {
        "norm": {"encoder": [(0, 0.1), (1, 0.01)], "pqc": [(0, 1.0), (1, 0.0)]},
        "variance": {"encoder": [(0, 1e-3), (1, 1e-4)], "pqc": [(0, 0.0)]},
    }
    figure = gradient_curves(history, note="sample")
    norm, variance = figure.axes
    assert [axes.get_yscale() for axes in figure.axes] == ["log", "log"]
    np.testing.assert_array_equal(norm.lines[0].get_ydata(), [0.1, 0.01])
    np.testing.assert_array_equal(norm.lines[1].get_ydata(), [1.0])
    assert (legend_of(norm), legend_of(variance)) == (["encoder", "pqc"], ["encoder"])
    assert "sample" in texts(figure)
    assert_is_drawn(figure)


def test_latent_vectors_are_principal_components_with_a_look_for_every_label():
    rng = np.random.default_rng(0)
    vectors, labels = rng.normal(size=(40, 5)) * [5, 3, 1, 1, 1], rng.integers(0, 2, 40)
    figure = latent_vectors({"angles": vectors, "<Z>": vectors[:, :3]}, labels, NAMES)
    expected = PCA(2, svd_solver="full").fit(vectors)
    left, right = figure.axes
    for label, points in enumerate(points_of(left)):
        np.testing.assert_allclose(points, expected.transform(vectors[labels == label]))
    assert f"{expected.explained_variance_ratio_[0]:.0%} of the variance" in left.get_xlabel()
    assert (left.get_title(), right.get_title(), legend_of(right)) == ("angles", "<Z>", list(NAMES))
    colors, shapes = zip(
        *((tuple(each.get_facecolor()[0]), each.get_paths()[0].vertices.shape) for each in left.collections),
        strict=True,
    )
    assert len(set(colors)) == len(set(shapes)) == 2
    assert_is_drawn(figure)


@pytest.mark.parametrize("vectors", [np.ones((4, 3)), np.arange(4.0)[:, None]], ids=["equal", "one feature"])
def test_vectors_without_two_components_are_drawn_at_zero(vectors):
    figure = latent_vectors({"angles": vectors}, [0, 1, 0, 1], NAMES)
    assert all(not points[:, 1].any() for points in points_of(figure.axes[0]))
    assert "0%" in figure.axes[0].get_ylabel()


def test_the_rarest_of_many_labels_share_a_look():
    labels = np.repeat(np.arange(9), [9, 8, 7, 6, 5, 4, 3, 2, 1])
    vectors = np.random.default_rng(1).normal(size=(len(labels), 2))
    figure = latent_vectors({"angles": vectors}, labels, [f"class {k}" for k in range(9)])
    assert legend_of(figure.axes[0]) == [*(f"class {k}" for k in range(7)), "2 other labels"]
    assert [len(points) for points in points_of(figure.axes[0])] == [9, 8, 7, 6, 5, 4, 3, 3]


def test_nothing_to_draw_is_refused():
    with pytest.raises(ValueError, match="0 panels and 3 labels"):
        latent_vectors({}, [0, 1, 0], NAMES)
    with pytest.raises(ValueError, match="1 panels and 1 labels"):
        latent_vectors({"angles": np.zeros((1, 2))}, [0], NAMES)


def test_entanglement_is_drawn_for_every_sentence_with_its_mean_and_that_of_random_states():
    measures = {"encoder": np.array([0.2, 0.4, 0.6]), "pqc": np.array([0.9, 0.8, 0.7])}
    figure = entanglement_of_states(measures, {"encoder": 0.6, "pqc": 0.9}, [0, 1, 0], NAMES, note="sample")
    (axes,) = figure.axes
    heights = [points[:, 1].tolist() for points in points_of(axes)]
    assert heights == [[0.2, 0.6], [0.4], [0.9, 0.7], [0.8]]
    lines = [each.get_segments()[0][0][1] for each in axes.collections if isinstance(each, LineCollection)]
    assert lines == pytest.approx([0.4, 0.6, 0.8, 0.9])
    assert legend_of(axes) == [*NAMES, "mean", "uniformly random states"]
    assert_is_drawn(figure)
