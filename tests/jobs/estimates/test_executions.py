"""Devices: executions are estimated before a training, and missing requirements are reported before any work."""

import json

import pennylane as qml
import pytest
import torch
import yaml
from checkpoint_models import model_of_config
from commands.runs import QUICKSTART

from qlit.cli import main
from qlit.engines import PennyLaneEngine
from qlit.jobs.estimates import training

# 4 qubits, one re-upload: 4 + 12 + 16 rotations.
SMALL = ["--config", str(QUICKSTART), "--model.head.encoder.connectivity", "1", "--model.head.encoder.num_layers", "0",
         "--model.head.pqc.num_qubits", "4", "--model.head.pqc.num_reuploads", "1"]  # fmt: skip


def on(engine, *, shots=100):
    sampled = ["--model.head.pqc.shots", str(shots), "--model.head.pqc.sampler", "device"] if shots else []
    return [*sampled, "--model.head.pqc.engine", f"pennylane:{engine}"]


@pytest.fixture
def described(capsys):
    def run(*options):
        status = main(["describe", *SMALL, *options])
        out, err = capsys.readouterr()
        assert (status, err) == (0, "")
        return out

    return run


@pytest.fixture
def _unrun(monkeypatch):
    """No circuit runs."""
    monkeypatch.setattr(training, "measure", None)
    monkeypatch.setattr(PennyLaneEngine, "_device_with", None)


@pytest.mark.usefixtures("_unrun")
def test_executions_are_counted_before_anything_is_sent(described):
    (found,) = json.loads(described("--json", *on("ionq.qpu,backend=aria-1")))["devices"]
    gradient = 2 * (4 + 12 + 16)
    assert (found["name"], found["engine"], found["shots"]) == ("pqc", "pennylane:ionq.qpu,backend=aria-1", 100)
    assert found["gradient_circuits"] == gradient
    assert (found["num_train"], found["num_validation"], found["num_test"]) == (435, 77, 696)
    expected = {
        "step": (16, 16 * gradient),
        "epoch": (435 + 77, 435 * gradient),
        "test": (696, 0),
        "run": (24 * (435 + 77) + 696, 24 * 435 * gradient),
    }
    assert found["executions"] == {
        what: {"forward": forward, "gradient": shifted, "shots": 100 * (forward + shifted)}
        for what, (forward, shifted) in expected.items()
    }


@pytest.mark.usefixtures("_unrun")
def test_the_executions_of_a_training_are_shown_as_a_table(described):
    out = described(*on("some.qpu"))
    assert "not timed: nothing is sent to pennylane:some.qpu unasked." in out
    lines = out[out.index("pqc on pennylane") :].splitlines()
    assert lines[0] == "pqc on pennylane:some.qpu: circuits it would be sent, 100 shots each; nothing has been sent"
    assert lines[2].split() == ["training", "step", "16", "1,024", "104,000"]
    assert lines[3].split() == ["epoch,", "435", "+", "77", "sentences", "512", "27,840", "2,835,200"]
    assert lines[4].split() == ["test,", "696", "sentences", "696", "0", "69,600"]
    assert lines[5].split()[-3:] == ["12,984", "668,160", "68,114,400"]
    assert "It cannot run here yet: There is no PennyLane device 'some.qpu' here;" in out
    assert max(map(len, out.splitlines())) <= 120


@pytest.mark.usefixtures("_unrun")
def test_counts_that_options_do_not_determine_are_none(described):
    def facts(*options):
        return json.loads(described("--json", *options))["devices"]

    assert facts("--no_timing") == []
    (found,) = facts(*on("default.qubit", shots=None), "--no_timing", "--test_after_fit", "false")
    assert found["executions"]["run"] == {"forward": 24 * (435 + 77), "gradient": 0, "shots": None}
    assert found["missing"] is None
    (found,) = facts(*on("some.qpu"), "--trainer.max_epochs", "-1", "--data.max_test", "200")
    assert (found["executions"]["run"], found["num_test"]) == (None, 200)
    (found,) = facts(*on("some.qpu"), "--data.source", "./gone.tsv")
    assert (found["executions"]["run"], found["executions"]["test"]) == (None, None)
    assert found["untold"].startswith("There is no data file or folder ./gone.tsv")
    assert "the number of sentences is not known: There is no data file" in described(
        *on("x.y"), "--data.source", "./gone.tsv"
    )


def test_a_training_step_sends_the_estimated_circuits(described):
    told = json.loads(described("--json", "--no_timing", *on("default.qubit", shots=10)))["devices"][0]["executions"]
    config = yaml.safe_load(QUICKSTART.read_text())
    arguments = config["model"]["head"]["init_args"]
    arguments["encoder"]["init_args"] |= {"connectivity": 1, "num_layers": 0}
    arguments["preprocessing"] = None
    arguments["pqc"] = {"num_qubits": 4, "num_reuploads": 1, "shots": 10, "sampler": "device"}
    arguments["pqc"]["engine"] = "pennylane:default.qubit"
    module, _ = model_of_config(yaml.safe_dump(config))
    embeddings = torch.randn(16, 384, generator=torch.Generator().manual_seed(0))
    with qml.Tracker(module.head.pqc.engine._device_with(4)) as tracker:
        module.head(embeddings).sum().backward()
    assert tracker.totals["executions"] == told["step"]["forward"] + told["step"]["gradient"]
    assert tracker.totals["shots"] == told["step"]["shots"]
    assert module.head.encoder.theta.grad.abs().max() > 0


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (on("x.y"), "There is no PennyLane device 'x.y' here; there are: "),
        (on("lightning.gpu"), "pip install pennylane-lightning-gpu"),
        (on("default.qbit"), "did you mean 'default.qubit'?"),
        (on("ionq.qpu,api_key=abc"), "IONQ_API_KEY for ionq.qpu"),
        (on("x.y", shots=None), "only estimates from shots"),
        (["--model.head.pqc.sampler", "device"], "draws no shots itself"),
    ],
)
def test_invalid_input_is_reported_before_any_work(tmp_path, monkeypatch, capsys, options, sentence):
    monkeypatch.chdir(tmp_path)
    assert main(["fit", *SMALL, *options, "--trainer.logger", "false"]) == 1
    out, err = capsys.readouterr()
    (line,) = err.splitlines()
    assert line.startswith("qlit fit: ")
    assert sentence in line
    assert "abc" not in line
    assert out == ""


@pytest.mark.parametrize("precision", ["16-true", "bf16-true"])
def test_half_the_precision_of_a_circuit_is_refused_before_any_work(tmp_path, monkeypatch, capsys, precision):
    monkeypatch.chdir(tmp_path)
    assert main(["fit", *SMALL, "--trainer.precision", precision]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert f"With `trainer.precision: {precision}`" in err
    assert f"Use 32-true, 64-true or {precision.replace('true', 'mixed')}." in err
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "mlruns").exists()
