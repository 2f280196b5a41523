"""Which epochs are kept, and when."""

import pytest
import torch
from training.small import head, trainer

from qlit.training.checkpoints import best_and_last
from qlit.training.checkpoints.best_and_last import BestAndLast
from qlit.training.module import SentenceClassifier

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*treespec, LeafSpec.*:FutureWarning",  # Lightning 2.6 with torch 2.13
)


def fitted(data, folder, monkeypatch, accuracies, interval_s, losses=None, select_by="accuracy", **kwargs):
    """The epochs at which `last.ckpt` was written, and the checkpoints, of a fit with these validation accuracies."""
    monkeypatch.setattr(best_and_last, "_LAST_EVERY_S", interval_s)
    module, keeping = SentenceClassifier(head(), select_by=select_by), BestAndLast()
    keeping.dirpath = str(folder)
    scores = zip(accuracies, losses or [0.5] * len(accuracies), strict=True)
    monkeypatch.setattr(
        module.scores_of("val"),
        "compute",
        lambda: dict(zip(("accuracy", "loss"), map(torch.tensor, next(scores)), strict=True)),
    )
    running = trainer(enable_checkpointing=True, callbacks=[keeping], **{"max_epochs": len(accuracies), **kwargs})
    written, save = [], running.save_checkpoint

    def saved(path, *args):
        written.append((path.rsplit("/", 1)[1], running.current_epoch))
        save(path, *args)

    monkeypatch.setattr(running, "save_checkpoint", saved)
    running.fit(module, data())
    epochs = {name: torch.load(folder / f"{name}.ckpt", weights_only=True)["epoch"] for name in ("best", "last")}
    assert keeping.last_model_path == str(folder / "last.ckpt")
    return [epoch for name, epoch in written if name == "last.ckpt"], epochs


def test_the_last_checkpoint_is_of_every_epoch_whether_or_not_it_is_the_best(data, tmp_path, monkeypatch):
    written, epochs = fitted(data, tmp_path, monkeypatch, [0.5, 0.9, 0.7, 0.6], 0.0)
    assert written == [0, 1, 2, 3]
    assert epochs == {"best": 1, "last": 3}


@pytest.mark.parametrize(("rule", "best"), [("accuracy", 2), ("loss", 4)])
def test_the_best_epoch_is_that_of_the_chosen_score(data, tmp_path, monkeypatch, rule, best):
    accuracies, losses = [0.5, 0.9, 0.9, 0.7, 0.8, 0.8], [0.6, 0.5, 0.4, 0.3, 0.25, 0.25]
    _, epochs = fitted(data, tmp_path, monkeypatch, accuracies, 1e9, losses, rule)
    assert epochs["best"] == best  # ties of the first score go to the better second one, then to the earlier epoch


def test_epochs_shorter_than_the_interval_share_one_and_the_final_one_has_its_own(data, tmp_path, monkeypatch):
    written, epochs = fitted(data, tmp_path, monkeypatch, [0.5, 0.9, 0.7, 0.6], 1e9)
    assert written == [0, 3]
    assert epochs == {"best": 1, "last": 3}


@pytest.mark.parametrize("settings", [{"max_steps": 8}, {"max_epochs": -1, "max_steps": 8}], ids=str)
def test_a_limit_of_steps_makes_an_epoch_the_final_one(data, tmp_path, monkeypatch, settings):
    written, epochs = fitted(data, tmp_path, monkeypatch, [0.5, 0.9, 0.7], 1e9, **settings)
    assert written == [0, 1]
    assert epochs["last"] == 1
