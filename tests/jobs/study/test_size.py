"""Size and estimated time of a study, and the confirmation before it starts."""

import io
from dataclasses import replace
from pathlib import Path

import pytest

from qlit.jobs.study import size
from qlit.jobs.study.size import confirm_start, estimated_s
from qlit.studies.definition import Pruner
from qlit.studies.files.study_file import read_study

FOLDER = Path(__file__).resolve().parents[3] / "configs" / "studies"


@pytest.fixture
def study():
    return read_study(FOLDER / "table_06.yaml")


@pytest.fixture
def answered(monkeypatch):
    def answer(text, *, is_terminal=True):
        stream = io.StringIO(text)
        monkeypatch.setattr(stream, "isatty", lambda: is_terminal)
        monkeypatch.setattr("sys.stdin", stream)

    return answer


def test_a_long_study_needs_a_confirmation(study, monkeypatch, answered, capsys):
    monkeypatch.setattr(size, "run_seconds", lambda _: 1800.0)
    answered("y\n")
    assert confirm_start(study, 2, ask=True)
    assert "table_06: 30 trainings of about 30 min, 7.5 h with 2 worker(s). Start it? [y/N]" in capsys.readouterr().err
    answered("\n")
    assert not confirm_start(study, 2, ask=True)
    answered("", is_terminal=False)
    with pytest.raises(ValueError, match="standard input is not a terminal; confirm with --yes"):
        confirm_start(study, 2, ask=True)
    assert confirm_start(study, 2, ask=False)
    assert confirm_start(replace(study, hours=0.5), 2, ask=True)  # nothing is asked where the budget is short


def test_a_short_study_or_one_of_unknown_length_just_starts(study, monkeypatch, capsys):
    monkeypatch.setattr(size, "run_seconds", lambda _: 60.0)
    assert confirm_start(study, 1, ask=True)
    monkeypatch.setattr(size, "run_seconds", lambda _: None)
    assert confirm_start(study, 1, ask=True)
    assert "of a length that is known after the first one" in capsys.readouterr().err


def test_the_processes_of_a_training_are_printed(study, monkeypatch, capsys):
    monkeypatch.setattr(size, "run_seconds", lambda _: 60.0)
    assert confirm_start(study, 3, 2, ask=True, start_s=6.0)
    text = "30 trainings of about 66 s in 2 processes, 11 min with 3 worker(s)"
    assert text in capsys.readouterr().err


def test_the_estimate_is_of_cells_from_the_first_to_the_last(study, monkeypatch):
    asked = []
    monkeypatch.setattr(size, "run_seconds", lambda options: asked.append(options) or float(len(asked)))
    assert estimated_s(study) == 3.0
    qubits = [next(each for each in options if "pqc.num_qubits" in each) for options in asked]
    assert [each.rpartition("=")[2] for each in qubits] == ["10", "12", "14", "16", "18"]


def test_a_search_is_timed_in_the_middle_of_its_ranges(monkeypatch):
    asked = []
    monkeypatch.setattr(size, "run_seconds", lambda options: asked.append(options) or 1.0)
    staged = read_study(FOLDER / "two_stage.yaml")
    assert estimated_s(replace(staged, design=staged.design.search)) == 1.0
    (options,) = asked
    assert "--model.head.pqc.num_qubits=8" in options  # 4, 6, 8, 10: no 7, which two encoders could not share
    assert "--model.head.encoder.encoder.pad_with=0.15" in options


def test_two_stages_are_printed_and_timed_separately(monkeypatch, capsys):
    study = read_study(FOLDER / "two_stage.yaml")
    # The five cells of the screening that are timed take 40 s, the middle of the search 100 s.
    monkeypatch.setattr(
        size, "run_seconds", lambda options: 100.0 if "--model.head.pqc.num_qubits=8" in options else 40.0
    )
    assert estimated_s(study) == pytest.approx((32 * 40 + 40 * 100) / 72)
    assert confirm_start(study, 2, ask=False)
    text = capsys.readouterr().err
    assert (
        "two_stage: 216 trainings (96 to screen 10 factors, then up to 120 to search the 4 of largest effect)" in text
    )
    assert "of about 73 s, 2.2 h with 2 worker(s)" in text
    whole = replace(study, pruner=Pruner(), design=replace(study.design, keep=None, significance=0.05))
    assert confirm_start(whole, 2, ask=False)
    assert "then up to 120 to search those that matter)" in capsys.readouterr().err
    assert confirm_start(replace(study, pruner=Pruner()), 2, ask=False)
    assert "factors, then 120 to search the 4 of largest effect)" in capsys.readouterr().err
