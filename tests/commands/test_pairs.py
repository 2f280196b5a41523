"""Trainings on pairs of sentences, and their checkpoints in every command."""

import io
import json
import random
import sys

import numpy as np
import pytest
from commands.runs import fit_untracked, tiny_head
from serving.test_server import Client, running
from tiny_body import make_tiny_body, write_tiny_data

from qlit.cli import main
from qlit.jobs.job import Job
from qlit.serving.loading import load
from qlit.serving.mlflow_model import save_package
from qlit.serving.predictor import Predictor
from qlit.serving.pretrained import save_pretrained

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*treespec, LeafSpec.*:FutureWarning",  # Lightning 2.6 with torch 2.13
)
WORDS = ("good", "bad", "film", "a", "the", "dull", "fine", "was", "it", "not", "very")
PAIRS = [("good film", "a fine film"), ("a dull film", "it was very good"), ("the film", "the film")]


def write_pairs(file, count):
    """Pairs of the same words in another order (label same), and of other words (label other)."""
    draw, lines = random.Random(0), {}
    while len(lines) < count:
        first = draw.choices(WORDS, k=5)
        is_same = len(lines) % 2
        second = draw.sample(first, 5) if is_same else draw.choices(WORDS, k=5)
        lines.setdefault(f"{' '.join(first)},{' '.join(second)}", "same" if is_same else "other")
    file.write_text("#1 String,#2 String,kind\n" + "".join(f"{text},{label}\n" for text, label in lines.items()))
    return str(file)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with pairs, a body, a config, and the checkpoints of a fit."""
    folder = tmp_path_factory.mktemp("pairs")
    data = {
        "source": write_pairs(folder / "pairs.csv", 80), "body": str(make_tiny_body(folder / "body")),
        "text_column": "#1 String", "second_text_column": "#2 String", "label_column": "kind",
        "num_per_label": 20, "stratified": True, "cache_dir": str(folder / "cache"),
    }  # fmt: skip
    trainer = {"max_epochs": 2, "accelerator": "cpu", "logger": False, "default_root_dir": str(folder)}
    config = {"trainer": trainer, "data": data, "model": {"head": tiny_head(num_qubits=4)}}
    fit_untracked(folder, config)
    return folder


@pytest.fixture
def qlit(trained, capsys, monkeypatch, tmp_path):
    """Run a command: exit status, standard output, the last line of standard error."""
    monkeypatch.chdir(tmp_path)
    capsys.readouterr()

    def run(command, *options):
        words = [str(trained / word) if word in ("best.ckpt", "last.ckpt", "config.yaml") else word for word in options]
        status = main([command, *map(str, words)])
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return status, out, err.strip().splitlines()[-1] if err.strip() else ""

    return run


@pytest.fixture(scope="module")
def predictor(trained):
    return Predictor.from_checkpoint(trained / "best.ckpt")


def test_a_checkpoint_is_resumed_validated_and_tested(qlit):
    for command in ("validate", "test"):
        status, out, err = qlit(command, "--ckpt_path", "best.ckpt")
        assert (status, "pairs.csv: " in out, " pairs, split" in out) == (0, True, True), err
    status, out, err = qlit("fit", "--ckpt_path", "last.ckpt", "--trainer.max_epochs", 3)
    assert status == 0, err
    assert '--pair "How old are you?"' in out


def test_pairs_are_labelled_alike_from_everywhere(qlit, predictor, tmp_path, monkeypatch):
    expected = [found.probability for found in predictor.predict(PAIRS)]
    table = "number,a,q\n" + "".join(f"{number},{second},{first}\n" for number, (first, second) in enumerate(PAIRS))
    (tmp_path / "new.csv").write_text(table)
    lines = "".join(f"{first}\t{second}\n" for first, second in PAIRS)
    (tmp_path / "new.txt").write_text(lines)
    words = [word for pair in PAIRS for word in ("--pair", *pair)]
    names = ("--text_column", "q", "--second_text_column", "a")
    for given in (words, ["--file", "new.txt"], ["--file", "new.csv", *names], []):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines.encode())))
        status, out, err = qlit("predict", "best.ckpt", *given, "--format", "jsonl")
        assert status == 0, err
        rows = [json.loads(line) for line in out.splitlines()]
        found = [row.get("probability", row.get("predicted_probability")) for row in rows]
        assert found == pytest.approx(expected, abs=2e-6)
        if given in (words, []):
            assert [(row["text"], row["second_text"]) for row in rows] == PAIRS
    _, out, _ = qlit("predict", "best.ckpt", *words)
    assert "good film | a fine film" in out


def test_python_labels_pairs(predictor):
    found = predictor.predict_proba(np.array(PAIRS))
    np.testing.assert_array_equal(found, predictor.predict_proba([list(pair) for pair in PAIRS]))
    embeddings = predictor.embed(PAIRS)
    assert embeddings.shape == (3, 16)
    np.testing.assert_allclose(embeddings[2, :8], embeddings[2, 8:], rtol=0, atol=1e-6)
    for wrong, message in (
        (["good film"], "element 1 is 'good film'"),
        ([("a", "b", "c")], r"every element must have two, such as \(\"first\", \"second\"\)"),
        ([("a", "b"), ("a", " ")], "pair 2 has ' '"),
        ([], "at least one pair is needed"),
        ("good film", "at least one pair is needed"),
    ):
        with pytest.raises(ValueError, match=message):
            predictor.predict(wrong)


def test_a_server_takes_pairs(predictor):
    expected = [found.probability for found in predictor.predict(PAIRS)]
    with running(predictor) as address:
        client = Client(address)
        answer = client.post("/predict", json={"pairs": PAIRS})
        assert [each["probability"] for each in answer.json()["predictions"]] == pytest.approx(expected, abs=2e-6)
        assert client.get("/model").json()["takes"] == "pairs"
        for wrong, message in (
            ({"sentences": ["good film"]}, 'JSON like {"pairs": [["...", "..."]]}'),
            ({"pairs": [["good film"]]}, "at least 2 items"),
            ({"pairs": [["good film", " "]]}, "The second sentence of pair 1 is blank."),
            ({"pairs": []}, "1 to 256 pairs, but got 0"),
        ):
            answer = client.post("/predict", json=wrong)
            assert (answer.status_code, message in answer.json()["error"]) == (422, True), answer.text


def test_a_model_is_shared_and_packaged(predictor, trained, tmp_path):
    import mlflow.pyfunc
    import pandas as pd

    expected = [found.probability for found in predictor.predict(PAIRS)]
    save_pretrained(predictor, tmp_path / "shared")
    assert '[("How old are you?", "What is your age?")]' in (tmp_path / "shared/README.md").read_text()
    found = load(tmp_path / "shared").predict(PAIRS)
    assert [each.probability for each in found] == pytest.approx(expected, abs=2e-6)
    save_package(predictor, trained / "best.ckpt", tmp_path / "package")
    table = pd.DataFrame(PAIRS, columns=["sentence", "second_sentence"])
    packaged = mlflow.pyfunc.load_model(str(tmp_path / "package")).predict(table)
    assert packaged["probability"].tolist() == pytest.approx(expected, abs=2e-6)


def test_circuits_are_exported_for_a_pair(qlit, tmp_path):
    status, _, err = qlit("export", "best.ckpt", "--pair", *PAIRS[0], "--out", tmp_path / "out")
    assert status == 0, err
    assert json.loads((tmp_path / "out/programs.json").read_text())["sentence"] == "good film | a fine film"
    status, _, err = qlit("export", "best.ckpt", "good film", "--out", tmp_path / "other")
    assert (status, "exported for one pair: give it as --pair FIRST SECOND" in err) == (1, True)


def test_an_onnx_file_says_that_its_input_is_of_pairs(qlit, tmp_path):
    pytest.importorskip("onnxscript")
    head = ["--model.head", "qlit.heads.LinearHead", "--model.head.preprocessing", "qlit.heads.PairFeatures"]
    status, _, err = qlit("fit", "--config", "config.yaml", *head, "--trainer.default_root_dir", tmp_path)
    assert status == 0, err
    (best,) = tmp_path.glob("mlruns/untracked/*/best.ckpt")
    status, _, err = qlit("export", best, "--out", tmp_path / "out")
    assert status == 0, err
    assert "the embedding of the first sentence of a pair, then" in (tmp_path / "out/README.md").read_text()


def test_single_sentences_are_refused_by_a_model_of_pairs(qlit, tmp_path):
    status, _, err = qlit("predict", "best.ckpt", "good film")
    assert (status, "give every pair as --pair FIRST SECOND, or the columns of a table" in err) == (2, True)
    (tmp_path / "one.txt").write_text("good film\n")
    status, _, err = qlit("predict", "best.ckpt", "--file", "one.txt")
    assert (status, "The line 'good film' is no pair" in err) == (1, True)
    (tmp_path / "one.csv").write_text("text\ngood film\n")
    status, _, err = qlit("predict", "best.ckpt", "--file", "one.csv")
    assert (status, "columns of a table as --text_column and --second_text_column" in err) == (2, True)
    status, _, err = qlit("predict", "best.ckpt", "--pair", "good film")
    assert (status, "the option --pair needs 2 values" in err) == (2, True)
    single = ("--data.test_source", write_tiny_data(tmp_path / "s.tsv", 20), "--data.text_column", "text")
    status, _, err = qlit("test", "--ckpt_path", "best.ckpt", *single, "--data.label_column", "label")
    assert (status, "has no column '#2 String'" in err, "`second_text_column`" in err) == (1, True, True)
    status, _, err = qlit("test", "--ckpt_path", "best.ckpt", "--data.second_text_column", "")
    assert (status, "read as single sentences, but the checkpoint was trained on pairs" in err) == (1, True)


def test_pairs_are_refused_where_they_have_no_meaning(qlit):
    status, _, err = qlit("finetune", "--config", "config.yaml", "--output", "tuned")
    assert (status, "A body is fine-tuned on single sentences" in err) == (1, True)
    status, _, err = qlit("fit", "--config", "config.yaml", "--data.trainable_body", "true")
    assert (status != 0, "`data.trainable_body` trains a body on single sentences" in err) == (True, True)
    status, _, err = qlit("fit", "--config", "config.yaml", "--data.second_text_column", "#1 String")
    assert (status != 0, "both name the column '#1 String'" in err) == (True, True)


@pytest.mark.parametrize(
    "options",
    [
        ["--model.head.encoder", "qlit.heads.PairEncoder", "--model.head.encoder.num_qubits", "4"],
        ["--model.head.preprocessing", "qlit.heads.PairFeatures"],
    ],
    ids=["PairEncoder", "PairFeatures"],
)
def test_heads_for_pairs_refuse_single_sentences(qlit, options):
    single = ("--data.second_text_column", "", "--model.head.encoder.connectivity", "1")
    status, _, err = qlit("fit", "--config", "config.yaml", *options, *single)
    named = options[1].rpartition(".")[2]
    assert (status, f"{named} takes pairs of sentences, but pairs.csv is read as single" in err) == (1, True), err


def test_pairs_are_refused_by_a_model_of_single_sentences(tmp_path, trained, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = json.loads((trained / "config.yaml").read_text())
    config["data"] |= {"text_column": "text", "second_text_column": "", "label_column": "label"}
    config["data"]["source"] = str(write_tiny_data(tmp_path / "d.tsv", 60))
    config["trainer"] |= {"max_epochs": 1, "default_root_dir": str(tmp_path)}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert main(["fit", "--config", "config.json"]) == 0
    (checkpoint,) = map(str, tmp_path.glob("mlruns/untracked/*/best.ckpt"))
    capsys.readouterr()
    assert main(["predict", checkpoint, "--pair", "good film", "a film"]) == 2
    assert "trained on single sentences, not on pairs" in capsys.readouterr().err
    columns = (
        "--data.text_column",
        "#1 String",
        "--data.second_text_column",
        "#2 String",
        "--data.label_column",
        "kind",
    )
    assert main(["test", "--ckpt_path", checkpoint, "--data.source", config["data"]["source"], *columns[:4]]) == 1
    assert "has no column '#1 String'" in capsys.readouterr().err
    assert main(["test", "--ckpt_path", checkpoint, "--data.source", str(trained / "pairs.csv"), *columns]) == 1
    err = capsys.readouterr().err
    assert "label" in err or "pairs of sentences, but the checkpoint" in err


def test_the_hash_is_over_the_content(trained, tmp_path):
    config = trained / "config.yaml"
    first = Job(configs=[config])
    text = (trained / "pairs.csv").read_text()
    (tmp_path / "b.csv").write_text(text.replace("#1 String,#2 String,kind", "one,two,kind"))
    names = {"data.source": str(tmp_path / "b.csv"), "data.text_column": "one", "data.second_text_column": "two"}
    assert Job(configs=[config], overrides=names).hash == first.hash
    swapped = {**names, "data.text_column": "two", "data.second_text_column": "one"}
    assert Job(configs=[config], overrides=swapped).hash != first.hash


def test_the_features_of_a_pair_are_filled_in(qlit):
    status, out, err = qlit("describe", "--config", "config.yaml", "--no_timing", "--json", "--model.head",
                            "qlit.heads.LogisticRegressionHead", "--trainer.max_epochs", 1)  # fmt: skip
    assert status == 0, err
    assert json.loads(out)["parameters"]["total"] == 17
