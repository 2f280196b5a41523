"""The figures hold the numbers they were given; how they look was judged by eye."""

import io
from functools import partial

import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.image import imread
from sklearn.metrics import roc_auc_score

from qlit.runtime.intervals import wilson_interval
from qlit.training.figures import confusion_matrix, reliability_diagram, roc_curve, training_curves
from qlit.training.scores import Scores

NOTE = "built-in sample: for trying the commands"


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(match=lambda item: hasattr(item, "get_text"))]


def assert_is_drawn(figure: Figure) -> None:
    """Its picture has its size, and in every one of its axes something that stands out from the background."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png")
    assert stream.getvalue().startswith(b"\x89PNG")
    stream.seek(0)
    pixels = imread(stream)[::-1, :, :3]  # from the bottom up, as extents are measured
    assert pixels.shape[:2] == (round(figure.bbox.height), round(figure.bbox.width))
    for axes in figure.axes:
        left, bottom, right, top = (round(end) for end in axes.get_window_extent().extents)
        inside = pixels[bottom + 4 : top - 4, left + 4 : right - 4]  # without the frame
        contrast = np.abs(inside - to_rgb(axes.get_facecolor())).max(axis=2)
        assert (contrast > 0.3).sum() > 50  # grid lines are lighter


@pytest.fixture
def predictions() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    probabilities = rng.random(500).round(2)  # rounded: equal predictions occur
    return probabilities, (rng.random(500) < probabilities).astype(int)


def test_training_curves_mark_the_best_checkpoint_and_nothing_without_one():
    history = {
        "train/loss": [(0, 0.7), (1, 0.5), (2, 0.3)],
        "val/loss": [(0, 0.6), (1, 0.4), (2, float("nan"))],
        "val/accuracy": [(0, 0.5), (1, 0.8), (2, 0.9)],
    }
    assert not any("best" in text for text in texts(training_curves(history)))
    within = training_curves({**history, "val/loss": [(-0.5, 0.6), (0.5, 0.4)]}, best_epoch=0.5)
    assert any("best epoch 1 " in text for text in texts(within))
    figure = training_curves(history, best_epoch=1, note=NOTE)
    assert [axes.get_ylabel() for axes in figure.axes] == ["loss", "accuracy"]
    assert any("best epoch 1 " in text for text in texts(figure))
    assert NOTE in texts(figure)
    np.testing.assert_array_equal(figure.axes[0].lines[0].get_ydata(), [0.7, 0.5, 0.3])
    assert any("best epoch 2 " in text for text in texts(training_curves(history, best_epoch=2)))
    assert_is_drawn(figure)
    assert_is_drawn(training_curves({"train/loss": [(0, 0.5)]}))


def test_training_curves_refuse_what_they_cannot_draw():
    with pytest.raises(ValueError, match=r"must be among .* but got \['val/f1'\]"):
        training_curves({"val/f1": [(0, 0.1)]})
    with pytest.raises(ValueError, match="at least one value"):
        training_curves({"val/loss": []})


def test_confusion_matrix_shows_counts_and_row_percentages():
    figure = confusion_matrix([[30, 10], [0, 0]], ["negative", "positive"], note=NOTE)
    shown = texts(figure)
    assert {"30\n75.0%", "10\n25.0%", "0\n-", NOTE, "Accuracy 75.0% of 40 examples"} <= set(shown)
    assert_is_drawn(figure)
    with pytest.raises(ValueError, match=r"must be \(3, 3\)"):
        confusion_matrix([[1, 2], [3, 4]], ["a", "b", "c"])
    with pytest.raises(ValueError, match="not negative"):
        confusion_matrix([[1, -2], [3, 4]], ["a", "b"])


def test_the_reliability_diagram_has_the_bins_and_the_number_of_the_score(predictions):
    probabilities, labels = predictions
    scores = Scores(2)
    logits = torch.logit(torch.from_numpy(probabilities), eps=1e-9)[:, None]  # an infinite logit is a divergence
    scores.add(logits, torch.from_numpy(labels), torch.zeros(len(labels)))
    error = scores.compute()["calibration_error"].item()
    figure = reliability_diagram(scores.probabilities, labels, calibration_error=error, note=NOTE)
    assert f"Expected calibration error {error:.3f}" in texts(figure)
    assert_is_drawn(figure)
    (points,) = [line for line in figure.axes[0].lines if line.get_marker() == "s"]
    counts = np.array([bar.get_height() for bar in figure.axes[1].patches])
    assert (len(counts), counts.sum()) == (15, len(labels))
    gaps = np.abs(points.get_ydata() - points.get_xdata())
    assert counts[counts > 0] @ gaps / len(labels) == pytest.approx(error, abs=1e-6)


def test_the_reliability_diagram_has_wilsons_intervals_and_marks_bins_with_few_examples():
    probabilities = np.array([0.1] * 20 + [0.5] * 9 + [0.9] * 10)
    labels = np.array([1] * 2 + [0] * 18 + [1] * 4 + [0] * 5 + [1] * 10)
    figure = reliability_diagram(probabilities, labels, calibration_error=0.1)
    upper = figure.axes[0]
    hatched = sorted((bar.get_height(), bar.get_hatch() is not None) for bar in upper.patches)
    assert hatched == [(0.1, False), (pytest.approx(4 / 9), True), (1.0, False)]
    (segments,) = [bars.get_segments() for bars in upper.collections]
    ends = [(low, high) for (_, low), (_, high) in segments]
    expected = [wilson_interval(*given) for given in ((0.1, 20), (4 / 9, 9), (1.0, 10))]
    np.testing.assert_allclose(ends, expected)
    assert {"fewer than 10 examples", "predicted probability (15 bins of equal width, 39 examples)"} <= {*texts(figure)}
    assert_is_drawn(figure)


def test_a_probability_of_one_lies_in_the_last_bin():
    figure = reliability_diagram([0.0, 1.0, 1.0], [0, 1, 1], calibration_error=0.0)
    assert "Expected calibration error 0.000" in texts(figure)
    assert [bar.get_height() for bar in figure.axes[1].patches] == [1, *[0] * 13, 2]


def test_roc_area_agrees_with_scikit_learn(predictions):
    probabilities, labels = predictions
    figure = roc_curve(probabilities, labels, note=NOTE)
    assert f"Area under the ROC curve {roc_auc_score(labels, probabilities):.3f}" in texts(figure)
    assert_is_drawn(figure)
    with pytest.raises(ValueError, match="positives=0, negatives=2"):
        roc_curve([0.1, 0.2], [0, 0])


@pytest.mark.parametrize("draw", [partial(reliability_diagram, calibration_error=0.1), roc_curve])
def test_predictions_are_checked(draw):
    with pytest.raises(ValueError, match=r"shapes \(2,\) and \(3,\)"):
        draw([0.1, 0.2], [0, 1, 1])
    with pytest.raises(ValueError, match=r"lie in \[0, 1\]"):
        draw([0.1, float("nan")], [0, 1])
    with pytest.raises(ValueError, match="0 or 1"):
        draw([0.1, 0.2], [0, 2])
