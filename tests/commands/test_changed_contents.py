"""A data file or body that changes under its name: comparisons and studies use the new contents, or refuse them."""

import itertools
import json
import random
import shutil
from functools import partial

import pytest
import yaml
from commands.runs import all_runs, client
from tiny_body import EMBEDDING_DIM, make_tiny_body

from qlit.cli import main
from qlit.tracking.config_hash import BODY, DATA, HASH

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*treespec, LeafSpec.*:FutureWarning"),  # Lightning 2.6 with torch 2.13
    pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow"),
]

HEAD = {"class_path": "qlit.heads.LogisticRegressionHead", "init_args": {"num_features": EMBEDDING_DIM}}
CONFIG = {
    "trainer": {"max_epochs": 1, "accelerator": "cpu"},
    "tracking": {"experiment": "e"},
    "data": {"source": "d.tsv", "body": "./tiny", "num_per_label": 20, "train_fraction": 0.8},
    "model": {"head": HEAD},
}
COMPARE = ["compare", "--config", "a.yaml", "--config", "a.yaml --model.head.C 0.1", "--json", "found.json"]


def write_data(path, *, shuffled=False):
    words = ("good", "bad", "film", "dull", "fine")
    rows = [" ".join(each) for each in itertools.product(words, repeat=3)]
    labels = [int("good" in row or "fine" in row) for row in rows]
    if shuffled:
        random.Random(0).shuffle(labels)
    path.write_text("text\tlabel\n" + "".join(f"{row}\t{label}\n" for row, label in zip(rows, labels, strict=True)))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder, with a config, data and a body."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("QLIT_CACHE", str(tmp_path / "cache"))
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(CONFIG))
    write_data(tmp_path / "d.tsv")
    make_tiny_body(tmp_path / "tiny")
    return tmp_path


def accuracies():
    with open("found.json", encoding="utf-8") as file:  # noqa: PTH123 - in the current folder
        return [model["accuracies"] for model in json.load(file)["models"]]


def test_a_comparison_uses_the_current_labels_and_body(folder, capsys):
    assert main([*COMPARE, "--seeds", "1"]) == 0
    first = accuracies()
    write_data(folder / "d.tsv", shuffled=True)
    assert main([*COMPARE, "--seeds", "2"]) == 0
    assert "training 1 of 4" in capsys.readouterr().err  # none of the old labels stands among them
    assert [each[:1] for each in accuracies()] != first
    shutil.rmtree(folder / "tiny")
    make_tiny_body(folder / "tiny", seed=1)
    assert main([*COMPARE, "--seeds", "1"]) == 0
    assert "training 1 of 2" in capsys.readouterr().err
    runs = all_runs(folder, "e")
    assert len({(run.data.tags[DATA], run.data.tags[BODY]) for run in runs}) == 3

    write_data(folder / "d.tsv")  # what it was, by another path, with another body's name
    (folder / "data").mkdir()
    (folder / "d.tsv").rename(folder / "data" / "e.tsv")
    make_tiny_body(folder / "again")
    moved = ["--data.source", str(folder / "data" / "e.tsv"), "--data.body", "./again"]
    assert main([*COMPARE, "--seeds", "1", *moved]) == 0
    assert "training" not in capsys.readouterr().err
    assert accuracies() == first


def test_models_of_different_data_are_refused_before_any_is_trained(folder, capsys):
    write_data(folder / "e.tsv", shuffled=True)
    assert main(["compare", "--config", "a.yaml", "--config", "a.yaml --data.source e.tsv", "--seeds", "1"]) == 1
    assert "the sentences or labels of a and a source e.tsv differ" in capsys.readouterr().err
    assert not (folder / "mlruns").exists()


def test_data_that_change_during_a_series_are_noticed_before_the_next_training(folder, monkeypatch, capsys):
    from qlit.jobs import series

    trained = series.Series._train

    def train_and_change(self, number, seed):
        outcome = trained(self, number, seed)
        write_data(folder / "d.tsv", shuffled=True)
        return outcome

    monkeypatch.setattr(series.Series, "_train", train_and_change)
    assert main([*COMPARE, "--seeds", "1"]) == 1
    assert (
        capsys.readouterr()
        .err.splitlines()[-1]
        .endswith("The data changed after this command had looked for earlier runs: run it again.")
    )


def test_a_run_that_continues_with_other_settings_is_not_reused(folder):
    linear = {**HEAD, "class_path": "qlit.heads.LinearHead"}
    (folder / "a.yaml").write_text(yaml.safe_dump({**CONFIG, "model": {"head": linear}}))
    assert main(["fit", "--config", "a.yaml"]) == 0
    (run,) = all_runs(folder, "e")
    last = str(folder / "mlruns" / "runs" / run.info.run_id / "last.ckpt")
    assert main(["fit", "--config", "a.yaml", "--ckpt_path", last, "--trainer.max_epochs", "2"]) == 0
    tags = client(folder).get_run(run.info.run_id).data.tags
    assert tags[HASH] == run.data.tags[HASH]
    assert f"resumed.{HASH}" in tags


def test_scoring_a_checkpoint_on_another_body_prints_a_notice(folder, capsys):
    linear = {**HEAD, "class_path": "qlit.heads.LinearHead"}
    (folder / "a.yaml").write_text(yaml.safe_dump({**CONFIG, "model": {"head": linear}}))
    assert main(["fit", "--config", "a.yaml"]) == 0
    (run,) = all_runs(folder, "e")
    last = str(folder / "mlruns" / "runs" / run.info.run_id / "last.ckpt")
    (folder / "tiny").rename(folder / "moved")
    assert main(["predict", last, "good film", "--body", "./moved"]) == 0
    assert "head was trained" not in capsys.readouterr().err
    make_tiny_body(folder / "tiny", seed=1)
    told = f"a body with other files than ./tiny has now (fingerprint {run.data.tags[BODY]}, now "
    assert main(["predict", last, "good film"]) == 0
    assert told in capsys.readouterr().err
    for command in ("test", "validate"):
        assert main([command, "--ckpt_path", last]) == 0
        assert told in capsys.readouterr().out
    assert main(["fit", "--ckpt_path", last, "--trainer.max_epochs", "2"]) == 1
    assert "Restore the body, or train from the beginning" in capsys.readouterr().err
    assert client(folder).get_run(run.info.run_id).info.status == "FINISHED"


STUDY = {
    "base": "a.yaml",
    "factors": {"model.head.init_args.C": [0.1, 1.0]},
    "name": "s",
}


def test_a_study_continues_only_with_unchanged_data(folder, said):
    (folder / "s.yaml").write_text(yaml.safe_dump(STUDY))
    study = partial(said, folder)
    assert study("worker", "--config", "s.yaml")[0] == 0
    _, before, _ = study("export", "--config", "s.yaml")
    write_data(folder / "d.tsv", shuffled=True)
    for verb in ("run", "worker"):
        status, out, err = study(verb, "--config", "s.yaml")
        assert (status, out) == (1, "")
        assert err.splitlines()[-1].startswith(
            "qlit study: Study 's' cannot continue: the data has changed since it started"
        )
    for verb in ("status", "best", "export"):
        status, out, err = study(verb, "--config", "s.yaml")
        assert status == 0
        assert err.startswith("qlit study: note: the data of study 's' has changed since it started; its results are")
    assert out == before  # nothing is lost
    other = ["--storage", "journal:other.journal"]
    assert study("worker", "--config", "s.yaml", *other)[0] == 0
    _, after, err = study("export", "--config", "s.yaml", *other)
    assert err == ""
    assert {row.split(",")[4] for row in after.splitlines()} & {row.split(",")[4] for row in before.splitlines()} == {
        "run_id"
    }
    write_data(folder / "d.tsv")
    (folder / "d.tsv").rename(folder / "e.tsv")
    moved = ["--data.source", str(folder / "e.tsv")]
    status, _, err = study("worker", "--config", "s.yaml", *moved)
    assert status == 0
    assert "trial" not in err
    assert study("export", "--config", "s.yaml")[1:] == (before, "")
