"""`qlit.load` finds a model wherever it lies, and `import qlit` stays light."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from data.helpers import FakeHub

import qlit
from qlit.cli import main
from qlit.heads import HybridHead
from qlit.serving.predictor import Predictor

SENTENCES = ["good film", "a dull film", "it was not very good"]


@pytest.fixture(scope="module", autouse=True)
def _tables_of_new_stores_are_copied(copied_stores): ...


@pytest.fixture(scope="module")
def model(checkpoint):
    return qlit.load(checkpoint)


def same(one, other):
    return np.array_equal(one.predict_proba(SENTENCES), other.predict_proba(SENTENCES))


def test_a_model_predicts_embeds_and_has_its_head_and_config(model, checkpoint):
    assert isinstance(model, Predictor)
    probabilities = model.predict_proba(SENTENCES)
    assert probabilities.shape == (3, 2)
    assert probabilities.dtype == np.float64
    found = model.predict(SENTENCES)
    assert [each.label for each in found] == [model.label_names[k] for k in probabilities.argmax(axis=1)]
    assert [list(each.probabilities.values()) for each in found] == probabilities.tolist()
    embeddings = model.embed(SENTENCES)
    assert (embeddings.shape, embeddings.dtype) == ((3, 8), np.float32)
    assert isinstance(model.head, HybridHead)
    assert not model.head.training
    assert model.head(torch.from_numpy(embeddings)).shape == (3, 1)
    assert model.config["model"]["head"]["class_path"] == "qlit.heads.HybridHead"
    assert same(model, Predictor.from_checkpoint(checkpoint))


def test_sentences_may_be_a_column_or_an_array(model):
    expected = model.predict_proba(SENTENCES)
    for sentences in (tuple(SENTENCES), np.array(SENTENCES), pd.Series(SENTENCES, index=[5, 6, 7])):
        assert np.array_equal(model.predict_proba(sentences), expected)


def test_embeddings_can_take_the_place_of_sentences(save_checkpoint):
    for options in ({}, {"trainable_body": True}):
        path = save_checkpoint(f"linear{len(options)}", head="qlit.heads.LinearHead", num_features=8, **options)
        model = qlit.load(path)
        embeddings = model.embed(SENTENCES)
        np.testing.assert_allclose(model.predict_proba(embeddings), model.predict_proba(SENTENCES), atol=1e-6)
        assert len(model.predict(embeddings.astype("float64"))) == 3


def test_seed_and_exact_values_are_chosen_when_a_model_is_loaded(model, checkpoint, tmp_path):
    qlit.save_pretrained(model, tmp_path / "films")
    embeddings = model.embed(SENTENCES)
    for name in (checkpoint, tmp_path / "films"):
        other, exact = qlit.load(name, seed=1), qlit.load(name, exact=True)
        assert not same(other, model)
        assert not np.array_equal(other.predict_proba(embeddings), model.predict_proba(embeddings))
        np.testing.assert_allclose(exact.predict_proba(embeddings), exact.predict_proba(SENTENCES), atol=1e-6)
        backwards = model.predict_proba(embeddings[::-1].copy())
        assert np.array_equal(backwards[::-1], model.predict_proba(embeddings))


def test_folders_are_models_or_runs(model, checkpoint, tmp_path):
    qlit.save_pretrained(model, tmp_path / "films")
    assert same(qlit.load(tmp_path / "films"), model)
    assert same(qlit.from_pretrained(str(tmp_path / "films")), model)
    (tmp_path / "run").mkdir()
    shutil.copy(checkpoint, tmp_path / "run" / "last.ckpt")
    assert same(qlit.load(tmp_path / "run"), model)
    (tmp_path / "run" / "best.ckpt").write_bytes(b"the best one comes first")
    with pytest.raises(ValueError, match=r"best\.ckpt"):
        qlit.load(tmp_path / "run")


def test_a_run_is_found_by_its_id_in_its_folder_and_in_mlflow(folder, body, capsys):
    rows = [f"{'good' if k % 2 else 'bad'} film {k}\t{k % 2}" for k in range(40)]
    (folder / "few.tsv").write_text("\n".join(["text\tlabel", *rows]) + "\n")
    head = ["--model.head", "LinearHead", "--model.head.num_features", "8", "--trainer.max_epochs", "1"]
    data = ["--data.source", "few.tsv", "--data.body", str(body), "--data.num_per_label", "12"]
    assert main(["fit", *head, *data, "--trainer.accelerator", "cpu"]) == 0
    capsys.readouterr()
    (run,) = (folder / "mlruns" / "runs").iterdir()
    expected = qlit.load(run / "best.ckpt")
    assert same(qlit.load(run.name), expected)
    run.rename(folder / "moved")
    assert same(qlit.load(run.name), expected)  # the artifact
    with pytest.raises(ValueError, match=f"There is no run '{'0' * 32}' in MLflow"):
        qlit.load("0" * 32)
    with pytest.raises(ValueError, match="There is no run"):
        qlit.load(run.name, tracking_uri=f"sqlite:///{folder}/other/mlflow.db")


def python(code, **environment):
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **environment}, timeout=240
    )
    return done.returncode, done.stdout, done.stderr


def test_a_model_on_the_hub_is_found_by_its_name(model, tmp_path):
    qlit.save_pretrained(model, tmp_path / "films")
    hub = FakeHub({"models/someone/films": {p.name: p.read_bytes() for p in (tmp_path / "films").iterdir()}})
    code = "import qlit; print(qlit.load('someone/films', revision='main').predict_proba(['good film'])[0, 0])"
    environment = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    status, out, err = python(code, **environment)
    assert (status, out) == (0, f"{model.predict_proba(['good film'])[0, 0]}\n"), err
    status, _, err = python("import qlit; qlit.load('someone/other')", **environment)
    assert status == 1
    assert "There is no model someone/other" in err


def test_importing_qlit_imports_no_library():
    code = """if True:
        import sys, qlit
        heavy = {"torch", "numpy", "sklearn", "lightning", "mlflow", "yaml"} & sys.modules.keys()
        assert not heavy, heavy
        assert {"load", "from_pretrained", "save_pretrained", "push_to_hub", "sklearn"} <= set(dir(qlit))
        assert qlit.sklearn.HeadClassifier().lr == 2.5e-3
        assert callable(qlit.load) and callable(qlit.push_to_hub)
        from qlit import from_pretrained
    """
    assert python(code) == (0, "", "")


def test_a_class_of_a_stranger_is_refused_unless_it_is_allowed(save_checkpoint, tmp_path, monkeypatch):
    path = save_checkpoint("stranger", head="qlit.heads.LinearHead", num_features=8)
    checkpoint = torch.load(path, weights_only=True)
    config = checkpoint["qlit"]["config"].replace("qlit.heads.LinearHead", "heads_of_a_stranger.Own")
    torch.save({**checkpoint, "qlit": {**checkpoint["qlit"], "config": config}}, tmp_path / "own.ckpt")
    marker = tmp_path / "ran"
    touch = f"import pathlib\npathlib.Path({str(marker)!r}).touch()\n"
    own = f"from qlit.heads import LinearHead\n{touch}\nclass Own(LinearHead): ...\n"
    (tmp_path / "heads_of_a_stranger.py").write_text(own)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(
        ValueError, match=r"names the class 'heads_of_a_stranger\.Own', which a checkpoint may not name"
    ):
        qlit.load(tmp_path / "own.ckpt")
    assert not marker.exists()
    assert same(qlit.load(tmp_path / "own.ckpt", allow=["heads_of_a_stranger"]), qlit.load(path))
    assert marker.exists()


@pytest.mark.parametrize(
    ("name", "options", "error", "message"),
    [
        ("", {}, ValueError, "The name of the model is empty"),
        ("none.ckpt", {}, FileNotFoundError, r"There is no checkpoint none\.ckpt"),
        ("some/none.ckpt", {}, FileNotFoundError, r"There is no checkpoint some/none\.ckpt"),
        ("films", {}, FileNotFoundError, "There is no file or folder films .* neither the id of a run"),
        ("a/b/c", {}, FileNotFoundError, "There is no file or folder a/b/c"),
        (".", {}, ValueError, "neither a model of `save_pretrained` nor the folder of a run"),
        ("https://some.where/best.ckpt", {}, ValueError, "download it first"),
        ("none.ckpt", {"revision": "main"}, ValueError, "`revision` is for models on the Hugging Face hub"),
        ("none.ckpt", {"device": "cuda:99"}, ValueError, "Torch cannot use the device 'cuda:99' here"),
    ],
)
def test_a_name_of_nothing_is_refused_with_the_ways(tmp_path, monkeypatch, name, options, error, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=message):
        qlit.load(name, **options)


@pytest.mark.parametrize(
    ("sentences", "message"),
    [
        ("good film", r"got one string: write \['good film'\]"),
        ([], "at least one sentence"),
        (5, "A list of sentences is needed, but got 5"),
        (["good film", " "], "sentence 2 is blank"),
        (["good film", None], "sentence 2 is None. Embeddings are an array"),
        (["\ud800"], "must be UTF-8 text"),
        ([[0.5] * 8], "sentence 1 is"),
        (np.zeros(8), r"shape \(N, D\) with N >= 1, but got \(8,\)"),
        (np.full((2, 8), np.nan), "NaN or infinity in 2 of 2 rows"),
        (np.zeros((2, 9)), "9"),
        (np.zeros((2, 8)), "2 of 2 sentences have others, the first being 'row 0'"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_bad_sentences_and_embeddings_are_refused(model, sentences, message):
    with pytest.raises(ValueError, match=message):
        model.predict_proba(sentences)
