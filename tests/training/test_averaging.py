"""Averaged weights: validations, checkpoints, resumes and tests use the same ones."""

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.callbacks import EMAWeightAveraging, WeightAveraging
from lightning.pytorch.loops.training_epoch_loop import _TrainingEpochLoop
from tiny_body import EMBEDDING_DIM
from training.small import head, trainer

from qlit.training.averaging import CURRENT, AveragedWeights
from qlit.training.checkpoints.best_and_last import BestAndLast
from qlit.training.checkpoints.notes import check_structure
from qlit.training.epoch_loop import use_direct_steps
from qlit.training.evaluation import Evaluation
from qlit.training.module import SentenceClassifier

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*treespec, LeafSpec.*:FutureWarning",  # Lightning 2.6 with torch 2.13
    "ignore:Checkpoint directory .* exists:UserWarning",
)

KINDS = {
    "ema": lambda: EMAWeightAveraging(decay=0.8),
    "late": lambda: EMAWeightAveraging(decay=0.8, update_starting_at_step=6),
    "seldom": lambda: EMAWeightAveraging(decay=0.8, update_every_n_steps=3),
    "epochs": lambda: EMAWeightAveraging(decay=0.8, update_starting_at_step=10**6, update_starting_at_epoch=1),
    "mean": WeightAveraging,
}


class Steps(pl.Callback):
    """The trained weights after every step, and the validated ones of every epoch."""

    def __init__(self):
        self.trained, self.validated = [], []

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):  # noqa: ARG002
        self.trained.append(weights_of(pl_module))

    def on_validation_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):  # noqa: ARG002
        self.validated.append(weights_of(pl_module))


def weights_of(module):
    return {name: value.detach().clone() for name, value in module.named_parameters()}


def assert_same(one, other):
    assert one.keys() == other.keys()
    assert all(torch.equal(value, other[name]) for name, value in one.items())


def fitted(data, folder, averaging, *others, epochs=4, resumed_from=None, make=head, direct=True, **settings):
    """Module, trainer and `BestAndLast` after a fit."""
    pl.seed_everything(3, verbose=False)
    module, keeping = SentenceClassifier(make(shots=None), lr=0.1), BestAndLast(resumed_from)
    module.checkpoint_notes = {"config": "model: {}", "run_id": None, "split_fingerprint": "x"}
    keeping.dirpath = str(folder)
    callbacks = [AveragedWeights(), averaging, *others, keeping]
    running = trainer(enable_checkpointing=True, max_epochs=epochs, callbacks=callbacks, **settings)
    if direct:
        use_direct_steps(running)
    running.fit(module, data(), ckpt_path=resumed_from, weights_only=True)
    return module, running, keeping


def loaded(folder, name="last"):
    return torch.load(folder / f"{name}.ckpt", weights_only=True)


@pytest.mark.parametrize("kind", KINDS)
def test_the_best_checkpoint_has_the_averages_that_were_scored_and_the_test_uses_them(data, tmp_path, kind):
    _, running, keeping = fitted(data, tmp_path, KINDS[kind]())
    saved = loaded(tmp_path, "best")
    assert Evaluation.of_checkpoint(saved) == keeping.best
    if keeping.best.step > 8:
        assert not all(torch.equal(value, saved[CURRENT][name]) for name, value in saved["state_dict"].items())
    (tested,) = running.test(running.lightning_module, data(), ckpt_path=tmp_path / "best.ckpt", verbose=False)
    other = SentenceClassifier(head(shots=None))
    other.load_state_dict(saved["state_dict"])
    (validated,) = trainer().validate(other, data(), verbose=False)
    assert validated["val/loss"] == keeping.best.scores["val/loss"]
    (again,) = trainer().test(other, data(), verbose=False)
    assert tested == again


def test_the_averages_are_those_of_a_calculation_by_hand(data, tmp_path):
    steps = Steps()
    fitted(data, tmp_path, KINDS["late"](), steps, epochs=3)
    assert_same(steps.validated[0], steps.trained[3])  # before the first update, the present weights
    average = steps.trained[6]
    for trained in steps.trained[7:]:
        average = {name: 0.8 * value + 0.2 * trained[name] for name, value in average.items()}
    saved = loaded(tmp_path)
    for name, value in average.items():
        torch.testing.assert_close(saved["state_dict"][name], value, rtol=0, atol=1e-6)  # float32, 6 steps
        assert torch.equal(saved[CURRENT][name], steps.trained[-1][name])


def test_an_update_at_the_end_of_an_epoch_is_scored_in_the_same_epoch(data, tmp_path):
    steps = Steps()
    fitted(data, tmp_path, KINDS["epochs"](), steps, epochs=4)
    ends = steps.trained[3::4]
    assert_same(steps.validated[0], ends[0])
    assert_same(steps.validated[1], ends[1])
    for name, value in steps.validated[2].items():
        torch.testing.assert_close(value, 0.8 * ends[1][name] + 0.2 * ends[2][name], rtol=0, atol=1e-6)
    assert loaded(tmp_path)["averaging_state"]["n_averaged"] == 3


@pytest.mark.parametrize("kind", KINDS)
def test_a_resumed_training_equals_an_uninterrupted_one_in_both_loops(data, tmp_path, kind, monkeypatch):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    with monkeypatch.context() as patch:
        patch.setattr(_TrainingEpochLoop, "advance", lambda *_: pytest.fail("Lightning's loop ran"))
        fitted(data, whole, KINDS[kind]())
    fitted(data, parts, KINDS[kind](), epochs=2, direct=False)
    fitted(data, parts, KINDS[kind](), resumed_from=parts / "last.ckpt")
    for name in ("best", "last"):
        ours, theirs = loaded(parts, name), loaded(whole, name)
        for key in ("state_dict", CURRENT, "averaging_state"):
            assert_same(ours[key], theirs[key])
        assert ours["qlit"] == theirs["qlit"]
        assert ours["callbacks"]["EMAWeightAveraging" if kind != "mean" else "WeightAveraging"]
    assert check_structure(loaded(whole)) is None


def test_a_fitted_centre_and_other_constant_buffers_stay_exact(data, tmp_path):
    def centred(**kwargs):
        return head(center=True, pad_with=0.1, **kwargs)

    module, *_ = fitted(data, tmp_path, EMAWeightAveraging(decay=0.9), make=centred, epochs=8)
    saved, buffers = loaded(tmp_path), dict(module.named_buffers())
    assert any(buffer.numel() == EMBEDDING_DIM for buffer in buffers.values())
    assert all(torch.equal(saved["state_dict"][name], saved[CURRENT][name]) for name in buffers)


def test_averages_that_begin_at_a_resume_are_noted(data, tmp_path):
    keeping = BestAndLast()
    keeping.dirpath = str(tmp_path)
    module = SentenceClassifier(head(shots=None), lr=0.1)
    module.checkpoint_notes = {"config": "model: {}", "run_id": None, "split_fingerprint": "x"}
    trainer(enable_checkpointing=True, callbacks=[keeping]).fit(module, data())
    module, *_ = fitted(data, tmp_path, KINDS["ema"](), resumed_from=tmp_path / "last.ckpt")
    (notice,) = module.notices
    assert notice.text.startswith("EMAWeightAveraging starts with the weights of the resumed checkpoint")
    assert loaded(tmp_path)["averaging_state"]["n_averaged"] == 8


@pytest.mark.parametrize("wrong", [{}, {"n_averaged": 5}, {"n_averaged": torch.ones(2)}, {"n": torch.tensor(1)}, None])
def test_a_malformed_state_of_averages_is_named(wrong):
    with pytest.raises(ValueError, match="its `averaging_state` must be the number of averaged weights"):
        check_structure({"state_dict": {}, "qlit": {}, "averaging_state": wrong})


def test_without_checkpoints_the_last_averages_remain(data):
    steps = Steps()
    module, running = (
        SentenceClassifier(head(shots=None), lr=0.1),
        trainer(callbacks=[AveragedWeights(), KINDS["ema"](), steps]),
    )
    running.fit(module, data())
    assert_same(weights_of(module), steps.validated[-1])
    assert not torch.equal(weights_of(module)["head.pqc.theta"], steps.trained[-1]["head.pqc.theta"])
