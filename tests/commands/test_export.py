"""`qlit export`, checked from its folder alone with another simulator."""

import json
import math
import re

import pytest
import torch
import yaml
from checkpoint_models import model_of_config
from reading_openqasm import expectation_values
from tiny_body import make_tiny_body

from qlit.cli import main
from qlit.data import EmbeddingCache, resolve_body
from qlit.data.trainable import TrainableBody
from qlit.serving.predictor import Predictor

SENTENCE = "not a good film"
SINGLE = {"class_path": "qlit.heads.SimulatedQuantumEncoder", "init_args": {"num_qubits": 3, "connectivity": 1}}
PARALLEL = {"class_path": "qlit.heads.ParallelEncoders", "init_args": {"encoder": SINGLE}}


@pytest.fixture
def make(tmp_path):
    """Save a checkpoint of an untrained head; return its path, and its exact logits of the sentence in float64."""

    def save(encoder=SINGLE, *, labels=("bad", "good"), trainable_body=False, **changes):
        torch.manual_seed(0)
        body = str(make_tiny_body(tmp_path / "body"))
        # A device that nobody has: exporting needs none.
        pqc = {"num_qubits": 2, "init_std": 1.0, "sampler": "device", "shots": 9, "engine": "pennylane:some.qpu"}
        arguments = {"encoder": encoder, "pqc": pqc, "num_classes": len(labels), **changes}
        head = {"class_path": "qlit.heads.HybridHead", "init_args": arguments}
        config = yaml.safe_dump({"model": {"head": head}, "data": {"body": body, "trainable_body": trainable_body}})
        module, _ = model_of_config(config)
        if trainable_body:
            module.body = TrainableBody(resolve_body(body))
        notes = {"config": config, "label_names": list(labels)}
        path = tmp_path / "some.ckpt"
        torch.save({"state_dict": module.state_dict(), "qlit": notes}, path)
        embedding = EmbeddingCache().embed([SENTENCE], resolve_body(body)).vectors.double()
        angles = module.double().head.encoder(embedding)
        z = model_of_config(config.replace("pennylane:some.qpu", "reference").replace("device", "gaussian"))[0].head.pqc
        z.load_state_dict(module.head.pqc.state_dict())
        z.shots = None
        return str(path), module.head.logits(z.double()(angles))[0].tolist()

    return save


def export(*arguments):
    return main(["export", *map(str, arguments)])


@pytest.mark.parametrize(
    ("encoder", "options"),
    [
        (SINGLE, {}),
        (SINGLE, {"trainable_body": True}),
        (PARALLEL, {"labels": ("bad", "so, so", "good")}),
    ],
)
def test_an_outsider_reproduces_the_logit_from_the_folder_alone(make, tmp_path, encoder, options, capsys):
    checkpoint, logits = make(encoder, **options)
    folder = tmp_path / "made" / "here"
    assert export(checkpoint, SENTENCE, "--out", folder) == 0
    assert capsys.readouterr().out.startswith(f"{folder}: encoder")
    facts = json.loads((folder / "programs.json").read_text())
    measured = {each["file"]: expectation_values((folder / each["file"]).read_text()) for each in facts["encoders"]}
    text = (folder / facts["pqc"]["file"]).read_text()
    for k, angle in enumerate(facts["pqc"]["angles"]):
        turned = angle["scale"] * measured[angle["program"]][angle["bit"]]
        text, count = re.subn(rf"ry\([^)]*\)( .*// angle {k})\n", rf"ry({turned})\1\n", text)
        assert count == 4  # re-uploads
    z = expectation_values(text)
    linear = facts["linear"]
    found = [
        math.fsum(w * z_k for w, z_k in zip(row, z, strict=True)) + bias
        for row, bias in zip(linear["weight"], linear["bias"], strict=True)
    ]
    assert found == pytest.approx(logits, rel=0, abs=1e-10)
    assert facts["logits"] == pytest.approx(logits, rel=0, abs=1e-10)
    assert list(facts["labels"]) == list(options.get("labels", ("bad", "good")))
    assert sum(facts["labels"].values()) == pytest.approx(1)
    readme = (folder / "README.md").read_text()
    assert f"Sentence: {SENTENCE}\n" in readme
    assert all(f"`{name}`" in readme for name in (*measured, "pqc.qasm", "programs.json"))
    assert f"\nLogits: {facts['logits'][0]:.12f}" in readme
    assert "angle 1 of the PQC" in readme


def test_without_a_linear_layer_the_readme_says_what_the_expectation_value_means(make, tmp_path):
    checkpoint, logits = make(final_linear=False)
    assert export(checkpoint, SENTENCE, "--out", tmp_path / "out") == 0
    facts = json.loads((tmp_path / "out" / "programs.json").read_text())
    (z,) = facts["pqc"]["expectations"]
    assert facts["linear"] is None
    assert facts["labels"]["good"] == pytest.approx((1 + z) / 2)
    assert facts["logits"] == pytest.approx(logits, abs=1e-10)
    assert "The probability of the second label is (1 + <Z>) / 2" in (tmp_path / "out" / "README.md").read_text()


def test_errors_are_reported_before_anything_is_written(make, tmp_path, capsys):
    checkpoint, _ = make()
    full = tmp_path / "full"
    full.mkdir()
    (full / "kept.txt").touch()
    for arguments, sentence in (
        ((checkpoint, SENTENCE, "--out", full), f"The folder {full} is not empty; name another with --out"),
        ((checkpoint, SENTENCE, "--out", checkpoint), "is not empty"),
        ((checkpoint, " ", "--out", tmp_path / "new"), "The sentence is blank"),
        ((tmp_path / "gone.ckpt", SENTENCE, "--out", tmp_path / "new"), "There is no checkpoint"),
        ((checkpoint, SENTENCE, "--out", tmp_path / "new", "--body", "./gone"), "There is no body folder"),
    ):
        assert export(*arguments) == 1
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith("qlit export: ")
        assert sentence in err
        assert err.count("\n") == 1
    assert [path.name for path in full.iterdir()] == ["kept.txt"]
    assert not (tmp_path / "new").exists()


# --- heads without a circuit ---


@pytest.fixture
def classical(tmp_path):
    """Save a checkpoint of a linear head; return its path and its model."""
    body = str(make_tiny_body(tmp_path / "body"))

    def save(labels=("bad", "gut, ja"), **data):
        torch.manual_seed(0)
        head = {"class_path": "qlit.heads.LinearHead", "init_args": {"num_features": 8, "num_classes": len(labels)}}
        config = yaml.safe_dump({"model": {"head": head}, "data": {"body": body, **data}})
        module, _ = model_of_config(config)
        if data:
            module.body = TrainableBody(resolve_body(body))
        path = tmp_path / "classical.ckpt"
        torch.save({"state_dict": module.state_dict(), "qlit": {"config": config, "label_names": list(labels)}}, path)
        return path

    return save


@pytest.mark.parametrize("labels", [("bad", "gut, ja"), ("a", "b", "c")])
def test_an_onnx_file_gives_the_probabilities_of_the_checkpoint(classical, labels, tmp_path, capsys):
    onnxruntime = pytest.importorskip("onnxruntime")
    checkpoint = classical(labels)
    assert export(checkpoint, "--out", tmp_path / "out") == 0
    assert capsys.readouterr() == (f"{tmp_path / 'out'}: head.onnx, README.md\n", "")
    session = onnxruntime.InferenceSession(tmp_path / "out" / "head.onnx")
    model = Predictor.from_checkpoint(checkpoint)
    sentences = [SENTENCE, "good film", "dull"]
    found = session.run(["probabilities"], {"embeddings": model.embed(sentences)})[0]
    assert found == pytest.approx(model.predict_proba(sentences), abs=1e-6)
    assert json.loads(session.get_modelmeta().custom_metadata_map["qlit.labels"]) == list(labels)
    readme = (tmp_path / "out" / "README.md").read_text()
    assert "`head.onnx` is a LinearHead" in readme
    assert f"one column per label: {', '.join(labels)}." in readme


def test_a_sentence_belongs_to_circuits_alone(make, classical, tmp_path, capsys, monkeypatch):
    quantum, _ = make()
    out = tmp_path / "new"
    for arguments, sentence in (
        ((quantum, "--out", out), "The circuits of a HybridHead are exported for one sentence"),
        ((classical(), SENTENCE, "--out", out), "LinearHead has no circuit that encodes a sentence"),
        ((classical(trainable_body=True), "--out", out), "was trained together with its head"),
    ):
        assert export(*arguments) == 1
        assert sentence in capsys.readouterr().err
    monkeypatch.setattr("qlit.serving.onnx_file.find_spec", lambda _: None)
    assert export(classical(), "--out", out) == 1
    assert "An ONNX file needs onnx and onnxscript: run `pip install" in capsys.readouterr().err
    assert not out.exists()
