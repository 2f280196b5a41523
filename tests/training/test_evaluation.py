"""What validations and tests leave behind: scores of the weights that were scored, and of how many sentences."""

import math
import re

import pytest
import torch
from lightning.pytorch.loggers.logger import Logger
from training.small import head, trainer

from qlit.jobs.summary import evaluation_summary, fit_summary
from qlit.training.checkpoints.best_and_last import BestAndLast
from qlit.training.evaluation import Evaluation
from qlit.training.module import SentenceClassifier
from qlit.training.progress import scores_text

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*treespec, LeafSpec.*:FutureWarning",  # Lightning 2.6 with torch 2.13
    "ignore:No (positive|negative) samples.*:UserWarning",  # a part of a few sentences
)


class Logged(Logger):
    """(step, value) of what is logged, by name."""

    name, version = "logged", "0"

    def __init__(self):
        super().__init__()
        self.values = {}

    def log_metrics(self, metrics, step=None):
        for name, value in metrics.items():
            self.values.setdefault(name, []).append((step, value))

    def log_hyperparams(self, *_args, **_kwargs): ...


def fitted(data, folder, select_by="accuracy", **kwargs):
    """Module, data, trainer, callback and logger of a fit whose accuracy moves."""
    module, keeping, logged = SentenceClassifier(head(shots=None), lr=0.3, select_by=select_by), BestAndLast(), Logged()
    keeping.dirpath = str(folder)
    made = data()
    running = trainer(enable_checkpointing=True, logger=logged, log_every_n_steps=1, callbacks=[keeping], **kwargs)
    running.fit(module, made)
    return module, made, running, keeping, logged


def test_a_sanity_check_is_no_epoch(data, tmp_path):
    module, _, _, keeping, logged = fitted(data, tmp_path, num_sanity_val_steps=-1, max_epochs=3)
    assert [step for step, _ in logged.values["val/accuracy"]] == [0, 1, 2]
    assert [epoch for epoch, _ in module.history["val/loss"]] == [0, 1, 2]
    assert keeping.best.scores["val/accuracy"] == max(value for _, value in module.history["val/accuracy"])


@pytest.mark.parametrize(
    ("settings", "num_validations"),
    [
        ({"val_check_interval": 0.25}, 12),  # 4 batches an epoch
        ({"val_check_interval": 3}, 3),
        ({"val_check_interval": 5, "check_val_every_n_epoch": None}, 2),
        ({"check_val_every_n_epoch": 2}, 1),
    ],
    ids=str,
)
def test_the_best_checkpoint_has_the_scores_that_are_told_of_it(data, tmp_path, settings, num_validations):
    module, made, running, keeping, logged = fitted(data, tmp_path, max_epochs=3, **settings)
    saved = torch.load(tmp_path / "best.ckpt", weights_only=True)
    assert Evaluation.of_checkpoint(saved) == keeping.best
    assert (saved["epoch"], saved["global_step"]) == (keeping.best.epoch, keeping.best.step)
    ranked = zip(module.history["val/accuracy"], module.history["val/loss"], strict=True)
    position, accuracy = max((a, -loss, -place) for (place, a), (_, loss) in ranked)[2], keeping.best.scores
    assert keeping.best.position == -position
    assert keeping.best.step == pytest.approx(4 * (1 - position))
    steps = [step for step, _ in logged.values["val/loss"]]
    assert len(set(steps)) == len(steps) == num_validations
    (again,) = running.validate(module, made, ckpt_path=str(tmp_path / "best.ckpt"), verbose=False)
    assert again["val/accuracy"] == accuracy["val/accuracy"]
    assert again["val/loss"] == accuracy["val/loss"]


def test_the_best_checkpoint_is_that_of_the_lowest_loss_if_the_loss_selects(data, tmp_path):
    module, _, running, keeping, _ = fitted(data, tmp_path, max_epochs=4, select_by="loss")
    losses = dict(module.history["val/loss"])
    epoch = min(losses, key=losses.get)
    assert keeping.best.epoch == epoch
    assert torch.load(tmp_path / "best.ckpt", weights_only=True)["epoch"] == epoch
    assert keeping.best.scores["val/selection"] == -losses[epoch]
    assert running.callback_metrics["val/selection"].item() == -losses[3]
    text = fit_summary(module, running.datamodule, None, "best.ckpt", keeping.best, {})
    assert f"best epoch          {epoch} (lowest validation loss of 4, counted from 0)" in text
    assert f"best loss {losses[epoch]:.3f}" in scores_text(module)


def test_a_stale_validation_makes_no_checkpoint(data, tmp_path):
    *_, running, keeping, _ = fitted(data, tmp_path, max_epochs=3, check_val_every_n_epoch=2)
    assert (keeping.best.epoch, running.global_step) == (1, 12)


def test_counts_are_those_of_the_sentences_seen(data, tmp_path):
    module, made, running, keeping, _ = fitted(
        lambda: data(eval_batch_size=4), tmp_path, limit_val_batches=1, limit_test_batches=2
    )
    (tested,) = running.test(module, made, ckpt_path=str(tmp_path / "best.ckpt"), verbose=False)
    assert (keeping.best.num_seen, module.evaluations["test"].num_seen) == (4, 8)
    text = fit_summary(module, made, None, "best.ckpt", keeping.best, tested)
    assert "4 of 7 sentences)" in text
    assert "8 of 36 sentences)" in text
    assert {notice.key for notice in module.notices} == {"validation_limited", "test_limited"}
    assert "8 of 36 sentences)" in evaluation_summary(module, made, None, "test", tested)


def test_a_summary_has_the_majority_class_and_the_scores_of_every_label(data, tmp_path):
    module, made, running, keeping, _ = fitted(data, tmp_path, max_epochs=1)
    text = fit_summary(module, made, None, "", keeping.best, {})
    (line,) = re.findall(r"    majority class    (\S+)% \(always answering (\w+)\)", text)
    labels = [made.texts.labels[row] for row in made.split.validation]
    share = labels.count(made.texts.label_names.index(line[1])) / len(labels)
    assert float(line[0]) == pytest.approx(100 * share, abs=0.005)
    assert share >= 0.5
    (tested,) = running.test(module, made, ckpt_path=str(tmp_path / "best.ckpt"), verbose=False)
    counts = module.scores_of("test").confusion_counts()
    assert counts.sum() == len(made.split.test)
    text = evaluation_summary(module, made, None, "test", tested)
    rows = re.findall(r"^    (\w+) +([\d.]+) +([\d.]+) +([\d.]+) +(\d+)$", text, re.MULTILINE)
    assert [name for name, *_ in rows] == list(made.texts.label_names)
    assert [int(number) for *_, number in rows] == counts.sum(dim=1).tolist()
    assert float(rows[1][3]) == pytest.approx(tested["test/f1"], abs=5e-4)  # of class 1
    assert f"{counts.sum(dim=1).max() / counts.sum():.2%}" in text


def test_without_a_checkpoint_the_summary_tells_the_weights_that_were_tested(data, tmp_path):
    module, made, _, keeping, _ = fitted(data, tmp_path, max_epochs=3)
    text = fit_summary(module, made, None, "", None, {})
    assert "last epoch          2 (of 3, counted from 0)" in text
    assert f"validation accuracy {module.history['val/accuracy'][-1][1]:.2%}" in text
    kept = fit_summary(module, made, None, "best.ckpt", keeping.best, {})
    assert f"best epoch          {keeping.best.epoch} (of 3, counted from 0)" in kept


def test_the_scores_of_an_older_checkpoint_are_those_of_its_epoch():
    history = {"val/accuracy": [(0, 0.4), (0, 0.5), (1, 0.9)], "val/loss": [(0, 2.0), (0, 1.0), (1, 0.1)]}
    saved = {
        "epoch": 0,
        "global_step": 4,
        "callbacks": {"BestAndLast": {"best_model_score": torch.tensor(0.51, dtype=torch.float64)}},
        "qlit": {"history": history},
    }
    found = Evaluation.of_checkpoint(saved, is_best=True)
    assert found == Evaluation(0, 0, 4, None, {"val/accuracy": 0.5, "val/loss": 1.0, "val/selection": 0.51})
    assert Evaluation.of_checkpoint(saved).scores["val/selection"] == 0.5
    assert Evaluation.of_checkpoint({**saved, "epoch": 2}) is None


def validated(accuracy, loss, selection=0.0):
    return Evaluation(1, 1, 8, None, {"val/accuracy": accuracy, "val/loss": loss, "val/selection": selection})


def test_the_rule_decides_which_validation_is_better_whatever_rule_computed_its_selection():
    accurate, sure, nan = (
        validated(0.6, 0.9, selection=-0.9),
        validated(0.5, 0.4, selection=7),
        validated(0.6, math.nan),
    )
    assert accurate.is_better_than(sure)
    assert not sure.is_better_than(accurate)
    assert sure.is_better_than(accurate, "loss")
    assert not accurate.is_better_than(sure, "loss")
    for rule in ("accuracy", "loss"):
        assert accurate.is_better_than(validated(0.6, 1.0), rule)
        assert accurate.is_better_than(validated(0.5, 0.9), rule)
        assert not accurate.is_better_than(accurate, rule)  # among equals, the earliest
        assert accurate.is_better_than(nan, rule)
        assert not nan.is_better_than(accurate, rule)
