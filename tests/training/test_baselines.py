"""Heads that scikit-learn fits, on a real trainer, a real data module and a body of eleven words."""

from types import SimpleNamespace

import pytest
import torch
from tiny_body import EMBEDDING_DIM
from training.small import trainer

from qlit.heads import LogisticRegressionHead, SVCHead
from qlit.jobs.callbacks.recorder import parameter_counts
from qlit.training.baselines import fit_estimator
from qlit.training.checkpoints.best_and_last import BestAndLast
from qlit.training.module import SentenceClassifier

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*treespec, LeafSpec.*:FutureWarning",  # Lightning 2.6 with torch 2.13
)


def logistic(**kwargs):
    return LogisticRegressionHead(num_features=EMBEDDING_DIM, **kwargs)


@pytest.mark.parametrize("make", [logistic, SVCHead])
def test_a_fit_scores_every_split_and_leaves_a_checkpoint(data, tmp_path, make):
    module, few = SentenceClassifier(make()), data()
    running = trainer(
        max_epochs=1, enable_checkpointing=True, callbacks=[BestAndLast()], default_root_dir=str(tmp_path)
    )
    running.fit(module, few)
    for name in ("train/loss", "train/accuracy", "val/accuracy", "val/f1", "val/auroc", "val/calibration_error"):
        ((epoch, value),) = module.history[name]
        assert epoch == 0
        assert value >= 0
    embeddings, labels = few.train_embeddings, few.train_labels
    accuracy = ((module(embeddings)[:, 0] > 0) == labels.bool()).double().mean().item()
    assert module.history["train/accuracy"][0][1] == pytest.approx(accuracy)
    assert parameter_counts(module)["total"] == module.head.num_parameters
    assert torch.isfinite(torch.tensor(list(running.callback_metrics.values()))).all()

    restored, again = SentenceClassifier(make()), trainer()
    best = running.checkpoint_callback.best_model_path
    restored.load_state_dict(torch.load(best, weights_only=True)["state_dict"])
    assert again.test(restored, few, verbose=False) == again.test(module, few, verbose=False)


@pytest.mark.parametrize(
    ("settings", "options", "message"),
    [
        ({"max_epochs": 800}, {}, r"SVCHead is fitted only once, so `trainer.max_epochs` must be 1, but is 800\."),
        (
            {"max_epochs": 1},
            {"trainable_body": True},
            "SVCHead is fitted only once, but a trainable body changes the embeddings",
        ),
    ],
)
def test_what_a_single_fit_cannot_do_is_refused(data, settings, options, message):
    with pytest.raises(ValueError, match=message):
        trainer(**settings).fit(SentenceClassifier(SVCHead()), data(**options))


def test_several_processes_are_refused(data):
    running = SimpleNamespace(max_epochs=1, world_size=2)
    with pytest.raises(ValueError, match=r"is fitted in one process, but there are 2: set `trainer.devices` to 1"):
        fit_estimator(SVCHead(), data(), running)
