"""Checkpoints that are tested, validated and resumed on data and splits that are not their own."""

import json
import random
import re
import shutil

import pytest
import torch
from tiny_body import make_tiny_body

from qlit.cli import main
from qlit.tracking.predictions import Predictions

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*treespec, LeafSpec.*:FutureWarning",  # Lightning 2.6 with torch 2.13
)
WORDS = ["good", "bad", "film", "a", "the", "dull", "fine", "was", "it", "not", "very"]
NAMES = {0: "neutral", 1: "positive", 2: "bad"}


def sentences(num, seed):
    """Sentences of six words, and their classes: 0 without "good" and "bad", 1 with "good", 2 with "bad" alone."""
    random.seed(seed)
    rows = {}
    while len(rows) < num:
        words = random.choices(WORDS, k=6)
        rows.setdefault(" ".join(words), 1 if "good" in words else 2 if "bad" in words else 0)
    return rows


def write(path, rows, names=NAMES):
    path.write_text("text\tlabel\n" + "".join(f"{text}\t{names[label]}\n" for text, label in rows.items()))
    return str(path)


CONFIG = {
    "seed_everything": 42,
    "trainer": {"max_epochs": 4, "accelerator": "cpu", "logger": False},
    "data": {"num_per_label": 60},
    "model": {"lr": 0.3, "head": {"class_path": "qlit.heads.LinearHead", "init_args": {"num_features": 8}}},
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with data of three labels, other data, and the checkpoints of a fit."""
    folder = tmp_path_factory.mktemp("trained")
    make_tiny_body(folder / "tiny")
    rows = sentences(700, 1)
    write(folder / "d.tsv", rows)
    other = {text: label for text, label in sentences(900, 2).items() if text not in rows}
    write(folder / "other.tsv", other)
    config = json.loads(json.dumps(CONFIG))
    config["data"] |= {"source": str(folder / "d.tsv"), "body": str(folder / "tiny")}
    config["model"]["head"]["init_args"]["num_classes"] = 3
    config["trainer"]["default_root_dir"] = str(folder)
    (folder / "config.yaml").write_text(json.dumps(config))
    assert main(["fit", "--config", str(folder / "config.yaml")]) == 0
    (best,) = folder.glob("mlruns/untracked/*/best.ckpt")
    shutil.copy(best, folder / "best.ckpt")
    shutil.copy(best.with_name("last.ckpt"), folder / "last.ckpt")
    return folder, other


@pytest.fixture
def qlit(trained, capsys, monkeypatch, tmp_path):
    """Run a command on the checkpoint: exit status, standard output, standard error."""
    monkeypatch.chdir(tmp_path)
    capsys.readouterr()

    def run(command, *options, checkpoint="best.ckpt"):
        status = main([command, "--ckpt_path", str(trained[0] / checkpoint), *map(str, options)])
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        said = [line for line in err.splitlines() if "it/s" not in line and "epoch/s" not in line and "?it" not in line]
        return status, out, "\n".join(said)

    return run


def accuracy(out):
    return float(re.search(r"accuracy +([\d.]+)%", out)[1])


def test_the_same_split_is_tested_and_resumed_without_a_notice(qlit):
    for command in ("validate", "test"):
        status, out, _ = qlit(command)
        assert status == 0
        assert "note" not in out
    status, out, err = qlit("fit", "--trainer.max_epochs", 5, checkpoint="last.ckpt")
    assert (status, "note" in out) == (0, False), err
    assert "(of 5, counted from 0)" in out


@pytest.mark.parametrize("command", ["validate", "test"])
def test_another_split_is_refused_with_counts_and_its_new_sentences_can_be_scored(qlit, command):
    status, out, err = qlit(command, "--data.seed", 1)
    assert (status, out) == (1, "")
    assert re.search(
        rf"qlit {command}: Of the \d+ \w+ sentences, \d+ trained the checkpoint and \d+ chose its best", err
    )
    assert "--data.unseen_only true" in err
    status, out, _ = qlit(command, "--data.seed", 1, "--data.unseen_only", "true")
    assert status == 0
    assert re.search(r"note +Of the \d+ (sentences left to test|validation sentences), \d+ are left out", out)
    assert re.search(r"note +The checkpoint was trained on split \w+ of d\.tsv and is scored on", out)


def test_another_split_is_not_resumed(trained, qlit, tmp_path):
    (tmp_path / "d.tsv").write_text((trained[0] / "d.tsv").read_text() + "one more sentence\tbad\n")
    for options in (["--data.seed", 1], ["--data.num_per_label", 50], ["--data.source", tmp_path / "d.tsv"]):
        status, out, err = qlit("fit", "--trainer.max_epochs", 5, *options, checkpoint="last.ckpt")
        assert (status, out) == (1, "")
        assert "qlit fit: The checkpoint was trained on split" in err
        assert "and cannot be resumed on split" in err
    assert not (tmp_path / "mlruns").exists()


def test_other_data_is_tested_with_a_notice_in_the_run(trained, qlit, tmp_path):
    status, out, _ = qlit("test", "--data.source", trained[0] / "other.tsv", "--trainer.logger", "true")
    assert status == 0
    assert "note                The checkpoint was trained on split" in out
    assert "of other.tsv: none of the " in out
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{tmp_path}/mlruns/mlflow.db")
    (run,) = client.search_runs([each.experiment_id for each in client.search_experiments()])
    assert run.data.tags["notice.other_split"].startswith("The checkpoint was trained on split")


def test_labels_are_matched_by_name(trained, qlit, tmp_path):
    folder, other = trained
    _, out, _ = qlit("test", "--data.source", folder / "other.tsv")
    expected = accuracy(out)
    # The same sentences; those of two labels sorted by themselves, or of one label alone, would get other numbers.
    right = {}
    for labels in ([0], [1], [2], [0, 1], [1, 2]):
        rows = {text: label for text, label in other.items() if label in labels}
        source = write(tmp_path / f"{labels}.tsv", rows)
        status, out, err = qlit("test", "--data.source", source)
        assert status == 0, err
        assert "Warning" not in err
        assert "has no sentence of label" in out
        assert ("auroc" in out) == (len(labels) > 1)
        right[tuple(labels)] = accuracy(out)
    assert min(right[0,], right[1,], right[2,]) < expected < max(right[0,], right[1,], right[2,])
    assert right[0, 1] == pytest.approx((right[0,] + right[1,]) / 2, abs=25)  # by sorted order it is near 0
    for names in ({0: "Z_neutral", 1: "A_positive", 2: "bad"}, {0: "0", 1: "1", 2: "2"}):
        source = write(tmp_path / "renamed.tsv", other, names)
        for command in ("test", "validate", "fit"):
            status, out, err = qlit(command, "--data.source", source)
            assert (status, out) == (1, "")
            assert err.startswith(f"qlit {command}: renamed.tsv has labels that the checkpoint does not know, ")
            assert "it was" not in err
            assert err.endswith("set `data.label_column`.")
            assert "'bad', 'neutral', 'positive'" in err


def test_predictions_have_the_checkpoints_classes(trained, qlit, tmp_path):
    _, other = trained
    source = write(tmp_path / "two.tsv", {text: label for text, label in other.items() if label})
    status, _, err = qlit("test", "--data.source", source, "--trainer.logger", "true")
    assert status == 0, err
    (file,) = tmp_path.glob("mlruns/artifacts/**/test_predictions.safetensors")
    kept = Predictions.load(file)
    assert kept.label_names == ("bad", "neutral", "positive")
    assert set(kept.labels.tolist()) == {0, 2}
    assert kept.probabilities.shape == (len(kept.labels), 3)


def test_an_older_checkpoint_is_tested_on_its_split_alone(trained, qlit, tmp_path):
    checkpoint = torch.load(trained[0] / "best.ckpt", weights_only=True)
    del checkpoint["qlit"]["sentences"]
    torch.save(checkpoint, tmp_path / "old.ckpt")
    old = {"checkpoint": str(tmp_path / "old.ckpt")}
    status, out, _ = qlit("test", **old)
    assert (status, "note" in out) == (0, False)
    status, _, err = qlit("test", "--data.seed", 1, **old)
    assert status == 1
    assert "an older qlit wrote it and did not record the sentences that trained it" in err
    status, out, _ = qlit("test", "--data.source", trained[0] / "other.tsv", **old)
    assert status == 0
    assert "so it is unknown whether" in out
