"""A body's record of what it has seen, and splits that hold it out."""

import hashlib
import json

import numpy as np
import pytest

from qlit.data import LabelledTexts, Split, check_unseen
from qlit.data.fine_tuned import seen_by, write_record

TEXTS = ("good film", "bad film", "fine", "dull", "good film", "very good", "not good")
DATA = LabelledTexts(TEXTS, (1, 0, 1, 0, 1, 1, 0), ("bad", "good"), "few")


def split(train, validation, test):
    return Split(*(np.array(part) for part in (train, validation, test)), "0" * 16, 0)


def test_a_body_that_was_not_fine_tuned_suits_every_split(body):
    assert seen_by(body) == frozenset()
    check_unseen(body, DATA, split([0, 1], [2, 3], [5, 6]))


def test_what_was_seen_is_kept_as_hashes_beside_how_it_was_made(body):
    write_record(body.path, [TEXTS[0], TEXTS[1], TEXTS[0]], {"base": "toy"})
    record = json.loads((body.path / "qlit.json").read_text())
    assert record["base"] == "toy"
    assert len(record["seen"]) == 2
    assert all(text not in json.dumps(record) for text in TEXTS)


def test_the_split_it_was_made_on_is_fine_and_one_that_holds_a_seen_sentence_out_is_refused(body):
    write_record(body.path, [TEXTS[k] for k in (0, 1)], {})
    check_unseen(body, DATA, split([0, 1], [2, 3], [5, 6]))
    check_unseen(body, DATA, split([0, 1], [2, 3], [5]))  # fewer to test
    for held_out in (split([0, 2], [1, 3], [5, 6]), split([0, 2], [3, 5], [1, 6])):
        with pytest.raises(ValueError, match="toy was fine-tuned on 1 of the sentences that this split validates or"):
            check_unseen(body, DATA, held_out)


def test_a_duplicate_of_a_training_sentence_is_let_through(body):
    write_record(body.path, [TEXTS[0], TEXTS[1]], {})
    check_unseen(body, DATA, split([0, 1], [2, 3], [4, 5]))


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"seen": 3}'])
def test_a_record_that_cannot_be_read_is_refused(body, content):
    (body.path / "qlit.json").write_text(content)
    with pytest.raises(ValueError, match="does not list the sentences that the body toy was fine-tuned on"):
        seen_by(body)


def test_what_its_base_has_seen_stays_seen(body):
    write_record(body.path, [TEXTS[0]], {})
    write_record(body.path, [TEXTS[1]], {}, before=seen_by(body))
    assert len(seen_by(body)) == 2
    with pytest.raises(ValueError, match="on 2 of the sentences"):
        check_unseen(body, DATA, split([2], [3], [0, 1]))


def test_records_of_an_older_qlit_hold_hashes_of_the_very_text(body):
    seen = hashlib.sha256(b"Good Film").hexdigest()[:16]
    (body.path / "qlit.json").write_text(json.dumps({"seen": [seen]}))
    data = LabelledTexts(("Good Film", "bad", "fine", "dull"), (1, 0, 1, 0), ("bad", "good"), "few")
    with pytest.raises(
        ValueError, match=r"on 1 of the sentences .*, or leave them out of the test with `--data\.unseen"
    ):
        check_unseen(body, data, split([1], [2], [0, 3]))


def test_case_and_white_space_do_not_hide_what_was_seen(body):
    write_record(body.path, ["  GOOD film"], {})
    with pytest.raises(ValueError, match="on 1 of the sentences"):
        check_unseen(body, DATA, split([1], [2], [0, 3]))
