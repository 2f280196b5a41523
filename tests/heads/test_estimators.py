"""Heads that scikit-learn fits: in torch they say what scikit-learn says."""

import io
import math
import warnings

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

from qlit.heads import LogisticRegressionHead, SVCHead

NUM_FEATURES = 5


def clusters(num_classes, per_class=20, seed=0):
    """Overlapping clouds, as float32 embeddings and their classes."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(num_classes * per_class) % num_classes
    centres = torch.randn(num_classes, NUM_FEATURES, generator=generator)
    return centres[labels] + torch.randn(len(labels), NUM_FEATURES, generator=generator), labels


def logistic(**kwargs):
    return LogisticRegressionHead(num_features=NUM_FEATURES, **kwargs)


@pytest.mark.parametrize("num_classes", [2, 3, 6])
@pytest.mark.parametrize("settings", [{}, {"C": 0.1, "class_weight": "balanced"}, {"C": None, "max_iter": 1000}])
def test_logistic_regression_gives_the_probabilities_of_scikit_learn(num_classes, settings):
    (x, y), (unseen, _) = clusters(num_classes), clusters(num_classes, seed=1)
    head = logistic(num_classes=num_classes, **settings)
    head.fit(x, y)
    own = LogisticRegression(**{**settings, "C": settings.get("C", 1.0) or np.inf}).fit(x.double().numpy(), y.numpy())
    expected = own.predict_proba(unseen.double().numpy())
    logits = head(unseen)
    assert logits.shape == (len(unseen), 1 if num_classes == 2 else num_classes)
    ours = torch.cat((-logits, logits), dim=1).mul(0.5).softmax(1) if num_classes == 2 else logits.softmax(1)
    np.testing.assert_allclose(ours.numpy(), expected, atol=1e-12)
    assert head.num_parameters == own.coef_.size + own.intercept_.size
    assert head.complaint == ""


@pytest.mark.parametrize("num_classes", [2, 3, 6])
@pytest.mark.parametrize("settings", [{}, {"C": 20.0, "gamma": "auto"}, {"C": 0.3, "gamma": 0.7}])
def test_an_svc_decides_as_scikit_learn_does(num_classes, settings):
    (x, y), (unseen, _) = clusters(num_classes), clusters(num_classes, seed=1)
    head = SVCHead(num_classes=num_classes, **settings)
    assert head.num_parameters is None
    head.fit(x, y)
    own = SVC(**settings, break_ties=True).fit(x.double().numpy(), y.numpy())
    expected = own.decision_function(unseen.double().numpy())
    logits = head(unseen)
    np.testing.assert_allclose(logits.squeeze(1).numpy(), expected, atol=1e-10)
    chosen = (logits[:, 0] > 0).long() if num_classes == 2 else logits.argmax(dim=1)
    np.testing.assert_array_equal(chosen.numpy(), own.predict(unseen.double().numpy()))
    assert head.num_parameters == own.n_support_.sum()


def test_embeddings_that_are_all_alike_still_have_a_kernel():
    head = SVCHead()
    head.fit(torch.ones(4, NUM_FEATURES), torch.tensor([0, 1, 0, 1]))
    assert head(torch.ones(1, NUM_FEATURES)).isfinite().all()


@pytest.mark.parametrize("make", [logistic, SVCHead])
@pytest.mark.parametrize("num_classes", [2, 3])
def test_a_fit_is_saved_as_plain_tensors_and_restored_bit_for_bit(make, num_classes):
    x, y = clusters(num_classes)
    head, file = make(num_classes=num_classes), io.BytesIO()
    head.fit(x, y)
    torch.save(head.state_dict(), file)
    file.seek(0)
    restored = make(num_classes=num_classes)
    restored.load_state_dict(torch.load(file, weights_only=True))
    torch.testing.assert_close(restored(x), head(x), rtol=0, atol=0)
    assert restored.num_parameters == head.num_parameters
    assert list(head.parameters()) == []


@pytest.mark.parametrize("make", [logistic, SVCHead])
def test_before_the_fit_there_are_no_logits(make):
    with pytest.raises(ValueError, match="has not been fitted: call `fit` first"):
        make()(torch.ones(1, NUM_FEATURES))


@pytest.mark.parametrize(
    ("make", "name"), [(logistic, "LogisticRegression"), (SVCHead, "SVC")], ids=["logistic", "svc"]
)
def test_a_fit_that_does_not_converge_complains_until_one_does(make, name):
    x, y = clusters(2)
    head = make(max_iter=1)
    head.fit(x, y)
    assert head.complaint.startswith(f"{name} has not converged within max_iter=1 iterations")
    assert "raise `max_iter`" in head.complaint
    head.max_iter = 10_000
    head.fit(x, y)
    assert head.complaint == ""


def test_other_warnings_of_a_fit_are_passed_on(monkeypatch):
    def fit(*_):
        warnings.warn("something else", RuntimeWarning, stacklevel=1)

    monkeypatch.setattr(SVC, "fit", fit)
    with pytest.warns(RuntimeWarning, match="something else"), pytest.raises(AttributeError):
        SVCHead().fit(*clusters(2))


@pytest.mark.parametrize("make", [logistic, SVCHead])
def test_a_class_without_a_sentence_is_refused(make):
    x, y = clusters(3)
    with pytest.raises(ValueError, match=r"no sentence of class 1, but the head has num_classes=3"):
        make(num_classes=3).fit(x[y != 1], y[y != 1])


@pytest.mark.parametrize(
    ("make", "settings", "message"),
    [
        (logistic, {"C": 0.0}, r"`C > 0` must hold, but got C=0\.0; null is no penalty"),
        (logistic, {"C": math.inf}, "`C > 0` must hold, but got C=inf"),
        (logistic, {"max_iter": 0}, "`max_iter >= 1` must hold, but got max_iter=0"),
        (logistic, {"num_classes": 1}, "num_classes=1"),
        (SVCHead, {"C": -1.0}, r"`C > 0` must hold, but got C=-1\.0"),
        (SVCHead, {"C": math.nan}, "C=nan"),
        (SVCHead, {"gamma": 0.0}, r"`gamma > 0` must hold, but got gamma=0\.0; or `scale` or `auto`"),
        (SVCHead, {"max_iter": 0}, "max_iter=0"),
        (SVCHead, {"num_classes": 0}, "num_classes=0"),
    ],
)
def test_values_outside_their_domains_are_refused(make, settings, message):
    with pytest.raises(ValueError, match=message):
        make(**settings)
    with pytest.raises(ValueError, match="num_features=0"):
        LogisticRegressionHead(num_features=0)


def test_embeddings_of_another_body_are_refused():
    with pytest.raises(ValueError, match="made for num_features=768"):
        LogisticRegressionHead().check_features(384)
    head = SVCHead()
    head.check_features(384)  # a fit will tell
    head.fit(*clusters(2))
    with pytest.raises(ValueError, match="have 384 features, but the model was made for num_features=5"):
        head.check_features(384)
