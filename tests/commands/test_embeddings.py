"""Trainings on embeddings of files, and their checkpoints in every command."""

import json
import re

import numpy as np
import pytest
from commands.runs import fit_untracked
from tiny_body import make_tiny_body, write_tiny_data

from qlit.cli import main
from qlit.jobs.job import Job
from qlit.serving.predictor import Predictor

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*treespec, LeafSpec.*:FutureWarning",  # Lightning 2.6 with torch 2.13
)
NAMES = np.array(["bad", "good", "neutral"])
CENTRES = np.random.default_rng(0).normal(size=(3, 6))


def write(path, count, seed, *, width=6, names=NAMES):
    """Embeddings of clusters with their labels and texts."""
    random = np.random.default_rng(seed)
    classes = np.arange(count) % 3
    vectors = (CENTRES[classes] + 0.2 * random.normal(size=(count, 6)))[:, :width].astype(np.float32)
    path.parent.mkdir(exist_ok=True)
    texts = np.array([f"sentence {seed}-{k}" for k in range(count)])
    np.savez(path, embeddings=vectors, labels=names[classes], texts=texts)
    return str(path)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with embeddings in splits, a config, and the checkpoint of a fit on them."""
    folder = tmp_path_factory.mktemp("embeddings")
    write(folder / "x/train.npz", 120, 1)
    write(folder / "x/test.npz", 60, 2)
    config = {
        "trainer": {"max_epochs": 3, "accelerator": "cpu", "logger": False, "default_root_dir": str(folder)},
        "data": {"embeddings": str(folder / "x"), "splits": "given"},
        "model": {"lr": 0.1, "head": {"class_path": "qlit.heads.LinearHead"}},
    }
    fit_untracked(folder, config)
    return folder


@pytest.fixture
def qlit(trained, capsys, monkeypatch, tmp_path):
    """Run a command: exit status, standard output, standard error. No cache may be written."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("QLIT_CACHE", str(tmp_path / "cache"))
    capsys.readouterr()

    def run(command, *options):
        words = [str(trained / word) if word in ("best.ckpt", "last.ckpt", "config.yaml") else word for word in options]
        status = main([command, *map(str, words)])
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return status, out, err.strip().splitlines()[-1] if err.strip() else ""

    yield run
    assert not (tmp_path / "cache").exists()


def test_a_fit_reads_no_body_and_stores_nothing(qlit):
    status, out, _ = qlit("fit", "--config", "config.yaml", "--data.body", "./nowhere", "--data.source", "./nowhere")
    assert status == 0
    assert re.search(r"x: 102 train / 18 validation / 60 test sentences, split \w+, embeddings of 6 features", out)
    assert "qlit predict" in out
    assert "--embeddings FILE" in out


def test_a_checkpoint_is_resumed_validated_and_tested(qlit, trained, tmp_path):
    for command in ("validate", "test"):
        status, out, _ = qlit(command, "--ckpt_path", "best.ckpt")
        assert (status, "note" in out) == (0, False)
    status, _, err = qlit("fit", "--ckpt_path", "last.ckpt", "--trainer.max_epochs", 4)
    assert status == 0, err
    status, out, _ = qlit("test", "--ckpt_path", "best.ckpt", "--data.test_source", write(tmp_path / "n.npz", 30, 5))
    assert "none of the 30 test sentences trained it" in out
    own = ["--data.test_source", trained / "x/test.npz", "--data.embeddings", "not/there"]
    _, out, _ = qlit("test", "--ckpt_path", "best.ckpt", *own)
    assert "These are the test sentences of the checkpoint's own split" in out
    status, _, err = qlit("test", "--ckpt_path", "best.ckpt", "--data.test_source", trained / "x/train.npz")
    assert (status, "102 trained the checkpoint" in err) == (1, True)


def test_embeddings_are_labelled(qlit, tmp_path):
    file = write(tmp_path / "new.npz", 9, 7)
    status, out, _ = qlit("predict", "best.ckpt", "--embeddings", file, "--format", "csv")
    assert status == 0
    rows = [line.split(",") for line in out.splitlines()]
    assert rows[0] == ["text", "label", "probability"]
    assert [row[0] for row in rows[1:3]] == ["sentence 7-0", "sentence 7-1"]
    assert [row[1] for row in rows[1:]] == ["bad", "good", "neutral"] * 3
    np.save(tmp_path / "new.npy", np.load(file)["embeddings"])
    _, out, _ = qlit("predict", "best.ckpt", "--embeddings", tmp_path / "new.npy")
    assert "row 9 of new.npy" in out


def test_python_labels_the_same(trained, tmp_path):
    vectors = np.load(write(tmp_path / "new.npz", 9, 7))["embeddings"]
    model = Predictor.from_checkpoint(trained / "best.ckpt")
    assert [found.label for found in model.predict(vectors)] == ["bad", "good", "neutral"] * 3
    with pytest.raises(ValueError, match="have 5 features, but the model was trained on 6"):
        model.predict(vectors[:, :5])
    with pytest.raises(ValueError, match="trained on embeddings of a file"):
        model.predict(["a sentence"])


@pytest.mark.parametrize(
    "command",
    [
        ["predict", "best.ckpt", "a sentence"],
        ["register", "best.ckpt", "--name", "n"],
        ["serve", "best.ckpt", "--port", "0"],
        ["test", "--ckpt_path", "best.ckpt", "--data.embeddings", "null"],
    ],
    ids=lambda command: command[0],
)
def test_sentences_are_refused(qlit, command):
    status, _, err = qlit(*command)
    assert status == 1
    assert re.search(
        r"was trained on embeddings of a file \(x\), not on sentences: it has no body that would embed a sentence", err
    )


def test_the_head_is_exported_without_a_body(qlit, tmp_path):
    pytest.importorskip("onnxscript")
    status, out, err = qlit("export", "best.ckpt", "--out", tmp_path / "out")
    assert status == 0, err
    assert "head.onnx" in out
    assert "the model that made the embeddings of x" in (tmp_path / "out/README.md").read_text()


def test_a_body_can_not_be_fine_tuned_or_trained_on_embeddings(qlit):
    status, _, err = qlit("finetune", "--config", "config.yaml", "--output", "tuned")
    assert (status, "A body is fine-tuned on sentences" in err) == (1, True)
    status, _, err = qlit("fit", "--config", "config.yaml", "--data.trainable_body", "true")
    assert (status != 0, "`data.trainable_body` trains a body on sentences" in err) == (True, True)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"width": 5}, "new.npz has embeddings of 5 features, but the checkpoint was trained on 6 features"),
        ({"names": np.array(["bad", "awful", "0"])}, "labels that the checkpoint does not know, '0', 'awful'"),
    ],
)
def test_other_embeddings_are_refused(qlit, tmp_path, settings, message):
    file = write(tmp_path / "new.npz", 9, 7, **settings)
    status, out, err = qlit("test", "--ckpt_path", "best.ckpt", "--data.test_source", file)
    assert (status, out) == (1, "")
    assert message in err
    if "width" in settings:
        status, out, err = qlit("predict", "best.ckpt", "--embeddings", file)
        assert (status, out) == (1, "")
        assert "have 5 features, but the model was trained on 6" in err


def test_a_checkpoint_of_sentences_takes_no_embeddings(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = {
        "trainer": {"max_epochs": 1, "accelerator": "cpu", "logger": False},
        "data": {
            "source": str(write_tiny_data(tmp_path / "d.tsv", 60)),
            "body": str(make_tiny_body(tmp_path / "body")),
        },
        "model": {"head": {"class_path": "qlit.heads.LinearHead"}},
    }
    config["data"]["num_per_label"] = 20
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert main(["fit", "--config", "config.json"]) == 0
    (checkpoint,) = tmp_path.glob("mlruns/untracked/*/best.ckpt")
    file = write(tmp_path / "new.npz", 9, 7)
    for command in (
        ["predict", str(checkpoint), "--embeddings"],
        ["test", "--ckpt_path", str(checkpoint), "--data.embeddings"],
    ):
        capsys.readouterr()
        assert main([*command, file]) == 1
        assert "trained on sentences, which the body" in capsys.readouterr().err


def test_the_hash_is_over_the_content(trained, tmp_path):
    config = trained / "config.yaml"
    first = Job(configs=[config])
    for name, count, seed in (("train", 120, 1), ("test", 60, 2)):
        write(tmp_path / f"copy/{name}.npz", count, seed)
    copied = Job(configs=[config], overrides={"data.embeddings": str(tmp_path / "copy")})
    assert copied.hash == first.hash
    write(tmp_path / "copy/train.npz", 120, 3)
    changed = Job(configs=[config], overrides={"data.embeddings": str(tmp_path / "copy")})
    assert changed.hash != first.hash


def test_describe_and_compare(qlit, trained, tmp_path):
    status, out, _ = qlit("describe", "--config", "config.yaml", "--no_timing", "--json")
    assert (status, json.loads(out)["parameters"]["total"]) == (0, 21)
    pair = ["--config", "config.yaml", "--config", f"{trained / 'config.yaml'} --model.lr 0.01"]
    status, out, err = qlit("compare", *pair, "--seeds", 1, "--trainer.logger", "true",
                            "--trainer.default_root_dir", str(tmp_path))  # fmt: skip
    assert status == 0, err
    assert "lr 0.01" in out
