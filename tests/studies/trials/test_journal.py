"""A journal that was broken within a line is read and goes on."""

import json

import pytest
from full_disk import files_of_at_most
from optuna.storages import JournalStorage
from studies.small import trials_of, work

from qlit.studies.trials.journal import WholeLinesBackend
from qlit.studies.trials.storage import location_of, open_storage

NUM_TRIALS = 16


def numbers(path):
    return [json.loads(line)["number"] for line in path.read_text().splitlines()]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "small.journal"


def record(number):
    return {"op_code": 2, "number": number}


@pytest.mark.parametrize("room", [1, 12, 24])
def test_a_record_that_does_not_fit_leaves_nothing_and_fits_later(path, room):
    journal = WholeLinesBackend(path)
    journal.append_logs([record(0)])
    whole = path.read_bytes()
    with files_of_at_most(len(whole) + room), pytest.raises(OSError, match="File too large"):
        journal.append_logs([record(1)])
    assert path.read_bytes() == whole
    journal.append_logs([record(2)])
    assert numbers(path) == [0, 2]
    assert not path.with_name("small.journal.lock").is_symlink()


@pytest.mark.parametrize("lines", [0, 1, 3])
@pytest.mark.parametrize("size", [1, 200, 10_000])
def test_what_a_killed_writer_left_of_a_line_goes_with_the_next(path, lines, size):
    journal = WholeLinesBackend(path)
    for number in range(lines):
        journal.append_logs([record(number)])
    with path.open("a") as stream:
        stream.write(('{"op_code":2,"number":"' + "x" * size)[:size])
    journal.append_logs([record(9)])
    assert numbers(path) == [*range(lines), 9]
    assert [each["number"] for each in WholeLinesBackend(path).read_logs(0)] == [*range(lines), 9]


def test_a_study_goes_on_after_a_line_that_was_broken_off(tmp_path, path):
    trials = trials_of(tmp_path)
    trials.fill()
    trials.finish(trials.claim(), [1.0])
    with path.open("a") as stream:
        stream.write('{"op_code":6,"worker_id":"a')
    assert len(trials.all()) == NUM_TRIALS  # read by who has it open
    again = trials_of(tmp_path)  # and by who opens it
    assert work(again) == NUM_TRIALS - 1
    assert trials.is_finished


def test_records_of_several_writers_are_read_by_all(path):
    first, second = (JournalStorage(WholeLinesBackend(path)) for _ in range(2))
    number = first.create_new_study([], "s")
    second.set_study_user_attr(number, "x", 1)
    assert first.get_study_user_attrs(number) == {"x": 1}


def test_a_file_of_something_else_without_an_end_of_line_stays_as_it_is(tmp_path):
    (tmp_path / "notes.txt").write_text("remember the milk")
    with pytest.raises(ValueError, match="is not a journal of Optuna"):
        open_storage(location_of(f"journal:{tmp_path}/notes.txt", "s"))
    assert (tmp_path / "notes.txt").read_text() == "remember the milk"
