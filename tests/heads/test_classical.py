import pytest
import torch
from torch.nn import functional

from qlit.heads import LinearHead, MLPHead


def embeddings(batch_size=6, num_features=5):
    return torch.randn(batch_size, num_features, generator=torch.Generator().manual_seed(0))


def make(head, **kwargs):
    torch.manual_seed(0)
    return head(num_features=5, **kwargs)


@pytest.mark.parametrize("num_classes", [2, 6])
@pytest.mark.parametrize(
    ("head", "settings"),
    [
        (LinearHead, {}),
        (MLPHead, {"num_hidden_layers": 0, "hidden_dim": 0}),
        (MLPHead, {"hidden_dim": 3}),
        (MLPHead, {"hidden_dim": 3, "batch_norm": True}),
        (MLPHead, {"num_hidden_layers": 0, "hidden_dim": 0, "batch_norm": True}),
    ],
    ids=str,
)
def test_logits_have_one_column_for_two_classes_and_gradients_reach_every_weight(head, settings, num_classes):
    made = make(head, num_classes=num_classes, **settings)
    logits = made(embeddings())
    assert logits.shape == (6, 1 if num_classes == 2 else num_classes)
    (logits * embeddings(6, logits.shape[1])).sum().backward()
    # A bias before batch normalisation is subtracted again with the mean: it has no gradient but rounding.
    dead = {"network.layers.0.bias"} if settings.get("batch_norm") and settings["hidden_dim"] else set()
    reached = {name for name, parameter in made.named_parameters() if parameter.grad.abs().max() > 1e-6}
    assert reached == {name for name, _ in made.named_parameters()} - dead


def test_the_logit_of_two_outputs_has_the_cross_entropy_of_the_two():
    head, labels = make(MLPHead, hidden_dim=3), torch.tensor([0, 1, 1, 0, 1, 0])
    ours = functional.binary_cross_entropy_with_logits(head(embeddings())[:, 0], labels.float())
    torch.testing.assert_close(ours, functional.cross_entropy(head.network(embeddings()), labels))


def test_a_hidden_layer_is_linear_relu_linear():
    head = make(MLPHead, hidden_dim=3)
    first, second = head.network.layers[0], head.network.layers[-1]
    hidden = (embeddings() @ first.weight.T + first.bias).clamp(min=0)
    torch.testing.assert_close(head.network(embeddings()), hidden @ second.weight.T + second.bias)


def test_batch_normalisation_uses_the_batch_in_training_and_what_it_learnt_in_evaluation():
    head = make(MLPHead, hidden_dim=3, batch_norm=True)
    whole, part = head(embeddings()), head(embeddings()[:3])
    assert not torch.allclose(whole[:3], part)
    head.eval()
    torch.testing.assert_close(head(embeddings())[:3], head(embeddings()[:3]))
    assert head(embeddings()[:1]).shape == (1, 1)


def test_a_single_row_cannot_be_normalised_in_training():
    head = make(MLPHead, hidden_dim=3, batch_norm=True)
    with pytest.raises(ValueError, match=r"at least 2 rows .* change `batch_size`, or set `batch_norm: false`"):
        head(embeddings(1))
    assert make(MLPHead, hidden_dim=3)(embeddings(1)).shape == (1, 1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_hidden_layers": 2}, "must be 0 or 1, but got num_hidden_layers=2"),
        ({"num_hidden_layers": 0}, "Without a hidden layer there is no width, but got hidden_dim=48"),
        ({"hidden_dim": 0}, "needs `hidden_dim >= 1`, but got hidden_dim=0"),
        ({"num_features": 0}, "`num_features >= 1` must hold, but got num_features=0"),
        ({"num_classes": 1}, "`num_classes >= 2` must hold, but got num_classes=1"),
    ],
)
def test_sizes_that_cannot_be_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        MLPHead(**settings)


def test_a_linear_head_needs_features_and_classes():
    with pytest.raises(ValueError, match="num_features=0"):
        LinearHead(num_features=0)
    with pytest.raises(ValueError, match="num_classes=1"):
        LinearHead(num_classes=1)


@pytest.mark.parametrize("head", [LinearHead, MLPHead])
def test_embeddings_of_another_body_are_refused(head):
    head(num_features=384).check_features(384)
    with pytest.raises(ValueError, match=r"have 384 features, .* num_features=768: set `num_features` to 384"):
        head().check_features(384)
