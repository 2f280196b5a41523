"""Lightning's output in the terminal: nothing by default, and everything that a user asked for."""

import logging

import pytest
from commands.runs import SMALL, client, only_run, run
from lightning.pytorch.utilities.rank_zero import rank_zero_info, rank_zero_warn

from qlit.jobs.terminal import quieten


@pytest.fixture
def lines(monkeypatch):
    """Messages of Lightning's logger after `quieten`."""
    quieten()
    logger, found = logging.getLogger("lightning.pytorch"), []
    handler = logging.Handler()
    handler.emit = lambda record: found.append(record.getMessage())
    monkeypatch.setattr(logger, "handlers", [handler])
    return found


def test_lightnings_comments_are_silent_and_its_reports_are_not(lines):
    for name in ("trainer.connectors.signal_connector", "accelerators.cuda"):
        logging.getLogger(f"lightning.pytorch.{name}").info("a comment")
    for name in ("callbacks.early_stopping", "profilers.profiler", "tuner.lr_finder"):
        logging.getLogger(f"lightning.pytorch.{name}").info("a report")
    logging.getLogger("lightning.pytorch.trainer").warning("a warning")
    assert lines == ["a report"] * 3 + ["a warning"]


@pytest.mark.parametrize(
    ("file", "is_shown"),
    [("callbacks/timer.py", True), ("trainer/trainer.py", False), ("loops/fit_loop.py", False), (None, True)],
)
def test_the_caller_decides_about_messages_of_the_shared_logger(lines, file, is_shown):
    import lightning.pytorch as pl

    path = __file__ if file is None else f"{pl.__path__[0]}/{file}"
    exec(compile("say('spoken', stacklevel=4)", path, "exec"), {"say": rank_zero_info})
    assert lines == ["spoken"] * is_shown


def test_warnings_are_not_touched():
    quieten()
    with pytest.warns(UserWarning, match="look at this"):
        rank_zero_warn("look at this")


def test_a_fit_shows_requested_reports_and_one_progress_bar(tmp_path):
    callbacks = """trainer:
  enable_model_summary: true
  profiler: {class_path: lightning.pytorch.profilers.SimpleProfiler, init_args: {filename: profile}}
  callbacks:
  - {class_path: lightning.pytorch.callbacks.EarlyStopping, init_args: {monitor: val/loss, verbose: true}}
  - {class_path: lightning.pytorch.callbacks.Timer, init_args: {duration: {minutes: 10}}}
  - {class_path: lightning.pytorch.callbacks.TQDMProgressBar}
  - {class_path: lightning.pytorch.callbacks.StochasticWeightAveraging, init_args: {swa_lrs: 0.01}}
  - class_path: lightning.pytorch.callbacks.ModelCheckpoint
    init_args: {monitor: val/loss, filename: mine, verbose: true, train_time_interval: '0:00:05'}
"""
    (tmp_path / "asked.yaml").write_text(callbacks)
    status, out, err = run(tmp_path, "fit", *SMALL, "--config", "asked.yaml")
    assert status == 0, err
    assert "test accuracy" in out
    assert "Metric val/loss improved" in err
    assert "Trainable params" in out + err
    assert "Epoch 0:" in out
    assert "the checkpoints and the test use weights without averaging" in out
    assert "epochs:" not in err  # our own bar
    assert "GPU available" not in err
    folder = tmp_path / "mlruns" / "runs" / only_run(tmp_path).info.run_id
    assert "run_training_epoch" in (folder / "fit-profile.txt").read_text()
    # The config holds plain values, and can be used again.
    status, _, err = run(tmp_path, "test", "--ckpt_path", str(folder / "best.ckpt"))
    assert status == 0, err


def test_a_profiler_by_name_prints_its_table(tmp_path):
    status, _, err = run(tmp_path, "fit", *SMALL, "--trainer.profiler", "simple", "--trainer.max_epochs", "1")
    assert status == 0, err
    assert "FIT Profiler Report" in err
    assert "Mean duration (s)" in err
    assert "Trainer.fit" not in err


def test_barebones_keeps_nothing_and_still_scores(tmp_path):
    status, out, err = run(tmp_path, "fit", *SMALL, "--trainer.barebones", "true", "--trainer.max_epochs", "1")
    assert status == 0, err
    assert "test accuracy" in out
    assert not (tmp_path / "mlruns").exists()


def test_a_fit_without_validation_keeps_the_last_checkpoint_and_reports_it(tmp_path):
    status, out, err = run(tmp_path, "fit", *SMALL, "--trainer.limit_val_batches", "0")
    assert status == 0, err
    assert "no epoch was validated (trainer: limit_val_batches 0, max_epochs 2), so none was chosen" in out
    assert "best" not in out
    last = only_run(tmp_path).info.run_id
    assert f"runs/{last}/last.ckpt" in out
    assert "monitor" not in err
    assert [item.path for item in client(tmp_path).list_artifacts(last, "checkpoint")] == ["checkpoint/last.ckpt"]
    status, out, err = run(tmp_path, "test", "--ckpt_path", f"mlruns/runs/{last}/last.ckpt",
                           "--trainer.limit_test_batches", "0")  # fmt: skip
    assert (status, err.strip()) == (
        1,
        "qlit test: `trainer.limit_test_batches` is 0, so there is nothing to test; leave it out.",
    )


def test_a_fit_without_a_step_reports_that_nothing_was_trained(tmp_path):
    options = ["--trainer.limit_train_batches", "0", "--trainer.limit_test_batches", "0"]
    status, out, err = run(tmp_path, "fit", *SMALL, *options)
    assert status == 0, err
    assert "no training step was made (trainer: limit_train_batches 0, max_epochs 2)" in out
    assert "test accuracy" not in out
    assert "no training step was made" in only_run(tmp_path).data.tags["notice.untrained"]


def test_a_resume_of_averaged_weights_prints_nothing():
    quieten()
    shared = logging.getLogger("lightning.pytorch.utilities.rank_zero")
    record = shared.makeRecord(shared.name, logging.INFO, __file__, 1, "Found current_model_state in the", (), None)
    other = shared.makeRecord(shared.name, logging.INFO, __file__, 1, "a message of a user's callback", (), None)
    assert [bool(shared.filter(each)) for each in (record, other)] == [False, True]
