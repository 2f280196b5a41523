"""Notices of the data: once in the summary, in the run, and once for many trainings of one data set."""

from dataclasses import replace

from commands.runs import SMALL, only_run

from qlit.cli import main
from qlit.commands.summary import tell_notices
from qlit.data import Notice, load_texts


def test_a_notice_of_the_texts_stands_in_the_summary_and_in_the_run(tmp_path, monkeypatch, capsys):
    notice = Notice("rows", "3 rows of d.tsv have no label and were left out.")

    def load(source, **columns):
        return replace(load_texts(source, **columns), notices=(notice,))

    monkeypatch.setattr("qlit.training.datamodule.load_texts", load)
    monkeypatch.chdir(tmp_path)
    assert main(["fit", *SMALL]) == 0
    assert capsys.readouterr().out.count(notice.text) == 1
    assert only_run(tmp_path).data.tags["notice.rows"] == notice.text


def test_many_trainings_print_a_notice_once(capsys):
    first, second = Notice("a", "a sentence of this test"), Notice("b", "another sentence of this test")
    tell_notices([first, second])
    tell_notices([first])
    err = capsys.readouterr().err
    assert err.count(first.text) == err.count(second.text) == 1
