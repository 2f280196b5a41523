"""Embeddings of zeros are refused in one sentence before the first epoch, only by heads that cannot encode them."""

from pathlib import Path

import pytest
from commands.runs import client
from tiny_body import make_tiny_body, write_tiny_data

from qlit.cli import main

_CONFIG = """
trainer: {max_epochs: 1, accelerator: cpu}
tracking: {experiment: zeros}
data: {source: d.tsv, body: ./zero, num_per_label: 8, stratified: true}
model:
  head:
    class_path: qlit.heads.HybridHead
    init_args:
      pqc: {num_qubits: 2, num_reuploads: 1}
      encoder:
        class_path: qlit.heads.SimulatedQuantumEncoder
        init_args: {num_qubits: 4, connectivity: 1, num_layers: 0}
"""
_ZEROS = "zzz yyy\t0\nqqq\t1\nxxx\t0\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """With a config, data, and a body that gives zeros for sentences of unknown words."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("QLIT_CACHE", str(tmp_path / "cache"))
    make_tiny_body(tmp_path / "zero", unknown_is_zero=True)
    write_tiny_data(tmp_path / "d.tsv", 60)
    Path("c.yaml").write_text(_CONFIG)
    return tmp_path


def test_a_fit_is_refused_before_its_first_epoch(folder, capsys):
    with Path("d.tsv").open("a") as file:
        file.write(_ZEROS)
    assert main(["fit", "--config", "c.yaml"]) == 1
    err = capsys.readouterr().err
    assert "needs finite embeddings that are not all zeros where `pad_with` is 0, but 3 of 63 sentences have" in err
    assert any(f"the first being '{text}' (t" in err for text in ("zzz yyy", "qqq", "xxx"))
    mlflow = client(folder)
    (run,) = mlflow.search_runs([mlflow.get_experiment_by_name("zeros").experiment_id])
    assert "train/loss" not in run.data.metrics
    for taken in (
        ["--model.head.encoder.pad_with", "0.1"],
        ["--model.head.class_path", "qlit.heads.LinearHead", "--model.head.num_features", "8"],
    ):
        assert main(["fit", "--config", "c.yaml", *taken]) == 0


@pytest.mark.parametrize("command", [["test", "--ckpt_path"], ["validate", "--ckpt_path"], ["predict"], ["export"]])
def test_other_commands_name_the_sentence_too(command, folder, capsys):
    assert main(["fit", "--config", "c.yaml", "--test_after_fit", "false"]) == 0
    (checkpoint,) = folder.glob("mlruns/runs/*/best.ckpt")
    capsys.readouterr()
    rest = {
        "predict": ["good film", "qqq"],
        "export": ["qqq", "--out", "circuits"],
        "test": ["--data.source", "zeros.tsv", "--data.unseen_only", "true"],
        "validate": ["--data.source", "zeros.tsv", "--data.max_test", "null"],
    }
    rows = [f"{'q' * (k + 1)}\t{k % 2}" for k in range(20)]
    Path("zeros.tsv").write_text("text\tlabel\n" + "\n".join(rows) + "\n")
    assert main([*command, str(checkpoint), *rest[command[0]]]) == 1
    err = capsys.readouterr().err
    assert "of 20 sentences have others" in err or "sentences have others, the first being 'q" in err


@pytest.mark.usefixtures("folder")
def test_a_trainable_body_names_the_sentence_of_the_batch(capsys):
    with Path("d.tsv").open("a") as file:
        file.write(_ZEROS)
    assert main(["fit", "--config", "c.yaml", "--data.trainable_body", "true"]) == 1
    err = capsys.readouterr().err
    assert any(f"the first being '{text}' (" in err for text in ("zzz yyy", "qqq", "xxx"))
