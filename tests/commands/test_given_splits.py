"""Trainings on a source's own splits, and checkpoints that are scored on a labelled file."""

import json
import random
import re

import pytest
from commands.runs import fit_untracked
from tiny_body import make_tiny_body

from qlit.cli import main

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*treespec, LeafSpec.*:FutureWarning",  # Lightning 2.6 with torch 2.13
)
WORDS = ["good", "bad", "film", "a", "the", "dull", "fine", "was", "it", "not", "very"]


def sentences(count, seed):
    """Distinct sentences of six words with their labels: "neutral" without "good" and "bad", else one of them."""
    draw, rows = random.Random(seed), {}
    while len(rows) < count:
        words = draw.choices(WORDS, k=6)
        rows.setdefault(" ".join(words), "good" if "good" in words else "bad" if "bad" in words else "neutral")
    return list(rows.items())


def write(path, rows):
    path.parent.mkdir(exist_ok=True)
    path.write_text("text\tlabel\n" + "".join(f"{text}\t{label}\n" for text, label in rows))
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with a config, data in splits and the checkpoint of a fit on them; one test sentence is a duplicate."""
    folder = tmp_path_factory.mktemp("given")
    make_tiny_body(folder / "tiny")
    rows = sentences(700, 1)
    write(folder / "data/train.tsv", rows[:400])
    write(folder / "data/test.tsv", [rows[0], *rows[400:500]])
    write(folder / "new.tsv", rows[500:])
    config = {
        "trainer": {"max_epochs": 3, "accelerator": "cpu", "logger": False, "default_root_dir": str(folder)},
        "data": {"source": str(folder / "data"), "splits": "given", "body": str(folder / "tiny")},
        "model": {
            "lr": 0.3,
            "head": {
                "class_path": "qlit.heads.LinearHead",
                "init_args": {
                    "num_features": 8,
                    "num_classes": 3,
                    # a test source alone has no training sentences that could be too few for it
                    "preprocessing": {
                        "class_path": "qlit.heads.PrincipalComponents",
                        "init_args": {"num_components": 8},
                    },
                },
            },
        },
    }
    fit_untracked(folder, config)
    return folder


@pytest.fixture
def qlit(trained, capsys, monkeypatch, tmp_path):
    """Run a command: exit status, standard output, standard error."""
    monkeypatch.chdir(tmp_path)
    capsys.readouterr()

    def run(command, *options, checkpoint="best.ckpt"):
        own = ["--ckpt_path", str(trained / checkpoint)] if checkpoint else ["--config", str(trained / "config.yaml")]
        status = main([command, *own, *map(str, options)])
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return status, out, err

    return run


def accuracy(out):
    return re.search(r"test accuracy +([\d.]+)%", out)[1]


def split_of(out):
    return re.search(r"split (\w+)", out)[1]


def test_a_fit_uses_the_splits_of_the_source(qlit):
    status, out, _ = qlit("fit", checkpoint=None)
    assert status == 0
    assert "data: 340 train / 60 validation / 101 test sentences" in out
    assert "Of the 101 test sentences, 1 is also trained or validated on" in out
    _, again, _ = qlit("test")
    assert accuracy(again) == accuracy(out)
    assert split_of(again) == split_of(out)
    status, resumed, _ = qlit("fit", "--trainer.max_epochs", 4, checkpoint="last.ckpt")
    assert status == 0
    assert split_of(resumed) == split_of(out)


def test_a_file_for_each_part_is_the_same_split(trained, qlit):
    _, folder, _ = qlit("fit", checkpoint=None)
    files = ["--data.source", trained / "data/train.tsv", "--data.test_source", trained / "data/test.tsv"]
    _, out, _ = qlit("fit", *files, checkpoint=None)
    assert "train.tsv + test.tsv: 340 train" in out
    assert (split_of(out), accuracy(out)) == (split_of(folder), accuracy(folder))


def test_a_checkpoint_is_scored_on_a_file_without_its_training_data(trained, qlit):
    gone = ["--data.source", "not/there"]
    status, out, err = qlit("test", "--data.test_source", trained / "new.tsv", *gone)
    assert status == 0, err
    assert "new.tsv: 200 test sentences, split" in out
    assert "none of the 200 test sentences trained it or chose its best epoch" in out


def test_its_own_test_file_is_recognised_without_the_training_data(trained, qlit):
    _, own, _ = qlit("test")
    own_file = ["--data.test_source", trained / "data/test.tsv", "--data.source", "not/there"]
    _, out, _ = qlit("test", *own_file)
    assert f"These are the test sentences of the checkpoint's own split, {split_of(own)}; 1 is also trained" in out
    assert accuracy(out) == accuracy(own)
    _, out, _ = qlit("test", *own_file, "--data.unseen_only", "true")
    assert "100 test sentences" in out


def test_sentences_that_trained_the_checkpoint_are_refused(trained, qlit):
    status, out, err = qlit("test", "--data.test_source", trained / "data/train.tsv", "--data.source", "not/there")
    assert (status, out) == (1, "")
    assert "Of the 400 test sentences, 340 trained the checkpoint and 60 chose its best epoch" in err


def test_labels_are_matched_by_name_and_unknown_ones_are_named(qlit, tmp_path):
    rows = [(text, label) for text, label in sentences(300, 9) if label != "bad"]
    one = write(tmp_path / "neutral.tsv", [row for row in rows if row[1] == "neutral"])
    two = write(tmp_path / "two.tsv", rows)
    options = ["--data.unseen_only", "true"]
    _, out, _ = qlit("test", "--data.test_source", one, *options)
    assert float(accuracy(out)) > 60  # as another class, it would be near 0
    assert "no sentence of label 'bad', 'good'" in out
    _, out, _ = qlit("test", "--data.test_source", two, *options)
    assert float(accuracy(out)) > 60
    odd = write(tmp_path / "odd.tsv", [*rows, ("a film", "awful"), ("the film", "0")])
    status, out, err = qlit("test", "--data.test_source", odd)
    assert (status, out) == (1, "")
    assert "labels that the checkpoint does not know, '0', 'awful'; the checkpoint was trained on 'bad', 'good'" in err


def test_few_shots_of_train_with_a_test_file(trained, qlit):
    files = ["--data.source", trained / "data/train.tsv", "--data.test_source", trained / "new.tsv"]
    few = [*files, "--data.splits", "few_shot", "--data.stratified", "true", "--data.num_per_label", 20]
    status, out, err = qlit("fit", *few, checkpoint=None)
    assert status == 0, err
    assert "train.tsv + new.tsv: 51 train / 9 validation / 200 test sentences" in out


def test_describe_counts_the_sentences_of_given_splits(trained, capsys):
    options = ["--trainer.logger", "false", "--json"]
    assert main(["describe", "--config", str(trained / "config.yaml"), *options]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["steps_per_epoch"], facts["validated_per_epoch"]) == (22, 60)


def test_describe_needs_no_data(trained, capsys):
    gone = ["--data.source", "./nowhere", "--json"]
    assert main(["describe", "--config", str(trained / "config.yaml"), *gone]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["steps_per_epoch"], facts["timing"]["epoch_s"], facts["timing"]["run_s"]) == (None, None, None)
    assert facts["timing"]["step_s"] > 0
    assert main(["describe", "--config", str(trained / "config.yaml"), *gone[:2]]) == 0
    assert "epoch" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--data.source", "new.tsv"], "has no test split with labels"),
        (["--data.splits", "official"], "data.splits must be one of 'few_shot', 'given', but got official"),
        (["--data.splits", "few_shot", "--data.validation_source", "new.tsv"], "needs `data.splits: given`"),
    ],
)
def test_impossible_splits_are_one_sentence(qlit, trained, options, message):
    options = [str(trained / word) if word == "new.tsv" else word for word in options]
    status, out, err = qlit("fit", *options, checkpoint=None)
    assert (status != 0, out) == (True, "")
    assert message in err.strip().splitlines()[-1]
