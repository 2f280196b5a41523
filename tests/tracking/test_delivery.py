"""The outbox on a disk that is full, for a while or for good."""

import json

import pytest
from full_disk import files_of_at_most, full_at_first

from qlit.runtime import retry
from qlit.tracking import delivery
from qlit.tracking.delivery import Outbox
from qlit.tracking.records import metrics_record


@pytest.fixture
def outbox(tmp_path):
    """Of a store that is away."""

    def refuse(_):
        raise ConnectionError("away")

    return Outbox(refuse, folder=tmp_path / "run", answers=lambda: False, store_name="store")


def steps(outbox):
    return [json.loads(line)["values"][0][3] for line in outbox.file.read_text().splitlines()]


def metric(step):
    return metrics_record([("x", 1.0, 0, step)])


def test_a_record_that_does_not_fit_leaves_nothing(outbox, capsys):
    outbox.put(metric(0))
    whole = outbox.file.read_bytes()
    with files_of_at_most(len(whole) + 10):
        outbox.put(metric(1))
    assert outbox.file.read_bytes() == whole
    assert "this record is LOST" in capsys.readouterr().err
    outbox.put(metric(2))
    assert steps(outbox) == [0, 2]


def test_what_is_kept_for_later_waits_for_space(outbox, monkeypatch, tmp_path, capsys):
    full_at_first(monkeypatch, delivery, "_append_line")
    outbox.put(metric(0))
    assert steps(outbox) == [0]
    full_at_first(monkeypatch, delivery.shutil, "copyfile")
    (tmp_path / "a.txt").write_text("text")
    outbox.put({"kind": "file", "path": str(tmp_path / "a.txt"), "name": "a.txt", "folder": ""})
    (kept,) = (tmp_path / "run" / "unsent").rglob("*.txt")
    assert kept.read_text() == "text"
    assert len(list((tmp_path / "run" / "unsent").iterdir())) == 1  # of the attempts before nothing is left
    assert "LOST" not in capsys.readouterr().err


def test_a_disk_that_stays_full_loses_a_record_and_says_so(outbox, monkeypatch, capsys):
    monkeypatch.setattr(retry, "PATIENCE_S", 0.01)
    full_at_first(monkeypatch, delivery, "_append_line", times=1000)
    outbox.put(metric(0))
    assert "this record is LOST" in capsys.readouterr().err
    monkeypatch.undo()
    monkeypatch.setattr(retry, "PATIENCE_S", 0.01)
    with files_of_at_most(5):
        outbox.put(metric(1))
    assert outbox.is_empty  # and is not said to have been sent
    assert "has all" not in capsys.readouterr().err
    outbox.put(metric(2))
    assert steps(outbox) == [2]


@pytest.mark.parametrize(
    "line",
    [
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
    ],
    ids=lambda line: line[:30],
)
def test_a_damaged_line_holds_nothing_up_and_is_kept(outbox, tmp_path, capsys, line):
    outbox.put(metric(0))
    with outbox.file.open("a") as stream:
        stream.write(f"{line}\n")
    outbox.put(metric(1))
    sent = []
    again = Outbox(sent.append, folder=tmp_path / "run", answers=lambda: True, store_name="store")
    assert again.retry(now=True)
    assert [record["values"][0][3] for record in sent] == [0, 1]
    (kept,) = (tmp_path / "run" / "rejected.jsonl").read_text().splitlines()
    assert json.loads(kept)["line"] == line
    assert "cut off or damaged" in capsys.readouterr().err
