"""The module on a real trainer, a real data module and a body of eleven words."""

import lightning.pytorch as pl
import pytest
import torch
from tiny_body import EMBEDDING_DIM
from training.small import head, trainer

from qlit.data import EmbeddingCache
from qlit.engines.shots import Shots
from qlit.training.checkpoints.weights import check_weights
from qlit.training.module import SentenceClassifier

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*treespec, LeafSpec.*:FutureWarning",  # Lightning 2.6 with torch 2.13
)


# --- what is refused ---


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"lr": 0.0}, r"`lr > 0` must hold, but got lr=0\.0"),
        ({"lr": float("nan")}, "`lr > 0` must hold, but got lr=nan"),
        ({"body_lr": -1e-5}, r"`body_lr > 0` must hold, but got body_lr=-1e-05"),
        ({"lr_decay": 0.0}, r"`0 < lr_decay <= 1` must hold, but got lr_decay=0\.0; 1 keeps the learning rate"),
        ({"lr_decay": 1.1}, r"lr_decay=1\.1"),
        ({"select_by": "f1"}, "`select_by` must be one of accuracy, loss, but got 'f1'"),
        ({"weight_decay": -0.1}, r"`weight_decay >= 0` must hold, but got weight_decay=-0\.1"),
    ],
)
def test_numbers_out_of_range_are_refused(setting, message):
    with pytest.raises(ValueError, match=message):
        SentenceClassifier(head(), **setting)


def test_the_edges_of_the_ranges_are_allowed():
    assert SentenceClassifier(head(), lr_decay=1.0, weight_decay=0.0).lr_decay == 1


@pytest.mark.parametrize("fn", ["fit", "validate", "test"])
def test_a_head_for_other_data_is_refused_before_any_step(data, fn):
    three = SentenceClassifier(head(num_classes=3))
    message = r"data has 2 classes \(0, 1\), but the head has num_classes=3. Set the head's `num_classes` to 2\."
    with pytest.raises(ValueError, match=message):
        getattr(trainer(), fn)(three, data())
    small = SentenceClassifier(head(num_qubits=2))
    with pytest.raises(ValueError, match=f"{EMBEDDING_DIM} features needs num_qubits >= 3, .* has num_qubits=2"):
        getattr(trainer(), fn)(small, data())


@pytest.mark.parametrize(
    ("refused", "settings", "message"),
    [
        ({"num_classes": 3}, {}, "data has 2 classes"),
        ({"num_qubits": 2}, {}, "features needs num_qubits >= 3"),
        (
            {},
            {"limit_test_batches": 0.5},
            r"limit_test_batches` 0.5 of 1 batch \(36 sentences, eval_batch_size",
        ),
        ({}, {"overfit_batches": 0.5}, r"`trainer.overfit_batches` 0.5 of 1 batch \(7 sentences"),
    ],
)
def test_what_the_files_tell_is_refused_before_a_sentence_is_embedded(
    data, tmp_path, monkeypatch, refused, settings, message
):
    monkeypatch.setattr(EmbeddingCache, "embed", lambda *_, **__: pytest.fail("sentences are embedded"))
    with pytest.raises(ValueError, match=message):
        trainer(**settings).fit(SentenceClassifier(head(**refused)), data(cache_dir=str(tmp_path / "cache")))


def test_shots_without_gradients_are_refused_before_a_sentence_is_embedded(data, monkeypatch):
    monkeypatch.setattr(EmbeddingCache, "embed", lambda *_, **__: pytest.fail("sentences are embedded"))
    counting = head()
    counting.pqc.shots = Shots(100, "multinomial")
    with pytest.raises(ValueError, match="multinomial sampler blocks gradients"):
        trainer().fit(SentenceClassifier(counting), data())


def test_a_mean_that_is_fitted_once_does_not_suit_a_body_that_moves(data):
    centred = SentenceClassifier(head(center=True))
    with pytest.raises(ValueError, match=r"^Centering is fitted only once.*, or `trainable_body: false`\."):
        trainer().fit(centred, data(trainable_body=True))


def weights(**changes):
    own = SentenceClassifier(head()).state_dict()
    return {name: tensor for name, tensor in {**own, **changes}.items() if tensor is not None}


@pytest.mark.parametrize(
    ("saved", "problem"),
    [
        (weights(**{"head.linear.bias": None}), "head.linear.bias is only here"),
        (weights(**{"head.other": torch.ones(1)}), "head.other is only there"),
        (
            weights(**{"head.pqc.theta": torch.ones(5)}),
            r"head.pqc.theta has shape \(5,\) there and \(14,\) here",
        ),
        (
            weights(**{"head.linear.bias": None, "head.linear.weight": None, "head.other": torch.ones(1)}),
            "head.linear.bias is only here; head.other is only there",
        ),
        ({}, "head.encoder.angle_scale is only here"),
    ],
)
def test_weights_of_another_model_are_refused_in_one_sentence(saved, problem):
    message = f"^The model in the checkpoint differs from the config: {problem}. Use the config of its run: leave"
    with pytest.raises(ValueError, match=message):
        check_weights(SentenceClassifier(head()), saved)


def test_weights_of_earlier_versions_are_taken_if_their_centring_is_that_of_the_head():
    check_weights(SentenceClassifier(head()), weights())
    check_weights(SentenceClassifier(head()), weights(**{"head.encoder.mean": torch.zeros(0)}))
    check_weights(SentenceClassifier(head(center=True)), weights(**{"head.encoder.mean": torch.ones(8)}))
    with pytest.raises(ValueError, match=r"head\.encoder\.mean is only there"):
        check_weights(SentenceClassifier(head()), weights(**{"head.encoder.mean": torch.ones(8)}))
    with pytest.raises(ValueError, match=r"head\.preprocessing\.mean is only here"):
        check_weights(SentenceClassifier(head(center=True)), weights())


# --- which epoch is kept ---


def selection(data, monkeypatch, accuracy, loss):
    """`val/selection` as checkpoints see it, of given scores."""
    module, running = SentenceClassifier(head()), trainer()
    scores = {
        name: torch.tensor(value, dtype=torch.float64) for name, value in (("accuracy", accuracy), ("loss", loss))
    }
    monkeypatch.setattr(module.scores_of("val"), "compute", lambda: scores)
    running.validate(module, data(), verbose=False)
    return running.callback_metrics["val/selection"].item()


def test_the_higher_accuracy_is_selected_whatever_the_losses(data, monkeypatch):
    worse = selection(data, monkeypatch, 5 / 7, 0.0)
    better = selection(data, monkeypatch, 6 / 7, 1e9)
    assert worse < better


def test_among_equal_accuracies_the_lower_loss_is_selected_exactly(data, monkeypatch):
    chosen = [selection(data, monkeypatch, 6 / 7, loss) for loss in (0.5, 0.5 - 1e-9, 0.5 + 1e-9, 3.0, 3.0 + 1e-9)]
    assert sorted(chosen, reverse=True) == [chosen[k] for k in (1, 0, 2, 3, 4)]
    assert len(set(chosen)) == 5


# --- training ---


class Watch(pl.Callback):
    """Keeps what training saw: labels and losses by epoch."""

    def __init__(self):
        self.inputs, self.losses = {}, {}

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):  # noqa: ARG002
        self.inputs.setdefault(trainer.current_epoch, []).append(batch.inputs)
        self.losses.setdefault(trainer.current_epoch, []).append(outputs["loss"].item() * batch.num_rows)


def test_a_fit_sees_all_sentences_in_another_order_each_epoch_and_keeps_its_history(data):
    module, watch = SentenceClassifier(head()), Watch()
    running = trainer(callbacks=[watch])
    running.fit(module, data())
    first, second = (torch.cat(watch.inputs[epoch]) for epoch in (0, 1))
    assert first.shape == (17, EMBEDDING_DIM)
    assert not torch.equal(first, second)
    assert torch.equal(first.sort(dim=0).values, second.sort(dim=0).values)
    assert [epoch for epoch, _ in module.history["val/auroc"]] == [0, 1]
    for epoch, mean in module.history["train/loss"]:
        assert mean == pytest.approx(sum(watch.losses[epoch]) / 17, abs=1e-6)


def test_evaluations_draw_the_same_shots_and_epochs_of_training_do_not(data):
    module, running = SentenceClassifier(head(shots=5)), trainer(max_epochs=3)
    running.validate(module, data(), verbose=False)
    before = running.callback_metrics["val/loss"].item()
    running.validate(module, data(), verbose=False)
    assert running.callback_metrics["val/loss"].item() == before
    trained = SentenceClassifier(head(shots=5)), trainer(max_epochs=2, limit_train_batches=1)
    draws = []
    trained[0].head.seed_shots = lambda *numbers: draws.append(numbers)
    trained[1].fit(trained[0], data())
    (first, validated, second, again) = draws
    assert validated == again
    assert len({first[0], second[0], validated[0]}) == 3


def test_learning_rates_decay_once_an_epoch_and_a_trainable_body_has_its_own(data):
    module, running = SentenceClassifier(head(), lr=0.1, lr_decay=0.5, body_lr=0.01), trainer(max_epochs=2)
    running.fit(module, data(trainable_body=True))
    (optimizer,) = running.optimizers
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.1 * 0.5**2, 0.01 * 0.5**2])
    assert {id(p) for p in optimizer.param_groups[1]["params"]} == {id(p) for p in module.body.parameters()}


def test_a_trainable_body_is_in_training_mode_while_it_trains(data):
    modes = []
    watch = pl.callbacks.LambdaCallback(
        on_train_batch_start=lambda _, module, *__: modes.extend(part.training for part in module.body.modules())
    )
    trainer(callbacks=[watch]).fit(SentenceClassifier(head()), data(trainable_body=True))
    assert modes
    assert all(modes)
