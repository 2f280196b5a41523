"""Impossible configs are refused before the first training of a series or study."""

import pytest
from commands.runs import QUICKSTART

from qlit.cli import main
from qlit.jobs import series
from qlit.jobs.study import run as study_run

FEW = ["--data.num_per_label", "40", "--data.max_test", "20", "--model.head.pqc.num_qubits", "4",
       "--model.head.encoder.connectivity", "1"]  # fmt: skip
STUDY = """name: few
base: {base}
factors:
  model.head.{factor}: [{levels}]
replicates: {{seeds: 2}}
storage: journal:{folder}/few.log
"""


@pytest.fixture
def refused(tmp_path, monkeypatch, capsys):
    """Run a command in which no training may start; return its last message."""

    def run(*arguments):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(series.Series, "_train", lambda *_: pytest.fail("a training began"))
        monkeypatch.setattr(study_run, "Trials", lambda *_: pytest.fail("a study began"))
        assert main([*arguments, *FEW]) in (1, 2)
        return capsys.readouterr().err.strip().splitlines()[-1]

    return run


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--model.head.num_classes 3", "num_classes 3: The data has 2 classes"),
        ("--model.head.encoder.num_qubits 8", "needs num_qubits >= 9"),
        ("--model.head.pqc.sampler multinomial", "cannot be used in training"),
        ("--model.head.pqc.num_qubits 1", "num_qubits"),
        ("--data.num_per_label 5000", "fewer than num_per_label=5000"),
        ("--trainer.limit_test_batches 0.5", "leaves none"),
        ("--trainer.precision bf16-true", "With `trainer.precision: bf16-true`"),
        ("--model.head.pqc.engine pennylane:no.such.device", "no.such.device"),
    ],
)
def test_a_comparison_looks_at_all_configs_first(refused, option, message):
    assert message in refused("compare", "--config", str(QUICKSTART), "--config", f"{QUICKSTART} {option}")


@pytest.mark.parametrize(
    ("factor", "levels", "message"),
    [("num_classes", "2, 3, 4", "data has 2 classes"), ("encoder.num_qubits", "9, 8, 10", "needs num_qubits >= 9")],
)
def test_a_study_looks_at_all_levels_first(refused, tmp_path, factor, levels, message):
    (tmp_path / "few.yaml").write_text(STUDY.format(base=QUICKSTART, factor=factor, levels=levels, folder=tmp_path))
    assert message in refused("study", "run", "--yes", "--config", "few.yaml")
