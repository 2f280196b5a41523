"""Commands in an environment with variables of earlier launchers."""

import shutil

import pytest
import yaml
from commands.runs import QUICKSTART, SMALL, all_runs, last_epoch, run_new

from qlit.cli import main

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*treespec, LeafSpec.*:FutureWarning"),  # Lightning 2.6 with torch 2.13
    pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow"),
]


def test_a_series_and_a_score_are_those_of_rank_0(tmp_path):
    """In a process of its own: Lightning reads ranks when it is imported."""
    config = yaml.safe_load(QUICKSTART.read_text())
    config["model"]["head"] = {"class_path": "qlit.heads.LinearHead", "init_args": {"num_features": 384}}
    (tmp_path / "linear.yaml").write_text(yaml.safe_dump(config))
    options = [option for option in SMALL[2:] if option != "2"]
    small = ["--trainer.max_epochs", "1", *options[options.index("--data.num_per_label") : 7]]
    left_over = {"SLURM_PROCID": "1", "SLURM_NTASKS": "4", "JSM_NAMESPACE_RANK": "1"}
    status, out, err = run_new(
        tmp_path,
        "compare",
        "-c",
        "linear.yaml",
        "-c",
        "linear.yaml --model.lr 0.01",
        "--seeds",
        "1",
        *small,
        **left_over,
    )
    assert status == 0, err
    assert "linear lr 0.01" in out
    runs = all_runs(tmp_path)
    assert [each.info.status for each in runs] == ["FINISHED", "FINISHED"]
    checkpoint = tmp_path / "mlruns" / "runs" / runs[0].info.run_id / "best.ckpt"
    status, out, err = run_new(tmp_path, "test", "--ckpt_path", str(checkpoint), RANK="1", WORLD_SIZE="2")
    assert status == 0, err
    assert "test accuracy" in out
    assert len(all_runs(tmp_path)) == 3


def test_a_requeued_jobs_checkpoint_is_not_resumed_by_another_training(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    fit = ["fit", *SMALL, "--trainer.max_epochs", "1", "--test_after_fit", "false"]
    assert main(fit) == 0
    assert last_epoch(tmp_path) == 0
    (checkpoint,) = tmp_path.rglob("last.ckpt")
    shutil.move(checkpoint, tmp_path / "hpc_ckpt_1.ckpt")
    for name, value in {"JOB_ID": "7", "JOB_NAME": "t", "NTASKS": "1", "PROCID": "0", "LOCALID": "0"}.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    capsys.readouterr()
    assert main([*fit, "--seed_everything", "7"]) == 0
    assert f"{tmp_path}/hpc_ckpt_1.ckpt was not resumed" in capsys.readouterr().out
    newest = max(all_runs(tmp_path), key=lambda each: each.info.start_time)
    assert newest.data.metrics.keys() >= {"train/loss"}
    assert "hpc_ckpt_1.ckpt" in newest.data.tags["notice.requeued_checkpoint"]
