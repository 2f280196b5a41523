"""Sizes of a head that a config leaves out come from data and body; given ones are checked before the embedding."""

import json

import pytest
from tiny_body import make_tiny_body, write_tiny_data

from qlit.cli import main
from qlit.data.contents import num_classes_of
from qlit.jobs.job import Job
from qlit.jobs.terminal import quieten
from qlit.tracking.config_hash import HASH, identity_tags

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*treespec, LeafSpec.*:FutureWarning",  # Lightning 2.6 with torch 2.13
)
ENCODER = {"num_qubits": 3, "connectivity": 1, "num_layers": 0}
PQC = {"num_qubits": 2, "num_reuploads": 1}
HEADS = {
    "LinearHead": {},
    "MLPHead": {"hidden_dim": 2},
    "LogisticRegressionHead": {},
    "SVCHead": {},
    "HybridHead": {"encoder": {"class_path": "qlit.heads.NeuralEncoder", "init_args": {"hidden_dim": 2}}, "pqc": PQC},
}


def three_labels(file):
    lines = write_tiny_data(file, 90).read_text().splitlines()
    named = [f"{line.partition(chr(9))[0]}\t{'abc'[k % 3]}" for k, line in enumerate(lines[1:])]
    file.write_text("\n".join([lines[0], *named]) + "\n")
    return str(file)


@pytest.fixture
def config(tmp_path, monkeypatch):
    """A function that writes a config of a head, with three labels and a body of eight features."""
    monkeypatch.chdir(tmp_path)
    quieten()
    data = {"source": three_labels(tmp_path / "d.tsv"), "body": str(make_tiny_body(tmp_path / "body"))}
    data |= {"num_per_label": 20, "stratified": True}

    def write(head, **init_args):
        trainer = {"max_epochs": 1, "accelerator": "cpu"}
        spec = {"class_path": f"qlit.heads.{head}", "init_args": {**HEADS[head], **init_args}}
        (tmp_path / "config.json").write_text(json.dumps({"trainer": trainer, "data": data, "model": {"head": spec}}))
        return str(tmp_path / "config.json")

    return write


@pytest.mark.parametrize("head", HEADS)
def test_a_fit_takes_the_sizes_of_data_and_body(config, head, tmp_path, capsys):
    path = config(head)
    assert main(["fit", "--config", path]) == 0
    (checkpoint,) = tmp_path.glob("mlruns/runs/*/best.ckpt")
    capsys.readouterr()
    (tmp_path / "d.tsv").unlink()  # the config in the checkpoint is complete
    assert main(["predict", str(checkpoint), "a good film"]) == 0
    assert "Traceback" not in capsys.readouterr().err


def test_the_run_records_them_and_has_the_hash_of_a_config_that_gives_them(config):
    job = Job(configs=[config("LinearHead")])
    given = Job(configs=[config("LinearHead", num_features=8, num_classes=3)])
    assert job.hash == given.hash == identity_tags(given.config, given.contents)[HASH]
    assert job.run(tags={}).status == "finished"
    found = given.find()
    assert found is not None
    assert found.status == "finished"


def test_a_projection_gives_its_size_to_the_encoder_behind_it(config, capsys):
    inner = {"class_path": "qlit.heads.NeuralEncoder", "init_args": {"num_hidden_layers": 0, "hidden_dim": 0}}
    projected = {"class_path": "qlit.heads.ProjectedEncoder", "init_args": {"num_projected": 4, "encoder": inner}}
    assert main(["fit", "--config", config("HybridHead", encoder=projected), "--trainer.logger", "false"]) == 0
    out = capsys.readouterr().out
    # 8 * 4 + 4 of the projection, 4 * 2 + 2 of the encoder behind it
    assert "encoder 46" in out


COMPONENTS = {"class_path": "qlit.heads.PrincipalComponents", "init_args": {"num_components": 3}}


def test_an_encoder_behind_a_preprocessing_gets_the_number_of_its_outputs(config, capsys):
    path = config("HybridHead", preprocessing=COMPONENTS)
    sizes = []
    for words in ([], ["--data.body", "owner/body"]):  # the second is not here
        assert main(["describe", "--config", path, "--no_timing", "--json", *words]) == 0
        sizes.append(json.loads(capsys.readouterr().out)["parameters"]["encoder"])
    assert sizes == [14, 14]  # 3 * 2 + 2 and 2 * 2 + 2


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"preprocessing": {**COMPONENTS, "init_args": {"num_components": 9}}},
            "Embeddings of 8 features have at most 8 principal components, but got num_components=9",
        ),
        (
            {"preprocessing": {**COMPONENTS, "init_args": {"num_components": 0}}},
            "`num_components >= 1` must hold, but got num_components=0",
        ),
        ({"num_features": 9}, "The body's embeddings have 8 features, but the model was made for num_features=9"),
        ({"num_classes": 4}, "The data has 3 classes (a, b, c), but the head has num_classes=4"),
    ],
)
def test_given_sizes_are_checked_before_anything_is_embedded(config, monkeypatch, tmp_path, capsys, given, message):
    monkeypatch.setenv("QLIT_CACHE", str(tmp_path / "cache"))
    assert main(["fit", "--config", config("LinearHead", **given)]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "cache/embeddings").exists()


def test_describe_assumes_the_published_sizes_for_what_is_only_on_the_hub(config, capsys):
    path = config("LinearHead")
    assert main(["describe", "--config", path, "--no_timing", "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["parameters"]["total"] == 27
    assert captured.err == ""
    on_hub = ["--data.source", "an/owner", "--data.body", "owner/body"]
    assert main(["describe", "--config", path, "--no_timing", "--json", *on_hub]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["parameters"]["total"] == 769
    assert json.loads(captured.out)["assumed"] == [
        "num_classes 2 (the labels of an/owner are not counted)",
        "num_features 768 (the body owner/body is not looked for)",
    ]


def test_a_comparison_of_configs_without_sizes(config, capsys):
    path = config("LinearHead")
    assert main(["compare", "--config", path, "--config", f"{path} --model.lr 0.1", "--seeds", "1"]) == 0
    assert "lr 0.1" in capsys.readouterr().out


def test_labels_are_counted_once_while_the_file_stays(config, monkeypatch):
    settings = Job(configs=[config("LinearHead")]).config["data"]
    monkeypatch.setattr("qlit.data.stamps._SETTLED_NS", 0)
    assert num_classes_of(settings) == 3
    monkeypatch.setattr("qlit.data.sources.Sources.load", None)
    assert num_classes_of(settings) == 3
