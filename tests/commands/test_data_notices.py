"""Omitted or changed rows of data files: in the summary, in the run, and in messages that depend on them."""

from commands.runs import SMALL, only_run

from qlit.cli import main

FIT = ["fit", *SMALL, "--data.num_per_label", "20", "--trainer.max_epochs", "1"]


def rows(labels, name="sentence"):
    return "".join(f"{name} number {k}\t{label}\n" for k, label in enumerate(labels))


def test_omitted_files_of_a_folder_are_in_the_summary_and_in_the_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "my"
    folder.mkdir()
    (folder / "train.tsv").write_text("text\tlabel\n" + rows([0, 1] * 30))
    (folder / "test.tsv").write_text("text\tlabel\n" + rows([-1] * 9, "test"))
    (folder / "more.txt").write_text(rows([0, 1]))
    assert main([*FIT, "--data.source", "my"]) == 0
    out = capsys.readouterr().out
    tags = only_run(tmp_path).data.tags
    for key, text in (
        ("unlabelled", "9 sentences without a label were left out: 9 of test.tsv (all labelled -1)."),
        ("left_out", "Left out of the data folder my: more.txt (not read)."),
    ):
        assert tags[f"notice.{key}"] == text
        assert out.count(text) == 1


def test_a_head_with_one_class_too_few_is_reported_with_a_hint_about_minus_one(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.tsv").write_text(rows([0, 1, -1] * 30))
    options = ["--data.source", "x.tsv", "--model.head.num_classes", "2", "--trainer.logger", "false"]
    assert main([*FIT, *options]) == 1
    err = capsys.readouterr().err
    assert "The data has 3 classes (-1, 0, 1), but the head has num_classes=2. The label -1 of 30 sentences" in err
    assert "if it marks sentences without a label, remove them. Otherwise set the head's `num_classes` to 3." in err


def test_finetune_prints_it_too(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("qlit.commands.finetune.fine_tune", lambda *_, **__: ((1.0, 0.5), None))
    (tmp_path / "noted.tsv").write_text(rows([0, 1] * 30).replace("number 7\t", "number 7\t1\n\nagain\t"))
    assert main(["finetune", *SMALL[:2], *FIT[-4:-2], "--data.source", "noted.tsv", "--output", "tuned"]) == 0
    assert "Empty lines were skipped: 1 in noted.tsv." in capsys.readouterr().out
