"""A checkpoint as a registered MLflow model: packaged without pickles, loaded without qlit, served under a name."""

import json
import os
import subprocess
import sys
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from qlit.cli import main
from qlit.serving.mlflow_model import save_package
from qlit.serving.predictor import Predictor
from qlit.tracking.registry import register
from qlit.tracking.tracker import MLflowTracker

SENTENCES = ["good film", "a dull film", "it was not very good"]


@pytest.fixture(scope="module")
def predictor(checkpoint):
    return Predictor.from_checkpoint(checkpoint)


@pytest.fixture(scope="module")
def package(predictor, checkpoint, tmp_path_factory):
    folder = tmp_path_factory.mktemp("package") / "model"
    save_package(predictor, checkpoint, folder)
    return folder


@pytest.fixture
def store(folder, monkeypatch):
    """URI of an empty store in the current folder, as MLflow's own commands name it too."""
    uri = f"sqlite:///{folder}/mlruns/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    before = mlflow.get_tracking_uri(), mlflow.get_registry_uri()
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    yield uri
    mlflow.set_tracking_uri(before[0])
    mlflow.set_registry_uri(before[1])


def test_a_package_holds_no_pickle_and_names_what_it_needs(package):
    suffixes = {path.suffix for path in package.rglob("*") if path.is_file()}
    assert not suffixes & {".pkl", ".pickle", ".joblib"}
    model = mlflow.models.Model.load(package)
    assert [column.name for column in model.get_input_schema()] == ["sentence"]
    assert [column.name for column in model.get_output_schema()] == ["label", "probability"]
    requirements = (package / "requirements.txt").read_text().splitlines()
    assert all("==" in line for line in requirements)
    names = {line.partition("==")[0] for line in requirements}
    assert {"torch", "sentence-transformers", "mlflow"} <= names
    assert "qlit" not in names  # another package has this name in the public index
    assert model.metadata["labels"] == ["bad", "good"]
    assert json.loads((package / "input_example.json").read_text())["columns"] == ["sentence"]
    assert not [*package.rglob("native")]


_WITHOUT_QLIT = """
import json, os, sys
from importlib.machinery import PathFinder

class OnlyThePackage:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] == "qlit":
            places = [place for place in sys.path if place.startswith(sys.argv[1])] if path is None else path
            return PathFinder.find_spec(name, places)

sys.meta_path = [OnlyThePackage, *(each for each in sys.meta_path if "Redirecting" not in type(each).__name__)]
os.environ["QLIT_CACHE"] = sys.argv[2]
import mlflow, pandas
model = mlflow.pyfunc.load_model(sys.argv[1])
found = model.predict(pandas.DataFrame({"sentence": sys.argv[3:]}))
import qlit
print(json.dumps({"from": qlit.__file__, "rows": found.to_dict("records")}))
"""


def test_a_package_is_loaded_without_qlit_and_without_pickles(package, predictor, tmp_path):
    environment = {**os.environ, "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false"}
    environment.pop("PYTHONPATH", None)
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT_QLIT, str(package), str(tmp_path), *SENTENCES],
        capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert Path(found["from"]).is_relative_to(package)
    expected = predictor.predict(SENTENCES)
    assert [row["label"] for row in found["rows"]] == [each.label for each in expected]
    assert [row["probability"] for row in found["rows"]] == pytest.approx([e.probability for e in expected], abs=1e-5)
    assert not (tmp_path / "embeddings").exists()


def test_blank_sentences_are_refused_and_no_sentence_gives_no_row(package):
    model = mlflow.pyfunc.load_model(str(package))
    with pytest.raises(MlflowException, match="but sentence 2 is not"):
        model.predict(pd.DataFrame({"sentence": ["good film", "  "]}))
    assert len(model.predict(pd.DataFrame({"sentence": pd.Series([], dtype=str)}))) == 0


def test_versions_and_aliases_of_one_name(package, store, predictor):
    arguments = {"labels": predictor.label_names, "run_id": None}
    assert register(package, "films", aliases=["champion"], **arguments) == 1
    assert register(package, "films", **arguments) == 2
    client = MlflowClient(store)
    first, second = (client.get_model_version("films", str(version)) for version in (1, 2))
    assert first.source != second.source  # a later version does not overwrite the files of an earlier one
    assert client.get_model_version_by_alias("films", "champion").version == 1
    assert client.get_run(first.run_id).info.status == "FINISHED"
    model = mlflow.pyfunc.load_model("models:/films@champion")
    assert list(model.predict(pd.DataFrame({"sentence": SENTENCES}))["label"]) == [
        each.label for each in predictor.predict(SENTENCES)
    ]


@pytest.mark.usefixtures("store")
def test_the_run_of_the_checkpoint_gets_the_package(package, predictor):
    tracker = MLflowTracker()
    tracker.start()
    tracker.close()
    register(package, "films", labels=predictor.label_names, run_id=tracker.run_id)
    assert MlflowClient().get_model_version("films", "1").run_id == tracker.run_id


@pytest.mark.usefixtures("store")
def test_a_name_with_other_labels_or_of_others_is_refused(package, predictor):
    client = MlflowClient()
    client.create_registered_model("theirs")
    with pytest.raises(ValueError, match="a registered model 'theirs' already, which does not come from qlit"):
        register(package, "theirs", labels=predictor.label_names, run_id=None)
    register(package, "films", labels=predictor.label_names, run_id=None)
    with pytest.raises(ValueError, match=r"has the labels bad, good, not no, yes\. Choose another name"):
        register(package, "films", labels=["no", "yes"], run_id=None)
    with pytest.raises(ValueError, match="refuses the model 'a/b'"):
        register(package, "a/b", labels=predictor.label_names, run_id=None)
    assert len(client.search_model_versions("name='films'")) == 1


@pytest.mark.usefixtures("store")
def test_the_command_registers_and_prints_where(checkpoint, capsys):
    assert main(["register", str(checkpoint), "--name", "films", "--alias", "champion"]) == 0
    out, err = capsys.readouterr()
    assert out == "models:/films/1\nmodels:/films@champion\n"
    assert err == ""


def test_a_checkpoint_with_classes_of_others_is_not_packaged(predictor, checkpoint, tmp_path, monkeypatch):
    config = predictor.notes["config"].replace("qlit.heads.HybridHead", "my_heads.Own")
    monkeypatch.setitem(predictor.notes, "config", config)
    with pytest.raises(ValueError, match=r"the checkpoint uses my_heads\. Use `qlit serve` with --allow"):
        save_package(predictor, checkpoint, tmp_path / "model")
