"""Splits beside the split of a checkpoint: what may be resumed, validated and tested."""

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from qlit.data import LabelledTexts, Origin, Split, draw_split
from qlit.data.leaks import Comparison, Stage
from qlit.data.notices import Notice
from qlit.data.seen import sentence_key
from qlit.data.splits import split_fingerprint

SETTINGS: dict[str, Any] = {"num_per_label": 30, "seed": 0}
DATA = LabelledTexts(tuple(f"Sentence {k}" for k in range(200)), (0, 1) * 100, ("no", "yes"), "toy")
SPLIT = draw_split(DATA, **SETTINGS)
ORIGIN = Origin.of(DATA, SPLIT)
OLD = replace(ORIGIN, sentences=None)


def checked(
    stage: Stage, data: LabelledTexts = DATA, *, origin: Origin = ORIGIN, unseen_only: bool = False, **settings: Any
) -> tuple[Split, list[Notice]]:
    """Draw a split as the data module does, and compare it."""
    settings = {**SETTINGS, **settings}
    seen = origin.sentences.both if unseen_only and stage == "test" and origin.sentences else frozenset()
    split = draw_split(data, **settings, unseen_only=unseen_only, seen=seen)
    return Comparison(origin, data, split, settings["seed"]).checked(stage, unseen_only=unseen_only)


def overlap(split: Split, part: str) -> tuple[int, int]:
    """Sentences of a part that train in `SPLIT`, and that validate in it."""
    of_part = set(getattr(split, part).tolist())
    return len(of_part & set(SPLIT.train.tolist())), len(of_part & set(SPLIT.validation.tolist()))


def grown() -> LabelledTexts:
    """One more row."""
    return replace(DATA, texts=(*DATA.texts, "one more sentence"), labels=(*DATA.labels, 1))


def test_notes_give_the_origin_back_in_16_bytes_a_sentence() -> None:
    notes = ORIGIN.notes()
    assert Origin.from_notes(notes) == ORIGIN
    assert len(notes["sentences"]["trained"]) == 16 * len(SPLIT.train)
    assert Origin.from_notes({key: notes[key] for key in ("label_names", "dataset", "split_fingerprint")}) == OLD
    assert Origin.from_notes({}) == Origin(None, "", "", None)


@pytest.mark.parametrize("stage", ["fit", "validate", "test"])
@pytest.mark.parametrize("origin", [ORIGIN, OLD], ids=["new", "old"])
def test_the_same_split_is_fine_and_has_no_notice(stage: Stage, origin: Origin) -> None:
    split, notices = checked(stage, origin=origin)
    assert (split.fingerprint, notices) == (SPLIT.fingerprint, [])


@pytest.mark.parametrize("data", [DATA, grown()], ids=["seed", "row"])
@pytest.mark.parametrize(("stage", "part"), [("validate", "validation"), ("test", "test")])
def test_a_split_that_scores_what_made_the_checkpoint_is_refused_with_counts(
    data: LabelledTexts, stage: Stage, part: str
) -> None:
    settings = {"seed": 1} if data is DATA else {}
    split = draw_split(data, **{**SETTINGS, **settings})
    trained, validated = overlap(split, part)
    assert trained
    sentence = (
        f"Of the {len(getattr(split, part))} {part} sentences, {trained} trained the checkpoint and {validated} chose "
        f"its best epoch, because it was trained on split {SPLIT.fingerprint} of toy and this is split "
        f"{split.fingerprint} of toy: use the data"
    )
    with pytest.raises(ValueError, match=re.escape(sentence)):
        checked(stage, data, **settings)


def test_unseen_sentences_of_another_split_can_be_scored_alone() -> None:
    every = draw_split(DATA, **{**SETTINGS, "seed": 1})
    split, notices = checked("test", seed=1, unseen_only=True)
    assert overlap(split, "test") == (0, 0)
    assert len(split.test) == len(every.test) - sum(overlap(every, "test"))
    assert [notice.key for notice in notices] == ["other_split"]
    assert f"none of the {len(split.test)} test sentences trained it" in notices[0].text
    assert split.notices[0].text.startswith(
        f"Of the 140 sentences left to test, {sum(overlap(every, 'test'))} are left"
    )

    split, notices = checked("validate", seed=1, unseen_only=True)
    assert len(split.validation) == len(every.validation) - sum(overlap(every, "validation")) > 0
    assert overlap(split, "validation") == (0, 0)
    assert split.fingerprint == split_fingerprint(DATA, (split.train, split.validation, split.test))
    assert [notice.key for notice in notices] == ["other_split", "unseen_only"]


def test_case_and_white_space_do_not_hide_a_sentence() -> None:
    data = replace(DATA, texts=tuple(f" {text.upper()}\t" for text in DATA.texts))
    with pytest.raises(ValueError, match="trained the checkpoint"):
        checked("test", data, seed=1)


def test_other_data_may_be_tested_and_it_is_said() -> None:
    other = LabelledTexts(tuple(f"another {k}" for k in range(200)), DATA.labels, DATA.label_names, "other")
    for stage, part in (("test", "140 test"), ("validate", "9 validation")):
        _, (notice,) = checked(stage, other)  # type: ignore[arg-type]
        assert notice.text.startswith(
            f"The checkpoint was trained on split {SPLIT.fingerprint} of toy and is scored on"
        )
        assert f"of other: none of the {part} sentences trained it" in notice.text


def test_more_drawn_sentences_leave_a_test_without_any_that_trained() -> None:
    _, (notice,) = checked("test", num_per_label=40)
    assert notice.key == "other_split"
    with pytest.raises(ValueError, match=r"test sentences, \d+ trained the checkpoint"):
        checked("test", num_per_label=20)
    with pytest.raises(ValueError, match=r"validation sentences, \d+ trained the checkpoint"):
        checked("validate", train_fraction=0.5)


def test_another_number_of_test_sentences_is_fine() -> None:
    _, (notice,) = checked("test", max_test=50)
    assert "training and validation have the same sentences" in notice.text
    for stage in ("fit", "validate"):
        assert checked(stage, max_test=50)[1] == []  # type: ignore[arg-type]


def test_duplicates_that_the_checkpoints_own_split_holds_are_not_refused() -> None:
    data = replace(DATA, texts=tuple(f"Sentence {k % 100}" for k in range(200)))
    own = draw_split(data, **SETTINGS)
    assert own.num_leaked
    checked("test", data, origin=Origin.of(data, own), max_test=50)


@pytest.mark.parametrize("settings", [{"seed": 1}, {"num_per_label": 20}, {"train_fraction": 0.6}], ids=str)
def test_a_resume_on_other_sentences_is_refused_with_counts(settings: dict[str, Any]) -> None:
    split = draw_split(DATA, **{**SETTINGS, **settings})
    new = len(split.train) - overlap(split, "train")[0]
    trained, kept = overlap(split, "validation")
    new_validation = len(split.validation) - kept
    sentence = rf"cannot be resumed on split {split.fingerprint} of toy: "
    if new or new_validation:
        sentence += (
            rf"of its {len(split.train)} training sentences, {new} (is|are) new to the checkpoint, and of its "
            rf"{len(split.validation)} validation sentences, which choose the best epoch, {new_validation} (is|are) "
            rf"new and {trained} trained it; use the data"
        )
    with pytest.raises(ValueError, match=sentence):
        checked("fit", **settings)


def test_a_resume_with_one_more_row_or_another_label_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot be resumed on"):
        checked("fit", grown())
    labels = list(DATA.labels)
    for k in (SPLIT.train[labels_of(SPLIT.train).index(0)], SPLIT.train[labels_of(SPLIT.train).index(1)]):
        labels[k] = 1 - labels[k]
    relabelled = replace(DATA, labels=tuple(labels))
    comparison = Comparison(ORIGIN, relabelled, replace(SPLIT, fingerprint="f" * 16), 0)
    with pytest.raises(ValueError, match="its training and validation sentences have other labels, another order or"):
        comparison.checked("fit", unseen_only=False)


def labels_of(part: Any) -> list[int]:
    return [DATA.labels[k] for k in part]


def test_an_older_checkpoint_is_compared_by_its_fingerprint() -> None:
    for stage in ("fit", "validate", "test"):
        with pytest.raises(ValueError, match=r"an older qlit wrote it and did not record the sentences .*; use the"):
            checked(stage, origin=OLD, seed=1)  # type: ignore[arg-type]
    other = replace(DATA, name="other")
    _, (notice,) = checked("test", other, origin=OLD, seed=1)
    assert "so it is unknown whether other contains some of them" in notice.text
    with pytest.raises(ValueError, match="an older qlit wrote it"):
        checked("test", other, origin=OLD, seed=1, unseen_only=True)
    _, (notice,) = checked("test", origin=replace(OLD, fingerprint=""))
    assert "split (not recorded) of toy" in notice.text


def test_an_older_checkpoint_of_a_smaller_test_is_known_by_its_former_test() -> None:
    order = np.argsort(np.random.PCG64(0).random_raw(len(DATA)), kind="stable")
    drawn = {*SPLIT.train.tolist(), *SPLIT.validation.tolist()}
    former = np.sort([k for k in order if k not in drawn][:50])
    fingerprint = split_fingerprint(DATA, (SPLIT.train, SPLIT.validation, former))
    split, (notice,) = checked("test", origin=replace(OLD, fingerprint=fingerprint), max_test=50)
    assert "training and validation sentences are the same" in notice.text
    assert split.test.tolist() != former.tolist()
    assert checked("fit", origin=replace(OLD, fingerprint=fingerprint), max_test=50)[1] == []
    assert checked("fit", origin=OLD, max_test=50)[1] == []


def test_hashes_are_of_the_sentences() -> None:
    assert ORIGIN.sentences is not None
    assert ORIGIN.sentences.trained == {sentence_key(DATA.texts[k]) for k in SPLIT.train}
    assert ORIGIN.sentences.validated == {sentence_key(DATA.texts[k]) for k in SPLIT.validation}
