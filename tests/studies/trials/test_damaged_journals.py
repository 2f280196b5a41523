"""Journals that were cut short or changed: one sentence, or the trials of the whole one."""

import json
import random
import re

import pytest
from studies.small import finished_trials, small_study, trials_of, work

from qlit.runtime.errors import is_about_input
from qlit.studies.cell_results import results_of
from qlit.studies.trials.journal import DamagedJournalError, WholeLinesBackend
from qlit.studies.trials.storage import location_of, open_storage
from qlit.studies.trials.trials import Trials


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Folder of a finished study, the bytes of its journal, and what is read of it."""
    folder = tmp_path_factory.mktemp("journals")
    found = content_of(finished_trials(folder))
    return folder, (folder / "small.journal").read_bytes(), found


def content_of(trials):
    told = [(each.number, each.state, each.values, each.params, each.user_attrs) for each in trials.all()]
    return told, trials.study.user_attrs, str(results_of(trials.all()))


def answer_of(folder):
    """What is read of the study in a folder, or why it is refused."""
    path = folder / "small.journal"
    try:
        return content_of(Trials(small_study(folder), location_of(f"journal:{path}", "small"), create=False)), ""
    except Exception as error:
        if not is_about_input(error):
            raise
        return None, str(error).replace(str(path), "PATH")


def damaged(content, draw, num_bits=250):
    yield b""
    yield from (content[: draw.randrange(len(content))] for _ in range(40))
    for bit in (draw.randrange(8 * len(content)) for _ in range(num_bits)):
        yield content[: bit // 8] + bytes([content[bit // 8] ^ 1 << bit % 8]) + content[bit // 8 + 1 :]
    for start in (draw.randrange(len(content)) for _ in range(10)):
        yield content[:start] + bytes(min(512, len(content) - start)) + content[start + 512 :]
    for extra in (b"garbage\n", b"{}\n", b"null\n", b"\n", b'{"op_code":99,"worker_id":"x"}\n', b"[" * 5000 + b"\n"):
        start = content.index(b"\n", draw.randrange(len(content) // 2)) + 1
        yield content[:start] + extra + content[start:]


def test_a_damaged_journal_is_refused_in_one_sentence(finished):
    folder, content, wanted = finished
    path, num_read = folder / "small.journal", 0
    for changed in damaged(content, random.Random(0)):
        path.write_bytes(changed)
        found, refusal = answer_of(folder)
        assert len(refusal) < 300
        if not refusal:
            num_read += 1
            assert found == wanted
    assert num_read == 0
    path.write_bytes(content)
    assert answer_of(folder) == (wanted, "")


def without_sums(content):
    return re.sub(rb',"crc":"[0-9a-f]{8}"\}', b"}", content)


def test_a_journal_of_an_older_version_is_read_and_goes_on(finished, tmp_path):
    _, content, wanted = finished
    (tmp_path / "base.yaml").write_text("a: {}\n")
    (tmp_path / "small.journal").write_bytes(without_sums(content))
    assert answer_of(tmp_path) == (wanted, "")
    trials = trials_of(tmp_path)
    trials.study.set_user_attr("x", 1)
    assert answer_of(tmp_path)[0][1] == {**wanted[1], "x": 1}


def test_a_damaged_journal_of_an_older_version_gives_no_traceback(finished, tmp_path):
    _, content, _ = finished
    (tmp_path / "base.yaml").write_text("a: {}\n")
    content, draw = without_sums(content), random.Random(0)
    for changed in damaged(content, draw, num_bits=60):
        (tmp_path / "small.journal").write_bytes(changed)
        assert len(answer_of(tmp_path)[1]) < 300
    lines = content.splitlines()
    for wrong in (None, True, -1, 7, 2**70, "x", "", [], {}, [1], {"a": 1}, 1e308):
        number = draw.randrange(len(lines))
        record = json.loads(lines[number])
        record[draw.choice([*record])] = wrong
        changed = [*lines[:number], json.dumps(record, separators=(",", ":")).encode(), *lines[number + 1 :], b""]
        (tmp_path / "small.journal").write_bytes(b"\n".join(changed))
        assert len(answer_of(tmp_path)[1]) < 300


def test_the_line_and_a_way_out_are_named(finished, tmp_path):
    _, content, _ = finished
    path = tmp_path / "small.journal"
    lines = content.splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:4], lines[4].replace(b":", b";", 1), *lines[5:]]))
    with pytest.raises(
        DamagedJournalError, match=r"is damaged: line 5 was changed after it was written\. Restore a copy"
    ):
        open_storage(location_of(f"journal:{path}", "small"))


def test_what_is_left_of_a_journal_can_be_gone_on_with(finished, tmp_path):
    _, content, _ = finished
    path = tmp_path / "small.journal"
    for each in ("small.journal", ".small.journal.size"):
        (tmp_path / each).write_bytes((finished[0] / each).read_bytes())
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(DamagedJournalError, match=r"it was truncated.* remove .*\.small\.journal\.size"):
        WholeLinesBackend(path)
    (tmp_path / ".small.journal.size").unlink()
    trials = trials_of(tmp_path)
    trials.fill()
    assert work(trials) > 0


def test_a_journal_that_was_moved_away_makes_place_for_a_new_one(finished, tmp_path):
    for each in ("small.journal", ".small.journal.size"):
        (tmp_path / each).write_bytes((finished[0] / each).read_bytes())
    (tmp_path / "small.journal").rename(tmp_path / "elsewhere.journal")
    trials = trials_of(tmp_path)
    assert trials.fill() > 0
    WholeLinesBackend(tmp_path / "small.journal")


@pytest.mark.parametrize("size", [b"", b"x", b"7", b"100000 00000000", b"\0" * 20])
def test_a_size_that_is_damaged_itself_is_not_used(finished, tmp_path, size):
    (tmp_path / "small.journal").write_bytes(finished[1])
    (tmp_path / ".small.journal.size").write_bytes(size)
    WholeLinesBackend(tmp_path / "small.journal")
