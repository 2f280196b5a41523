"""The log of a run: full disks, damaged lines, and what older versions left."""

import json

import pytest
from full_disk import files_of_at_most, full_at_first

from qlit.runtime import retry
from qlit.tracking import run_log, unsent_files
from qlit.tracking.records import metrics_record
from qlit.tracking.run_log import Lane, RunLog
from qlit.tracking.sync import LogSync


@pytest.fixture
def log(tmp_path):
    made = RunLog(tmp_path / "run")
    assert made.take()
    return made


def steps(log):
    return [json.loads(line)["values"][0][3] for line in log.file.read_text().splitlines()]


def metric(step):
    return metrics_record([("x", 1.0, 0, step)])


def steps_of(records):
    return [row[3] for record in records for row in record["values"]]


def sent_from(folder):
    """What a sync by another process sends."""
    sent, log = [], RunLog(folder)
    assert log.take()
    assert LogSync(log, sent.append, answers=lambda: True, store_name="store").sync(now=True)
    assert log.finish()
    log.release()
    return sent


def test_one_process_at_a_time_takes_a_log(log):
    other = RunLog(log.folder)
    assert not other.take()
    log.release()
    assert other.take()


def test_a_record_that_does_not_fit_leaves_nothing(log, capsys):
    log.append(metric(0))
    whole = log.file.read_bytes()
    with files_of_at_most(len(whole) + 10):
        log.append(metric(1))
    assert log.file.read_bytes() == whole
    assert "this record is LOST" in capsys.readouterr().err
    assert log.has_lost
    log.append(metric(2))
    assert steps(log) == [0, 2]


def test_what_is_written_waits_for_space(log, monkeypatch, capsys):
    full_at_first(monkeypatch, run_log, "write_whole")
    log.append(metric(0))
    assert steps(log) == [0]
    assert "LOST" not in capsys.readouterr().err


def test_a_disk_that_stays_full_loses_a_record_and_says_so(log, monkeypatch, capsys):
    monkeypatch.setattr(retry, "RETRY_S", 0.01)
    full_at_first(monkeypatch, run_log, "write_whole", times=1000)
    log.append(metric(0))
    assert "this record is LOST" in capsys.readouterr().err
    monkeypatch.undo()
    monkeypatch.setattr(retry, "RETRY_S", 0.01)
    with files_of_at_most(5):
        log.append(metric(1))
    assert not log.has_waiting(Lane.RECORDS)
    log.append(metric(2))
    assert steps(log) == [2]
    assert "LOST" not in capsys.readouterr().err  # said once


def test_a_copy_that_finds_the_disk_full_leaves_nothing(log, monkeypatch, tmp_path):
    (tmp_path / "a.txt").write_text("text")
    full_at_first(monkeypatch, unsent_files.shutil, "copyfile", times=1)
    with pytest.raises(OSError, match="No space"):
        log.files.add_file(tmp_path / "a.txt", "b.txt")
    assert log.files.add_file(tmp_path / "a.txt", "b.txt").read_text() == "text"
    assert len(list((log.folder / "unsent").iterdir())) == 1


def test_a_checkpoint_of_the_run_is_kept_without_a_second_copy_and_as_it_was(log):
    (log.folder / "best.ckpt").write_text("then")
    copy = log.files.add_file(log.folder / "best.ckpt", "best.ckpt")
    assert copy.samefile(log.folder / "best.ckpt")
    (log.folder / "new").write_text("now")
    (log.folder / "new").replace(log.folder / "best.ckpt")
    assert copy.read_text() == "then"


DAMAGED = [
    '{"kind": "metrics"}',
    '{"kind": "metrics", "values": 3}',
    '{"kind": "metrics", "values": [["x", "much", 0, 0]]}',
    '{"kind": "params", "values": [1]}',
    '{"kind": "tags", "values": {"a": 5}}',
    '{"kind": "file", "path": 7, "name": null, "folder": ""}',
    '{"kind": "status"}',
    '{"kind": 5}',
    "[1]",
    "\x00\x00",
    '{"kind": "metrics", "val',
    "[" * 100_000,
]


def kept_aside(folder, line, capsys):
    (kept,) = (folder / "rejected.jsonl").read_text().splitlines()
    assert json.loads(kept)["line"] == line
    assert capsys.readouterr().err.count("cut off or damaged") == 1


@pytest.mark.parametrize("line", [*DAMAGED, '{"kind": "tags", "values": {"a": "b"}}'], ids=lambda line: line[:30])
def test_a_damaged_line_holds_nothing_up_and_is_kept(log, capsys, line):
    log.append(metric(0))
    with log.file.open("a") as stream:
        stream.write(f"{line}\n")
    log.release()
    assert log.take()
    log.append(metric(1))
    log.release()
    assert steps_of(sent_from(log.folder)) == [0, 1]
    kept_aside(log.folder, line, capsys)


def test_a_changed_line_is_no_event(log, capsys):
    log.append(metric(0))
    log.release()
    changed = log.file.read_text().replace("1.0", "7.0")
    log.file.write_text(changed)
    assert sent_from(log.folder) == []
    kept_aside(log.folder, changed.strip(), capsys)


def test_a_power_cut_may_take_what_was_sent(log):
    log.append(metric(0))
    log.append(metric(1))
    log.mark(Lane.RECORDS)
    log.release()
    log.file.write_bytes(log.file.read_bytes()[:-30])
    assert log.take()
    log.append(metric(2))
    log.release()
    assert steps_of(sent_from(log.folder)) == [2]


def test_a_log_that_goes_on_sends_what_is_new_alone(log):
    log.append(log.files.record_of(log.files.add_content(b"text", "a.txt"), ""))
    log.append(metric(0))
    log.release()
    assert len(sent_from(log.folder)) == 2
    for step in (1, 2):
        assert log.take()
        log.append(metric(step))
        log.release()
        assert steps_of(sent_from(log.folder)) == [step]


# --- of older versions ---


@pytest.fixture
def old(tmp_path):
    """A run's folder with an outbox of an older version."""
    folder = tmp_path / "run"
    (folder / "unsent" / "tmp1").mkdir(parents=True)
    (folder / "unsent" / "tmp1" / "a.txt").write_text("text")
    records = [metric(0), {"kind": "status", "status": "FINISHED", "end_time": 5}]
    (folder / "unsent.jsonl").write_text("".join(f"{json.dumps(record)}\n" for record in records))
    file = {"kind": "file", "path": "unsent/tmp1/a.txt", "name": "a.txt", "folder": "b", "is_scratch": True}
    (folder / "unsent_files.jsonl").write_text(f"{json.dumps(file)}\n")
    return folder


def test_what_an_older_version_could_not_send_is_sent(old):
    assert RunLog.waiting_folders(old.parent.parent) == []
    runs = old.rename(old.parent / "runs")
    (old := runs.parent / "store" / "runs" / "1").parent.mkdir(parents=True)
    runs.rename(old)
    assert RunLog.waiting_folders(old.parent.parent) == [old]
    sent = sent_from(old)
    assert [record["kind"] for record in sent] == ["metrics", "status", "file"]
    assert sent[2]["path"] == str(old / "unsent" / "tmp1" / "a.txt")
    assert sorted(path.name for path in old.iterdir()) == ["lock", "log.jsonl"]


def test_a_kill_while_an_outbox_is_taken_over_loses_nothing(old, monkeypatch):
    with monkeypatch.context() as killed:
        killed.setattr(RunLog, "append", lambda *_: pytest.fail("killed"))
        with pytest.raises(pytest.fail.Exception):
            RunLog(old).take()
    assert [record["kind"] for record in sent_from(old)] == ["metrics", "status", "file"]


@pytest.mark.parametrize("line", DAMAGED, ids=lambda line: line[:30])
def test_a_damaged_line_of_an_older_version_is_kept_too(old, capsys, line):
    with (old / "unsent.jsonl").open("a") as stream:
        stream.write(f"{line}\n")
    assert [record["kind"] for record in sent_from(old)] == ["metrics", "status", "file"]
    kept_aside(old, line, capsys)
