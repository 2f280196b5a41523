"""Trainings that diverge: noticed in the epoch, ended there, and neither kept nor scored."""

import lightning.pytorch as pl
import pytest
import torch
from training.small import head, trainer

from qlit.heads import LinearHead
from qlit.tracking.diverged import diverged_tags, is_finite
from qlit.training.checkpoints import best_and_last
from qlit.training.checkpoints.best_and_last import BestAndLast
from qlit.training.checkpoints.weights import check_weights
from qlit.training.divergence import weight_beyond
from qlit.training.module import SentenceClassifier
from qlit.training.scores import Scores

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*treespec, LeafSpec.*:FutureWarning",  # Lightning 2.6 with torch 2.13
)


class Spoil(pl.Callback):
    """Makes a weight of the head `value` at the end of an epoch's last training batch."""

    def __init__(self, epoch, value=torch.nan, name="linear.bias"):
        self.epoch, self.value, self.name = epoch, value, name

    def on_train_batch_end(self, trainer, pl_module, *_):
        if trainer.current_epoch == self.epoch:
            pl_module.head.get_parameter(self.name).data.fill_(self.value)


def fitted(data, folder, monkeypatch, *callbacks, module=None, **kwargs):
    monkeypatch.setattr(best_and_last, "_LAST_EVERY_S", 0.0)
    keeping = BestAndLast()
    keeping.dirpath = str(folder)
    module = module or SentenceClassifier(head())
    running = trainer(**{"max_epochs": 5, "enable_checkpointing": True, "callbacks": [keeping, *callbacks], **kwargs})
    running.fit(module, data())
    return module, running


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_the_epochs_before_are_kept_and_the_fit_ends(data, tmp_path, monkeypatch, value):
    module, running = fitted(data, tmp_path, monkeypatch, Spoil(2, value))
    assert module.divergence.epoch == 2
    assert diverged_tags(module.divergence.epoch) == {"diverged": "true", "diverged.epoch": "2"}
    assert module.notices == [module.divergence.notice]
    assert "diverged in epoch 2 (counted from 0): the validation loss is not a finite number" in module.divergence.text
    assert "the checkpoints are from earlier epochs" in module.divergence.text
    assert running.current_epoch == 3  # epochs that came to their end
    assert [epoch for epoch, _ in module.history["val/accuracy"]] == [0, 1]
    for name in ("best", "last"):
        kept = torch.load(tmp_path / f"{name}.ckpt", weights_only=True)
        assert kept["epoch"] < 2
        check_weights(module, kept["state_dict"])
    assert torch.load(tmp_path / "last.ckpt", weights_only=True)["epoch"] == 1


def test_a_fit_that_diverges_at_once_keeps_nothing(data, tmp_path, monkeypatch):
    module, running = fitted(data, tmp_path, monkeypatch, Spoil(0))
    assert module.divergence.epoch == 0
    assert not [name for name in module.history if name.startswith("val/")]
    assert "there is no earlier epoch to use" in module.divergence.text
    assert "Lower the learning rate (`model.lr`, here 0.0025)" in module.divergence.text
    assert not list(tmp_path.glob("*.ckpt"))
    assert running.checkpoint_callback.best_model_path == running.checkpoint_callback.last_model_path == ""


def test_a_fit_without_validation_is_watched_too(data, tmp_path, monkeypatch):
    module, _ = fitted(data, tmp_path, monkeypatch, Spoil(1), limit_val_batches=0, enable_checkpointing=False,
                       callbacks=[Spoil(1)])  # fmt: skip
    assert module.divergence.epoch == 1
    assert "the training loss is not a finite number" in module.divergence.text
    assert "the checkpoints are from earlier epochs" in module.divergence.text


def test_a_weight_that_the_loss_does_not_show_is_noticed(data, tmp_path, monkeypatch):
    module = SentenceClassifier(head())
    module.head.idle = torch.nn.Parameter(torch.zeros(2))
    fitted(data, tmp_path, monkeypatch, Spoil(1, name="idle"), module=module)
    assert "the weight head.idle" in module.divergence.text
    assert torch.load(tmp_path / "last.ckpt", weights_only=True)["epoch"] == 0


def test_an_absurd_learning_rate_is_a_divergence(data, tmp_path, monkeypatch):
    torch.manual_seed(0)
    module = SentenceClassifier(LinearHead(num_features=8), lr=1e38)
    fitted(data, tmp_path, monkeypatch, module=module)
    assert module.divergence is not None
    assert "here 1e+38" in module.divergence.text


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_angles_that_the_engine_refuses_are_a_divergence(data, tmp_path, monkeypatch, value):
    module, _ = fitted(data, tmp_path, monkeypatch, Spoil(1, value, name="encoder.angle_scale"))
    assert module.divergence is not None
    assert module.divergence.epoch == 1


def test_what_an_engine_refuses_of_finite_weights_is_no_divergence(data, tmp_path, monkeypatch):
    module = SentenceClassifier(head())

    def refuse(_):
        raise ValueError("Angles must be fewer.")

    monkeypatch.setattr(module.head, "forward", refuse)
    with pytest.raises(ValueError, match="fewer"):
        fitted(data, tmp_path, monkeypatch, module=module)


def test_a_fit_that_stays_finite_has_no_divergence(data, tmp_path, monkeypatch):
    module, _ = fitted(data, tmp_path, monkeypatch)
    assert module.divergence is None
    assert module.notices == []


@pytest.mark.parametrize(("fn", "part"), [("validate", "validation"), ("test", "test")])
def test_finite_weights_whose_outputs_are_not_have_no_scores(data, fn, part):
    module, running = SentenceClassifier(LinearHead(num_features=8)), trainer()
    module.head.linear.weight.data.fill_(3e38)
    getattr(running, fn)(module, data(), verbose=False)
    assert f"its loss on the {part} sentences is not a finite number" in module.divergence.text
    scores = {name: value for name, value in running.callback_metrics.items() if "/" in name}
    assert scores
    assert all(value.isnan() for value in scores.values())


# --- scores ---


@pytest.mark.parametrize("num_classes", [2, 3])
@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_one_sentence_that_is_not_finite_leaves_no_score(num_classes, value):
    scores = Scores(num_classes)
    logits = torch.zeros(5, 1 if num_classes == 2 else 3)
    logits[3, 0] = value
    labels = torch.tensor([0, 1, 0, 1, 0])
    scores.add(logits, labels, torch.ones(5))  # a loss that does not show it
    assert all(each.isnan() for each in scores.compute().values())
    assert not scores.is_finite
    scores.confusion_counts()
    scores.add(torch.zeros_like(logits), labels, torch.ones(5))
    assert all(each.isfinite() for each in scores.compute().values())
    assert scores.is_finite


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_one_loss_that_is_not_finite_is_not_left_out_of_the_mean(value):
    scores = Scores(2, full=False)
    scores.add(torch.zeros(3, 1), torch.tensor([0, 1, 1]), torch.tensor([0.5, value, 0.5]))
    assert all(each.isnan() for each in scores.compute().values())


# --- what is told of weights and values ---


def test_the_first_weight_that_is_not_finite_is_named():
    module = torch.nn.Linear(2, 1)
    module.register_buffer("mean", torch.zeros(2))
    assert weight_beyond(torch.inf, head=module, body=None) is None
    module.mean[1] = torch.inf
    assert weight_beyond(torch.inf, head=module, body=None) == "head.mean"


def test_weights_of_a_diverged_training_are_refused():
    module = SentenceClassifier(head())
    saved = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    saved["head.linear.bias"][:] = torch.nan
    with pytest.raises(ValueError, match=r"^The checkpoint's weight head.linear.bias is not finite: its training"):
        check_weights(module, saved)


def test_a_number_that_stands_for_infinity_is_none():
    assert is_finite(-3.5)
    assert not any(is_finite(value) for value in (float("nan"), float("inf"), 1.7976931348623157e308))
