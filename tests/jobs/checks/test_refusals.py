"""An impossible option is reported in one sentence before any work; a bug keeps its traceback."""

import errno
import os
import sys

import pytest
import torch
import yaml
from commands.runs import QUICKSTART
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import EarlyStopping

from qlit.cli import main
from qlit.jobs.checks.refusals import RefusedOptionError, refusal, refusals
from qlit.runtime.errors import PACKAGE, in_one_sentence

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*treespec, LeafSpec.*:FutureWarning"),  # Lightning 2.6 with torch 2.13
    pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow"),
]

# 4 batches train, 1 validates.
SMALL = ["--data.num_per_label", "40", "--data.train_fraction", "0.8", "--data.max_test", "20"]


@pytest.fixture
def refused(tmp_path, monkeypatch, capsys):
    """Run `qlit fit` of a linear head with options; return the one sentence it ends with."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("QLIT_TRACEBACK", raising=False)
    monkeypatch.setattr(sys, "argv", ["qlit"])
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    config = yaml.safe_load(QUICKSTART.read_text())
    config["model"]["head"] = {"class_path": "qlit.heads.LinearHead", "init_args": {"num_features": 384}}
    (tmp_path / "linear.yaml").write_text(yaml.safe_dump(config))

    def run(*options, command="fit"):
        status = main([command, "--config", "linear.yaml", *SMALL, *options])
        out, err = capsys.readouterr()
        assert status in (1, 2), err
        assert "Traceback" not in err
        assert (out, (tmp_path / "mlruns").exists()) == ("", False)
        (line,) = err.splitlines()
        assert len(line) < 400
        return line.removeprefix(f"qlit {command}: ")

    return run


def callback(name, **arguments):
    return [f"--trainer.callbacks+={name}", *(f"--trainer.callbacks.{key}={value}" for key, value in arguments.items())]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ("accelerator gpu", "trainer.accelerator is gpu, but PyTorch finds no GPU here"),
        ("accelerator cuda", "trainer.accelerator cuda: "),
        ("accelerator mps", "trainer.accelerator mps: "),
        ("accelerator bogus", "trainer.accelerator bogus: You selected an invalid accelerator name"),
        ("strategy bogus", "trainer.strategy bogus: You selected an invalid strategy name"),
        ("strategy fsdp", "requires a GPU accelerator"),
        ("devices 0", "trainer.devices 0: "),
        ("devices -2", "trainer.devices -2: "),
        ("devices [0,1]", "trainer.devices [0, 1]: "),
        ("devices abc", "trainer.devices abc: "),
        ("num_nodes 0", "`trainer.num_nodes >= 1` must hold, but got 0."),
        ("max_epochs -5", "`trainer.max_epochs >= -1` must hold, but got -5."),
        ("max_steps -3", "`trainer.max_steps >= -1` must hold, but got -3."),
        ("max_time abc", "trainer.max_time abc: "),
        ("val_check_interval 1000", "trainer.val_check_interval 1000 is more than the 4 batches of a training epoch"),
        ("val_check_interval 1.5", "trainer.val_check_interval 1.5: "),
        ("val_check_interval 0", "`trainer.val_check_interval > 0` must hold, but got 0"),
        ("check_val_every_n_epoch 0", "`trainer.check_val_every_n_epoch >= 1` must hold, but got 0."),
        ("accumulate_grad_batches 0", "`trainer.accumulate_grad_batches >= 1` must hold, but got 0."),
        ("accumulate_grad_batches -1", "`trainer.accumulate_grad_batches >= 1` must hold, but got -1."),
        ("gradient_clip_val -1", "`trainer.gradient_clip_val >= 0` must hold, but got -1."),
        ("gradient_clip_val abc", "trainer.gradient_clip_val must be int or float or null, but got abc"),
        ("gradient_clip_algorithm bogus", "trainer.gradient_clip_algorithm bogus: "),
        ("log_every_n_steps -1", "`trainer.log_every_n_steps >= 0` must hold, but got -1."),
        ("limit_train_batches 0.01", "0.01 of 4 train batches is less than one batch; use at least 0.25"),
        (
            "limit_val_batches 0.5",
            "limit_val_batches 0.5 of 1 val batch is less than one batch; use at least 1",
        ),
        ("limit_test_batches 0.5", "trainer.limit_test_batches 0.5 of 1 test batch is less than one batch"),
        ("limit_train_batches 1.5", "trainer.limit_train_batches 1.5: "),
        ("overfit_batches 0.01", "trainer.overfit_batches 0.01 of 4 train batches is less than one batch"),
        ("overfit_batches 2.5", "trainer.overfit_batches 2.5: "),
        ("fast_dev_run -1", "trainer.fast_dev_run -1: "),
        ("precision 12", "trainer.precision must be one of 64, 32, 16, transformer-engine"),
        ("precision 16-mixed", "trainer.precision 16-mixed needs a GPU"),
        ("precision transformer-engine", "transformer_engine"),
        ("profiler bogus", "trainer.profiler bogus: "),
        ("plugins bogus", "trainer.plugins must be Precision or ClusterEnvironment"),
        ("logger WandbLogger", "trainer.logger: WandbLogger: Requirement 'wandb"),
        ("logger TensorBoardLogger", "trainer.logger: TensorBoardLogger: save_dir must be given"),
        ("enable_checkpointing false --trainer.callbacks+=ModelCheckpoint", "trainer.enable_checkpointing False: "),
    ],
)
def test_an_impossible_option_of_the_trainer_is_named(refused, options, sentence):
    assert sentence in refused(*f"--trainer.{options}".split())


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (callback("EarlyStopping"), "trainer.callbacks: EarlyStopping: monitor must be given"),
        (
            callback("EarlyStopping", monitor="val_loss"),
            "EarlyStopping watches 'val_loss', but this training has the scores train/loss, train/accuracy, val/loss, ",
        ),
        (callback("EarlyStopping", monitor="val_loss"), "did you mean 'val/loss'?"),
        (callback("EarlyStopping", monitor="test/loss"), "EarlyStopping watches 'test/loss', but"),
        ([*callback("EarlyStopping", monitor="val/loss"), "--trainer.limit_val_batches=0"], "watches 'val/loss', but"),
        (callback("EarlyStopping", monitor="val/loss", mode="up"), "trainer.callbacks: EarlyStopping: `mode` can be"),
        (callback("EarlyStopping", monitor="val/loss", patience="x"), "EarlyStopping: patience must be int, but got x"),
        (callback("ModelCheckpoint", monitor="loss"), "ModelCheckpoint watches 'loss', but this training has the"),
        (
            callback("ModelCheckpoint", save_top_k=-3),
            "trainer.callbacks: ModelCheckpoint: Invalid value for save_top_k",
        ),
        (
            callback("LearningRateMonitor", logging_interval="no"),
            "LearningRateMonitor: logging_interval must be one of",
        ),
        (callback("EMAWeightAveraging", decay=1.5), "EMAWeightAveraging: `0 <= decay < 1` must hold, but got 1.5"),
        (callback("EMAWeightAveraging", decay=".nan"), "`0 <= decay < 1` must hold, but got nan"),
        (callback("EMAWeightAveraging", update_every_n_steps=0), "`update_every_n_steps >= 1` must hold, but got 0."),
        (
            [*callback("EMAWeightAveraging"), *callback("WeightAveraging")],
            "EMAWeightAveraging and WeightAveraging both average the weights; keep one of them.",
        ),
        (
            [*callback("EMAWeightAveraging"), "--model.head", "LogisticRegressionHead", "--trainer.max_epochs", "1"],
            "averages the weights of many steps, but LogisticRegressionHead is fitted in one: leave the callback out.",
        ),
        (callback("Nonsense"), "trainer.callbacks must be list[Callback] or Callback or null, but got Nonsense"),
        (["--seed_everything", "-1"], "`0 <= seed_everything < 2**32` must hold, but got -1."),
    ],
)
def test_an_impossible_callback_is_named(refused, options, sentence):
    assert sentence in refused(*options)


def test_scores_and_limits_that_there_are_train(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    options = ["--config", str(QUICKSTART), *SMALL, "--trainer.max_epochs", "1", "--trainer.logger", "false"]
    options += ["--model.head.encoder.connectivity", "1", "--model.head.encoder.num_layers", "0"]
    limits = ["--trainer.limit_train_batches", "0.5", "--trainer.val_check_interval", "2"]
    assert main(["fit", *options, *limits, *callback("EarlyStopping", monitor="val/f1")]) == 0
    assert "test accuracy" in capsys.readouterr().out


def of(place, source):
    """A function `run` in a module of qlit."""
    names = {"Trainer": Trainer, "torch": torch, "EarlyStopping": EarlyStopping}
    exec(compile(source, str(PACKAGE / place), "exec"), names)
    return names["run"]


@pytest.mark.parametrize(
    "line",
    ["int('x')", "a, b = [1]", "torch.zeros(2) + torch.zeros(3)", "open(3.5)", "torch.zeros(2).view(3)", "1 // 0"],
)
def test_a_bug_in_our_own_lines_keeps_its_traceback(monkeypatch, capsys, line):
    monkeypatch.delenv("QLIT_TRACEBACK", raising=False)
    bug = of("training/bug.py", f"def run():\n    {line}\n")
    assert in_one_sentence("qlit try", bug) == 1
    assert capsys.readouterr().err.startswith("Traceback")
    deliberate = of("training/check.py", "def run():\n    raise ValueError('is so')\n")
    assert in_one_sentence("qlit try", deliberate) == 1
    assert capsys.readouterr().err == "qlit try: is so\n"


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (PermissionError(errno.EACCES, os.strerror(errno.EACCES), "/a/b"), "Permission denied: /a/b"),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/a/b"), "No space left on device: /a/b"),
        (MemoryError(), "there is not enough memory; a smaller data.batch_size or model needs less."),
        (torch.OutOfMemoryError("CUDA out of memory. Tried"), "there is not enough memory (CUDA out of memory); a"),
        (yaml.YAMLError("while parsing"), "a file or value is not YAML: while parsing"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_of_the_system_or_a_file_is_one_sentence(monkeypatch, capsys, error, sentence):
    monkeypatch.delenv("QLIT_TRACEBACK", raising=False)

    def command():
        raise error

    assert in_one_sentence("qlit try", command) == 1
    assert capsys.readouterr().err.startswith(f"qlit try: {sentence}")


TRAINER = "def run():\n    Trainer(accelerator='cpu', devices=0, logger=False)\n"


def test_lightnings_refusal_counts_where_the_config_was_handed_on_and_not_where_our_training_asked():
    with (
        pytest.raises(RefusedOptionError, match=r"^trainer.devices 0: .*is not a valid input"),
        refusals({"devices": 0}),
    ):
        of("jobs/session.py", TRAINER)()
    with pytest.raises(RefusedOptionError), refusals({}):
        of("training/epoch_loop.py", TRAINER)()  # which hands on what the config says
    with pytest.raises(Exception, match="not a valid input") as kept, refusals({}):
        of("training/module.py", TRAINER)()
    assert kept.type.__name__ == "MisconfigurationException"


def test_errors_of_a_users_class_and_of_no_statement_keep_their_type():
    def users():
        Trainer(accelerator="cpu", devices=0, logger=False)  # in this file, which is neither ours nor a library's

    with pytest.raises(Exception, match="not a valid input") as kept, refusals({}, making=True):
        of("jobs/session.py", "def run(call):\n    call()\n")(users)
    assert not isinstance(kept.value, RefusedOptionError)
    add = of("jobs/session.py", "def run():\n    torch.nn.functional.linear(torch.zeros(2, 3), torch.zeros(4, 5))\n")
    with pytest.raises(RuntimeError) as kept, refusals({}):
        add()
    assert not isinstance(kept.value, RefusedOptionError)


def test_a_long_message_is_shortened():
    text = "`Trainer(strategy='x')` is bad.\nIt cannot be.  Read https://there. " + "More words. " * 60
    assert refusal(text, {"strategy": "x"}) == "trainer.strategy x: `Trainer(strategy='x')` is bad. It cannot be."
    assert refusal("No backend\n\nmore", {}) == "trainer: No backend"
