"""A learning rate from Lightning's finder: it is used, recorded, and restored by a resume."""

import pytest
import torch
from commands.runs import SMALL, only_run

from qlit.cli import main
from qlit.training.finders import used_config

FINDER = [
    "--trainer.callbacks+=LearningRateFinder", "--trainer.callbacks.num_training_steps=30",
    "--trainer.callbacks.early_stop_threshold=null", "--trainer.max_epochs", "8", "--model.lr_decay", "0.9",
]  # fmt: skip


def test_the_config_that_was_used_has_the_values_and_no_finder():
    finder, other = ({"class_path": f"lightning.pytorch.callbacks.{name}"} for name in ("BatchSizeFinder", "Timer"))
    config = {"data": {"batch_size": 16}, "trainer": {"callbacks": [finder, other]}}
    used = used_config(config, {"data.batch_size": 64})
    assert used == {"data": {"batch_size": 64}, "trainer": {"callbacks": [other]}}
    assert config["data"]["batch_size"] == 16
    assert used_config({"trainer": {"callbacks": finder}}, {}) == {"trainer": {"callbacks": None}}


@pytest.mark.parametrize("with_config", [False, True])
def test_a_learning_rate_that_was_found_is_in_the_record_and_a_resume_goes_on_with_it(
    tmp_path, monkeypatch, capsys, with_config
):
    monkeypatch.chdir(tmp_path)
    assert main(["fit", *SMALL, *FINDER]) == 0
    out = capsys.readouterr().out
    run = only_run(tmp_path)
    rate = float(run.data.params["model.lr"])
    assert rate != 0.005
    assert f"Found by a callback before the first epoch, and used: model.lr {rate:.6g} instead of 0.005." in out
    assert "LearningRateFinder" not in run.data.params.get("trainer.callbacks", "")
    path = tmp_path / "mlruns" / "runs" / run.info.run_id / "last.ckpt"
    saved = torch.load(path, weights_only=True)
    assert f"lr: {rate}" in saved["qlit"]["config"]
    assert saved["optimizer_states"][0]["param_groups"][0]["lr"] == pytest.approx(rate * 0.9**8)
    assert saved["qlit"]["history"]["train/loss"][0][0] == 0
    assert len(saved["qlit"]["history"]["train/loss"]) == 8  # the epochs of the search are not there

    options = [*SMALL, *FINDER] if with_config else []
    assert main(["fit", *options, "--ckpt_path", str(path), "--trainer.max_epochs", "9"]) == 0
    assert "with other settings" not in capsys.readouterr().out
    saved = torch.load(path, weights_only=True)
    assert saved["optimizer_states"][0]["param_groups"][0]["lr"] == pytest.approx(rate * 0.9**9)
    assert "resumed.model.lr" not in only_run(tmp_path).data.tags
