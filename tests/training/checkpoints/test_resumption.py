"""Settings and checkpoints of a training that goes on: those given now, wherever its folder lies."""

import copy
import shutil

import pytest
import torch
import yaml
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from training.small import head, trainer

from qlit.training.checkpoints.best_and_last import BestAndLast
from qlit.training.checkpoints.resumption import Resumption, changed_settings
from qlit.training.evaluation import Evaluation
from qlit.training.module import SentenceClassifier

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*treespec, LeafSpec.*:FutureWarning",  # Lightning 2.6 with torch 2.13
    "ignore:Checkpoint directory .* exists:UserWarning",
)


def config(callbacks=(), **model):
    entries = [{"class_path": name, "init_args": arguments} for name, arguments in callbacks]
    settings = {"lr": 0.01, "lr_decay": 1.0, "weight_decay": 0.0, "body_lr": 2e-5, **model}
    return yaml.safe_dump({"model": settings, "data": {}, "trainer": {"callbacks": entries}, "seed_everything": 1})


def trained(data, folder, *, epochs, resumed_from=None, callbacks=(), others=(), **model):
    """Module, trainer and `BestAndLast` after a fit whose checkpoints lie in `folder`."""
    module = SentenceClassifier(head(shots=None), **{"lr": 0.01, **model})
    text = config(callbacks, **model)
    module.checkpoint_notes = {"config": text, "run_id": None, "split_fingerprint": "x"}
    keeping = BestAndLast(resumed_from)
    keeping.dirpath = str(folder)
    resumption = [Resumption(resumed_from, text, others)] if resumed_from else []
    running = trainer(enable_checkpointing=True, max_epochs=epochs, callbacks=[*resumption, keeping, *others])
    running.fit(module, data(), ckpt_path=resumed_from)
    return module, running, keeping


def optimizer_of(folder):
    saved = torch.load(folder / "last.ckpt", weights_only=True)
    (group,) = saved["optimizer_states"][0]["param_groups"]
    return group, saved["lr_schedulers"]


def test_a_learning_rate_and_a_weight_decay_that_are_given_win_with_the_decay_so_far(data, tmp_path):
    trained(data, tmp_path, epochs=2, lr_decay=0.5)
    settings = {"lr": 0.2, "lr_decay": 0.5, "weight_decay": 0.1}
    module, _, _ = trained(data, tmp_path, epochs=3, resumed_from=tmp_path / "last.ckpt", **settings)
    group, (schedule,) = optimizer_of(tmp_path)
    assert group["lr"] == pytest.approx(0.2 * 0.5**3)  # the rate of the epoch to come
    assert (group["weight_decay"], group["initial_lr"]) == (0.1, 0.2)
    assert (schedule["gamma"], schedule["base_lrs"], schedule["last_epoch"]) == (0.5, [0.2], 3)
    (notice,) = module.notices
    assert notice.key == "resumed"
    assert "after epoch 1 with other settings: model.lr 0.2 instead of 0.01, model.weight_decay 0.1" in notice.text
    assert "continues at 0.05." in notice.text


@pytest.mark.parametrize(("before", "now", "rate"), [(0.5, 0.9, 0.25 * 0.9), (1.0, 0.5, 0.5), (0.5, 1.0, 0.25)])
def test_a_decay_that_is_given_acts_from_now_on(data, tmp_path, before, now, rate):
    trained(data, tmp_path, epochs=2, lr_decay=before)
    trained(data, tmp_path, epochs=3, resumed_from=tmp_path / "last.ckpt", lr_decay=now)
    group, _ = optimizer_of(tmp_path)
    assert group["lr"] == pytest.approx(0.01 * rate)


def test_a_resume_with_the_same_settings_repeats_an_undisturbed_training_and_says_nothing(data, tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    reference, *_ = trained(data, whole, epochs=4, lr_decay=0.7)
    trained(data, parts, epochs=2, lr_decay=0.7)
    module, *_ = trained(data, parts, epochs=4, resumed_from=parts / "last.ckpt", lr_decay=0.7)
    ours, theirs = module.state_dict(), reference.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert optimizer_of(parts)[0]["lr"] == optimizer_of(whole)[0]["lr"]
    assert module.notices == []


@pytest.mark.parametrize("patience", [2, 7])
def test_a_patience_that_is_given_wins_and_what_was_counted_stays(data, tmp_path, patience):
    def stopping(limit):
        arguments = {"monitor": "val/loss", "min_delta": 10.0, "patience": limit, "mode": "min"}
        return {
            "callbacks": [("lightning.pytorch.callbacks.EarlyStopping", arguments)],
            "others": [EarlyStopping(**arguments)],
        }

    trained(data, tmp_path, epochs=3, **stopping(5))  # the first is the best, so it waits for two epochs by then
    again = stopping(patience)
    module, running, _ = trained(data, tmp_path, epochs=20, resumed_from=tmp_path / "last.ckpt", **again)
    assert again["others"][0].patience == patience
    assert running.current_epoch == max(patience + 1, 4)
    assert f"trainer.callbacks.EarlyStopping.patience {patience} instead of 5" in module.notices[0].text


def test_changes_leave_out_how_long_to_train_and_what_one_config_does_not_know():
    before = {"model": {"lr": 1.0, "head": {"a": 1}}, "trainer": {"max_epochs": 3}, "data": None}
    now = {"model": {"lr": 1.0, "head": {"a": 2}, "new": 1}, "trainer": {"max_epochs": 5}, "data": {"seed": 1}}
    assert changed_settings(before, now) == {"model.head.a": (1, 2)}
    now["model"]["select_by"] = "accuracy"  # what older checkpoints do without the key
    assert "model.select_by" not in changed_settings(before, now)
    now["model"]["select_by"] = "loss"
    assert changed_settings(before, now)["model.select_by"] == ("accuracy", "loss")


def test_an_earlier_spelling_of_a_preprocessing_is_no_change():
    inner = {"class_path": "qlit.heads.SimulatedQuantumEncoder", "init_args": {"center": True, "pad_with": 0.1}}
    outer = {"class_path": "qlit.heads.ParallelEncoders", "init_args": {"encoder": inner}}
    for encoder in (inner, outer):
        before = {"model": {"head": {"init_args": {"encoder": encoder}}}}
        now = copy.deepcopy(before)
        encoder_now = now["model"]["head"]["init_args"]["encoder"]["init_args"]
        encoder_now.get("encoder", {"init_args": encoder_now})["init_args"] |= {"center": False, "pad_with": 0.2}
        now["model"]["head"]["init_args"]["preprocessing"] = {"class_path": "qlit.heads.Centering"}
        (name,) = changed_settings(before, now)
        assert name.endswith("encoder.init_args.pad_with")


def test_a_resume_by_another_score_keeps_the_earlier_best_until_an_epoch_is_better(data, tmp_path):
    _, _, first = trained(data, tmp_path, epochs=2, lr=0.3)
    module, _, resumed = trained(
        data, tmp_path, epochs=6, resumed_from=tmp_path / "last.ckpt", lr=0.3, select_by="loss"
    )
    assert "model.select_by loss instead of accuracy. Of the earlier epochs only the best by" in module.notices[0].text
    losses = dict(module.history["val/loss"])
    assert resumed.best.epoch == min([first.best.epoch, 2, 3, 4, 5], key=losses.get) >= 2
    again, _, third = trained(data, tmp_path, epochs=7, resumed_from=tmp_path / "last.ckpt", lr=0.3, select_by="loss")
    losses = dict(again.history["val/loss"])
    assert third.best.epoch == min([resumed.best.epoch, 6], key=losses.get)
    assert "best_lost" not in {notice.key for notice in again.notices}


def test_a_moved_folder_keeps_its_best_checkpoint(data, tmp_path, monkeypatch):
    old, new = tmp_path / "old", tmp_path / "new"
    _, _, keeping = trained(data, old, epochs=3, lr=0.3)
    old.rename(new)
    best = (new / "best.ckpt").read_bytes()
    monkeypatch.setattr(Evaluation, "is_better_than", lambda *_: False)  # none that comes is better
    module, _, moved = trained(data, new, epochs=5, resumed_from=new / "last.ckpt", lr=0.3)
    assert moved.best == keeping.best
    assert moved.best_model_path == str(new / "best.ckpt")
    assert (new / "best.ckpt").read_bytes() == best
    assert not old.exists()
    assert module.notices == []


def test_a_run_in_a_new_folder_begins_with_a_copy_of_the_best_checkpoint(data, tmp_path, monkeypatch):
    old, new = tmp_path / "old", tmp_path / "new"
    _, _, keeping = trained(data, old, epochs=3, lr=0.3)
    monkeypatch.setattr(Evaluation, "is_better_than", lambda *_: False)
    _, _, copied = trained(data, new, epochs=4, resumed_from=old / "last.ckpt", lr=0.3)
    assert copied.best_model_path == str(new / "best.ckpt")
    saved = torch.load(new / "best.ckpt", weights_only=True)
    assert Evaluation.of_checkpoint(saved) == copied.best == keeping.best


def test_a_best_checkpoint_that_stayed_behind_is_told_and_the_resumed_one_takes_its_place(data, tmp_path, monkeypatch):
    old, new = tmp_path / "old", tmp_path / "new"
    with monkeypatch.context() as first_is_best:
        first_is_best.setattr(Evaluation, "is_better_than", lambda *_: False)
        _, _, keeping = trained(data, old, epochs=3)
    new.mkdir()
    shutil.move(old / "last.ckpt", new)
    shutil.rmtree(old)
    monkeypatch.setattr(Evaluation, "is_better_than", lambda *_: False)
    module, _, left = trained(data, new, epochs=4, resumed_from=new / "last.ckpt")
    assert keeping.best.epoch == 0
    assert left.best.epoch == torch.load(new / "best.ckpt", weights_only=True)["epoch"] == 2
    (notice,) = module.notices
    accuracy = keeping.best.scores["val/accuracy"]
    assert f"(epoch 0, validation accuracy {accuracy:.2%}) is not next to" in notice.text
    assert "best from epoch 2 on" in notice.text


def test_a_best_checkpoint_of_another_run_is_left_alone(data, tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    trained(data, one, epochs=2)
    trained(data, other, epochs=2, lr=0.3)
    saved = torch.load(other / "best.ckpt", weights_only=True)
    saved["qlit"]["run_id"] = "another"
    torch.save(saved, one / "best.ckpt")
    module, _, keeping = trained(data, one, epochs=3, resumed_from=one / "last.ckpt")
    assert torch.load(one / "best.ckpt", weights_only=True)["qlit"]["run_id"] is None
    assert keeping.best.epoch >= 1
    assert {notice.key for notice in module.notices} <= {"best_lost"}


def test_checkpoints_of_a_callback_of_the_user_are_found_after_a_move(data, tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"

    def kept(folder):
        return ModelCheckpoint(str(folder / "own"), "{epoch}", monitor="train/loss", mode="max", save_top_k=2)

    first = kept(old)
    trained(data, old, epochs=3, others=[first])
    old.rename(new)
    names = sorted(path.name for path in (new / "own").iterdir())
    again = kept(new)
    trained(data, new, epochs=4, resumed_from=new / "last.ckpt", others=[again])
    assert sorted(path.name for path in (new / "own").iterdir()) == names == ["epoch=0.ckpt", "epoch=1.ckpt"]
    assert again.best_model_path == str(new / "own" / "epoch=0.ckpt")
    assert again.best_model_score == first.best_model_score
    assert again.kth_best_model_path == str(new / "own" / "epoch=1.ckpt")
