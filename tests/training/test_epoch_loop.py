"""Direct steps leave what Lightning's own steps leave, and give way to them where anything hangs on a hook."""

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.loops.training_epoch_loop import _TrainingEpochLoop
from training.small import head, trainer

from qlit.training.checkpoints.best_and_last import BestAndLast
from qlit.training.epoch_loop import use_direct_steps
from qlit.training.module import SentenceClassifier

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*treespec, LeafSpec.*:FutureWarning",  # Lightning 2.6 with torch 2.13
)


class OnEveryStep(pl.Callback):
    """Something that acts on steps; it only counts them."""

    def __init__(self):
        self.steps = 0

    def on_before_optimizer_step(self, trainer, pl_module, optimizer):  # noqa: ARG002
        self.steps += 1


def direct(**kwargs):
    made = trainer(**kwargs)
    use_direct_steps(made)
    return made


def fitted(running, data, folder, ckpt_path=None, **kwargs):
    """What a fit leaves in its last checkpoint, whatever tells the time."""
    pl.seed_everything(3, verbose=False)
    module = SentenceClassifier(head(), lr=0.05, lr_decay=0.9, **kwargs)
    running.fit(module, data(), ckpt_path=ckpt_path)
    running.save_checkpoint(folder / "end.ckpt")
    return torch.load(folder / "end.ckpt", weights_only=True)


def assert_same(one, other):
    assert type(one) is type(other)
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, other)
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, list | tuple):
        assert len(one) == len(other)
        for pair in zip(one, other, strict=True):
            assert_same(*pair)
    else:
        assert one == other


def test_weights_optimiser_scores_and_progress_are_those_of_lightnings_loop(data, tmp_path, monkeypatch):
    theirs = fitted(trainer(max_epochs=3), data, tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(_TrainingEpochLoop, "advance", lambda *_: pytest.fail("Lightning's loop ran"))
        ours = fitted(direct(max_epochs=3), data, tmp_path)
    assert ours["global_step"] == 12
    assert_same(ours, theirs)


@pytest.mark.parametrize("settings", [{"limit_train_batches": 2}, {"max_steps": 6}, {"val_check_interval": 2}], ids=str)
def test_so_they_are_under_limits_and_with_validation_in_mid_epoch(data, tmp_path, settings):
    assert_same(fitted(direct(**settings), data, tmp_path), fitted(trainer(**settings), data, tmp_path))


def test_a_run_resumed_by_either_loop_ends_as_one_that_was_not_interrupted(data, tmp_path):
    whole = fitted(direct(max_epochs=4), data, tmp_path)
    for first, second in ((direct, trainer), (trainer, direct), (direct, direct)):
        half, rest = (
            make(max_epochs=epochs, enable_checkpointing=True, callbacks=[BestAndLast()], default_root_dir=tmp_path)
            for make, epochs in ((first, 2), (second, 4))
        )
        fitted(half, data, tmp_path)
        resumed = fitted(rest, data, tmp_path, ckpt_path=half.checkpoint_callback.last_model_path)
        for key in ("state_dict", "optimizer_states", "lr_schedulers", "qlit", "global_step", "epoch"):
            assert_same(resumed[key], whole[key])


@pytest.mark.parametrize(
    "settings",
    [
        {"gradient_clip_val": 0.01},
        {"accumulate_grad_batches": 2},
        {"precision": "64-true"},
        {"precision": "bf16-mixed", "gradient_clip_val": 0.01},
        {"profiler": "simple"},
        {"fast_dev_run": True},
        {"fast_dev_run": 3},
        {"limit_train_batches": 0.5},
        {"limit_train_batches": 0},
        {"limit_val_batches": 0},
        {"max_epochs": 5, "min_epochs": 2, "max_steps": 9, "min_steps": 3},
        {"max_epochs": 4, "check_val_every_n_epoch": 2},
        {"check_val_every_n_epoch": None, "val_check_interval": 3},
        {"reload_dataloaders_every_n_epochs": 1},
        {"deterministic": True, "use_distributed_sampler": False},
        {"detect_anomaly": True, "inference_mode": False},
        {"gradient_clip_val": 0.01, "gradient_clip_algorithm": "value"},
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore:.*lr_scheduler.step.*:UserWarning")
def test_what_else_lightning_offers_works_as_it_does_there(data, tmp_path, settings, capsys):
    assert_same(fitted(direct(**settings), data, tmp_path), fitted(trainer(**settings), data, tmp_path))
    torch.use_deterministic_algorithms(False)  # Lightning leaves it as it was asked for
    capsys.readouterr()


def test_a_callback_that_acts_on_steps_is_called_on_every_step(data, tmp_path):
    counting, steps = OnEveryStep(), []
    by_lambda = pl.callbacks.LambdaCallback(on_train_batch_end=lambda *_: steps.append(0))
    every_step = pl.callbacks.ModelCheckpoint(tmp_path / "steps", every_n_train_steps=1, save_top_k=-1)
    for callback in (counting, by_lambda, every_step):
        fitted(direct(callbacks=[callback], enable_checkpointing=callback is every_step), data, tmp_path)
    assert counting.steps == len(steps) == len([*(tmp_path / "steps").iterdir()]) == 8


class Seen(pl.Callback):
    """The labels and the first component of the sentences of every step, by epoch."""

    def __init__(self):
        self.by_epoch = {}

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):  # noqa: ARG002
        self.by_epoch.setdefault(trainer.current_epoch, []).append(batch.inputs.clone())


@pytest.mark.parametrize(("overfit_batches", "num_batches"), [(1, 1), (2, 2), (0.5, 2), (1.0, 4)])
def test_overfitting_sees_the_same_batches_in_every_epoch(data, tmp_path, overfit_batches, num_batches):
    seen = Seen()
    settings = {"overfit_batches": overfit_batches, "max_epochs": 3}
    with_hooks = trainer(callbacks=[seen], **settings)
    few = lambda: data(eval_batch_size=3)  # noqa: E731 - three batches validate
    end = fitted(with_hooks, few, tmp_path)
    assert [len(batches) for batches in seen.by_epoch.values()] == [num_batches] * 3
    for later in (1, 2):
        assert all(map(torch.equal, seen.by_epoch[0], seen.by_epoch[later]))
    assert_same(fitted(direct(**settings), few, tmp_path), end)


def test_without_overfitting_epochs_differ(data, tmp_path):
    seen = Seen()
    fitted(trainer(callbacks=[seen]), data, tmp_path)
    assert not all(map(torch.equal, seen.by_epoch[0], seen.by_epoch[1]))


class Watched(pl.Callback):
    """Registers a hook of the optimiser, after the training has started."""

    def __init__(self):
        self.steps = 0

    def on_train_start(self, trainer, pl_module):  # noqa: ARG002
        trainer.optimizers[0].register_step_post_hook(self._count)

    def _count(self, *_):
        self.steps += 1


def test_hooks_of_the_optimiser_are_called_in_direct_steps(data, tmp_path):
    watched = Watched()
    end = fitted(direct(callbacks=[watched], max_epochs=2), data, tmp_path)
    assert watched.steps == end["global_step"] == 8
