"""Scores against scikit-learn, and against a calibration error counted by hand."""

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, log_loss, roc_auc_score
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from qlit.training.scores import Scores

# torchmetrics counts in float32 (eps 6e-8), over a few hundred samples.
SCORE_ATOL = 1e-6
NAMES = {"loss", "accuracy", "f1", "auroc", "calibration_error"}


def predictions(num_classes, num_samples=237, seed=0):
    """Logits (N, 1) or (N, k), float64, that say something of the labels (N,), and the loss of each."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(num_classes, (num_samples,), generator=generator)
    width = 1 if num_classes == 2 else num_classes
    logits = 2 * torch.randn(num_samples, width, generator=generator, dtype=torch.float64)
    if num_classes == 2:
        logits[:, 0] += 2 * labels - 0.5
        losses = binary_cross_entropy_with_logits(logits[:, 0], labels.double(), reduction="none")
    else:
        logits[torch.arange(num_samples), labels] += 1
        losses = cross_entropy(logits, labels, reduction="none")
    return logits, labels, losses


def added(scores, parts, sizes):
    for batch in zip(*(part.split(sizes) for part in parts), strict=True):
        scores.add(*batch)
    return scores


def probabilities_of(logits):
    """Of every class, float64, shape (N, k)."""
    if logits.shape[1] > 1:
        return logits.softmax(dim=1).numpy()
    positive = logits[:, 0].sigmoid().numpy()
    return np.stack((1 - positive, positive), axis=1)


def calibration_error(confidence, is_right, num_bins=15):
    """Expected calibration error of equally wide bins (Guo et al., 2017)."""
    error = 0.0
    for low in np.arange(num_bins) / num_bins:
        inside = (confidence >= low) & (confidence < low + 1 / num_bins)
        if inside.any():
            error += inside.mean() * abs(is_right[inside].mean() - confidence[inside].mean())
    return error


@pytest.mark.parametrize("num_classes", [2, 3])
@pytest.mark.parametrize("sizes", [[237], [100, 1, 0, 136]], ids=str)
def test_scores_agree_with_scikit_learn(num_classes, sizes):
    logits, labels, losses = predictions(num_classes)
    scores = added(Scores(num_classes), (logits, labels, losses), sizes)
    values = {name: value.item() for name, value in scores.compute().items()}
    probabilities, truth = probabilities_of(logits), labels.numpy()
    chosen = probabilities.argmax(axis=1)
    if num_classes == 2:
        several, column = {}, probabilities[:, 1]
        # torchmetrics takes the probability of class 1 as confidence, not that of the chosen class.
        calibration = calibration_error(column, truth)
    else:
        several, column = {"average": "macro"}, probabilities
        calibration = calibration_error(probabilities.max(axis=1), chosen == truth)
    expected = {
        "loss": log_loss(truth, probabilities),
        "accuracy": accuracy_score(truth, chosen),
        "f1": f1_score(truth, chosen, **several),
        "auroc": roc_auc_score(truth, column, **({"multi_class": "ovr"} if several else {})),
        "calibration_error": calibration,
    }
    assert values == pytest.approx(expected, abs=SCORE_ATOL)
    np.testing.assert_array_equal(scores.confusion_counts().numpy(), confusion_matrix(truth, chosen))
    np.testing.assert_allclose(
        scores.probabilities.numpy(), column if num_classes == 2 else probabilities, atol=SCORE_ATOL
    )
    assert torch.equal(scores.labels, labels)


def test_the_loss_is_the_mean_over_samples_not_over_batches():
    scores = Scores(2, full=False)
    logits, labels = torch.zeros(5, 1), torch.tensor([0, 1, 0, 1, 1])
    added(scores, (logits, labels, torch.tensor([1.0, 1.0, 1.0, 1.0, 6.0])), [4, 1])
    assert scores.compute()["loss"].item() == 2.0  # the mean of the batches' means is 3.5


@pytest.mark.parametrize("num_classes", [2, 3])
def test_an_epoch_knows_nothing_of_the_one_before(num_classes):
    scores, fresh = Scores(num_classes), Scores(num_classes)
    added(scores, predictions(num_classes, seed=1), [237]).compute()  # its confusion is not asked for, as in a fit
    second = added(scores, predictions(num_classes, 50, seed=2), [20, 30]).compute()
    expected = added(fresh, predictions(num_classes, 50, seed=2), [50]).compute()
    assert second.keys() == expected.keys() == NAMES
    for name, value in expected.items():
        torch.testing.assert_close(second[name], value, rtol=0, atol=SCORE_ATOL)
    counts = scores.confusion_counts()
    assert counts.sum() == 50
    assert torch.equal(counts, fresh.confusion_counts())


def test_training_is_scored_by_loss_and_accuracy_alone():
    scores = added(Scores(3, full=False), predictions(3), [237])
    assert set(scores.compute()) == {"loss", "accuracy"}


def test_what_is_collected_keeps_no_graph():
    logits = torch.zeros(2, 1, requires_grad=True)
    scores = Scores(2)
    scores.add(2 * logits, torch.tensor([0, 1]), logits[:, 0].exp())
    assert not any(value.requires_grad for value in scores.compute().values())


def test_a_class_that_does_not_occur_has_no_part_in_the_auroc():
    logits, labels, losses = predictions(3)
    labels = labels % 2  # none of class 2
    values = added(Scores(3), (logits, labels, losses), [237]).compute()
    areas = [roc_auc_score(labels.numpy() == k, probabilities_of(logits)[:, k]) for k in (0, 1)]
    assert values["auroc"].item() == pytest.approx(np.mean(areas), abs=SCORE_ATOL)


@pytest.mark.parametrize("num_classes", [2, 3])
@pytest.mark.parametrize("label", [0, 1])
def test_a_single_class_has_no_auroc(num_classes, label):
    logits, labels, losses = predictions(num_classes)
    values = added(Scores(num_classes), (logits, torch.full_like(labels, label), losses), [237]).compute()
    assert set(values) == NAMES - {"auroc"}
