"""A body with its own code: every command has the option for it, and no checkpoint sets the option."""

from pathlib import Path

import pytest
from tiny_body import add_own_code, make_tiny_body, write_tiny_data

from qlit.cli import main

_CONFIG = """
trainer: {max_epochs: 1, accelerator: cpu}
data: {source: d.tsv, body: ./coded, num_per_label: 8, max_test: 8}
model: {head: {class_path: qlit.heads.LinearHead, init_args: {num_features: 8}}}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder, with a config, data, a body with its own code, and the embedding cache."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("QLIT_CACHE", str(tmp_path / "cache"))
    add_own_code(make_tiny_body(tmp_path / "coded"))
    write_tiny_data(tmp_path / "d.tsv", 40)
    Path("c.yaml").write_text(_CONFIG)
    return tmp_path


def test_a_checkpoint_does_not_choose_which_code_runs(folder, capsys):
    marker = folder / "code-was-run"
    trusted = ["--data.trust_remote_code", "true"]
    for command in (["fit"], ["finetune", "--output", "tuned"]):
        assert main([*command, "--config", "c.yaml"]) == 1
        assert "code of its own (scaling.Scaling in modules.json)" in capsys.readouterr().err
    assert not marker.exists()
    assert main(["fit", "--config", "c.yaml", *trusted]) == 0
    assert marker.exists()
    (checkpoint,) = folder.glob("mlruns/runs/*/best.ckpt")
    assert f'qlit predict {checkpoint} --trust_remote_code "What' in capsys.readouterr().out

    commands = [["predict", str(checkpoint), "a good film"], ["test", "--ckpt_path", str(checkpoint)]]
    marker.unlink()
    for command in commands:
        assert main(command) == 1
        assert "The config in a checkpoint does not set it." in capsys.readouterr().err
    assert not marker.exists()
    assert main([*commands[0], "--trust_remote_code"]) == 0
    assert main([*commands[1], *trusted]) == 0
