"""Commands that qlit prints work when they are copied, with any name of the folder."""

import shlex

from commands.runs import SMALL, run

from qlit.cli import main
from qlit.tracking.kept_runs import KeptRuns
from qlit.tracking.tracker import MLflowTracker


def test_a_sentence_is_labelled_by_the_command_that_fit_prints(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "my run \N{LATIN SMALL LETTER E WITH ACUTE}'s"
    folder.mkdir()
    status, out, err = run(folder, "fit", *SMALL)
    assert status == 0, err
    (line,) = [line for line in out.splitlines() if "qlit predict" in line]
    command = shlex.split(line.partition("qlit ")[2])
    monkeypatch.chdir(tmp_path)
    assert main(command) == 0
    assert "What a lovely evening this was." in capsys.readouterr().out


def test_a_run_without_predictions_is_refused_with_a_command_that_can_be_typed(tmp_path, monkeypatch):
    folder = tmp_path / "a b"
    folder.mkdir()
    monkeypatch.chdir(folder)
    tracker = MLflowTracker(experiment="e")
    tracker.log_hyperparams({"lr": 0.1})
    tracker.close("FINISHED")
    try:
        KeptRuns().read(tracker.run_id)
    except ValueError as error:
        command = shlex.split(str(error).split("`")[1])
    assert command == ["qlit", "test", "--ckpt_path", str(tracker.run_dir / "best.ckpt")]
