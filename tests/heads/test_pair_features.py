"""Features that compare the two sentences of a pair, in front of any head."""

import numpy as np
import pytest
import torch
from torch.nn.functional import cosine_similarity

from qlit.heads import LogisticRegressionHead, MLPHead, PairCosine, PairFeatures, SVCHead


def paraphrases(num_rows: int, dim: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Pairs whose halves are alike (class 1) or not, of which neither half alone tells the class."""
    draw = torch.Generator().manual_seed(seed)
    labels = torch.arange(num_rows) % 2
    u, w = torch.randn(2, num_rows, dim, generator=draw)
    return torch.cat([u, 2 * torch.where(labels[:, None] == 1, u + 0.5 * w, w)], dim=1), labels


def test_the_features_are_those_of_their_definition():
    pairs, _ = paraphrases(5, 6, 0)
    u, v = (part / part.norm(dim=1, keepdim=True) * 6**0.5 for part in pairs.chunk(2, dim=1))
    found = PairFeatures()(pairs)
    torch.testing.assert_close(found, torch.cat([u, v, (u - v).abs(), u * v], dim=1))
    assert found.shape[1] == PairFeatures().num_outputs(12)
    cosines = PairCosine()(pairs)
    torch.testing.assert_close(cosines[:, 0], cosine_similarity(*pairs.chunk(2, dim=1)))
    torch.testing.assert_close(found[:, 18:].mean(dim=1, keepdim=True), cosines)
    assert cosines.shape[1] == PairCosine().num_outputs(12)


def test_products_tell_what_a_linear_head_can_not():
    (train, labels), (test, expected) = paraphrases(300, 6, 0), paraphrases(300, 6, 1)
    scores = {}
    for name, preprocessing in (("none", None), ("features", PairFeatures()), ("cosine", PairCosine())):
        head = LogisticRegressionHead(num_features=12, preprocessing=preprocessing)
        head.fit(train, labels)
        scores[name] = ((head(test)[:, 0] > 0).long() == expected).double().mean().item()
    assert abs(scores["none"] - 0.5) < 0.1
    assert min(scores["features"], scores["cosine"]) > 0.9


def test_a_threshold_of_the_cosine_has_two_parameters():
    train, labels = paraphrases(60, 6, 2)
    head = LogisticRegressionHead(num_features=12, C=None, preprocessing=PairCosine())
    head.fit(train, labels)
    assert head.num_parameters == 2
    order = PairCosine()(train)[:, 0].argsort()
    logits = head(train)[order, 0]
    assert (logits.diff() >= 0).all()
    threshold = (-head.bias / head.weight[0]).item()
    np.testing.assert_array_equal(head(train)[:, 0] > 0, PairCosine()(train)[:, 0] > threshold)


@pytest.mark.filterwarnings("ignore:.*torch.jit.*deprecated.*:DeprecationWarning")
@pytest.mark.parametrize("preprocessing", [PairFeatures, PairCosine])
def test_pairs_that_can_not_be_used_are_refused_and_maps_are_scripted(preprocessing):
    head = MLPHead(num_features=8, preprocessing=preprocessing())
    pairs, _ = paraphrases(3, 4, 0)
    pairs[1, 4:] = 0
    assert head.unusable(pairs).tolist() == [False, True, False]
    assert head.needs == "finite embeddings of both sentences that are not all zeros"
    with pytest.raises(ValueError, match=f"{preprocessing.__name__} takes .* an even number of features, but got 7"):
        SVCHead(preprocessing=preprocessing()).check_features(7)
    scripted = torch.jit.script(preprocessing())
    torch.testing.assert_close(scripted(pairs[:1]), preprocessing()(pairs[:1]))
