"""Which sentences are the same, duplicates of a split, and a test of unseen ones alone."""

import numpy as np
import pytest

from qlit.data import LabelledTexts, draw_split
from qlit.data.seen import are_seen, duplicate_notices, sentence_key, sentence_keys


def texts(rows: list[tuple[str, int]]) -> LabelledTexts:
    return LabelledTexts(tuple(text for text, _ in rows), tuple(label for _, label in rows), ("no", "yes"), "toy")


def thrice(num: int) -> LabelledTexts:
    """Every sentence three times: as it is, with other case and white space, and as it is."""
    rows = [(f"sentence {k}", k % 2) for k in range(num)]
    return texts([*rows, *((f"  Sentence\t{k} ", label) for k, (_, label) in enumerate(rows)), *rows])


def test_case_and_white_space_do_not_make_another_sentence() -> None:
    assert sentence_key("A good  film \n") == sentence_key("a\tgood film")
    assert sentence_key("a good film") != sentence_key("a good film.")
    assert len(sentence_key("\ud800 half a character")) == 16


def test_hashes_of_the_very_text_count_too() -> None:
    import hashlib

    old = {hashlib.sha256(b"A Film").hexdigest()[:16]}  # as an older qlit wrote them
    assert are_seen(["A Film", "a film"], old).tolist() == [True, False]
    assert are_seen(["A Film", "a film", "b"], sentence_keys(["a film"])).tolist() == [True, True, False]
    assert are_seen(["a"], set()).tolist() == [False]


def test_sentences_that_are_learnt_and_scored_are_counted() -> None:
    data = thrice(40)
    split = draw_split(data, num_per_label=20, seed=0)
    seen = {data.texts[k] for k in (*split.train, *split.validation)}
    exact = sum(data.texts[k] in seen for k in split.test)
    folded = sentence_keys(seen)
    leaked = sum(sentence_key(data.texts[k]) in folded for k in split.test)
    assert 0 < exact == split.num_leaked < leaked
    (notice, of_validation) = split.notices
    assert notice.key == "duplicates"
    assert notice.text.startswith(
        f"Of the {len(split.test)} test sentences, {leaked} are also trained or validated on ({leaked - exact} of them "
        "with other case or white space); `data.unseen_only: true`"
    )
    assert of_validation.key == "validation_duplicates"
    assert of_validation.text.startswith("Of the 6 validation sentences, ")


def test_a_set_without_duplicates_has_no_notice() -> None:
    data = texts([(f"sentence {k}", k % 2) for k in range(60)])
    split = draw_split(data, num_per_label=15, seed=0)
    assert (split.num_leaked, split.notices) == (0, ())


def test_contradicting_labels_are_counted() -> None:
    rows = [("good", 1), ("Good ", 0), ("bad", 0), ("bad", 0), ("fine", 1), ("fine", 0), ("fine", 1), ("dull", 0)]
    (notice,) = duplicate_notices([text for text, _ in rows], [label for _, label in rows], [3], [7], [0])
    assert notice == (
        "contradicting_labels",
        "The data has 2 sentences that occur with different labels, in 5 of its 8 rows.",
    )


@pytest.mark.parametrize("max_test", [None, 10])
def test_unseen_only_leaves_out_what_is_trained_or_validated_on(max_test: int | None) -> None:
    data = thrice(60)
    settings = {"num_per_label": 20, "seed": 0, "max_test": max_test}
    every, unseen = (draw_split(data, **settings, unseen_only=only) for only in (False, True))  # type: ignore[arg-type]
    assert unseen.train.tolist() == every.train.tolist()
    assert unseen.fingerprint != every.fingerprint
    drawn = sentence_keys(data.texts[k] for k in (*unseen.train, *unseen.validation))
    assert not {sentence_key(data.texts[k]) for k in unseen.test} & drawn
    rest = set(range(len(data))) - {*unseen.train, *unseen.validation}
    num_left = sum(sentence_key(data.texts[k]) not in drawn for k in rest)
    assert len(unseen.test) == min(num_left, max_test or num_left)  # cut after the others were left out
    assert unseen.num_leaked == 0
    assert unseen.notices[0].key == "unseen_only"
    assert unseen.notices[0].text.startswith(f"Of the {len(rest)} sentences left to test, {len(rest) - num_left} are")


def test_unseen_only_takes_more_hashes_and_needs_something_left() -> None:
    data = texts([(f"sentence {k}", k % 2) for k in range(60)])
    every = draw_split(data, num_per_label=15, seed=0)
    some = sentence_keys(data.texts[k] for k in every.test[:10])
    assert draw_split(data, num_per_label=15, seed=0, unseen_only=True, seen=some).test.tolist() == (
        every.test[10:].tolist()
    )
    nothing_to_do = draw_split(data, num_per_label=15, seed=0, unseen_only=True)
    assert (nothing_to_do.fingerprint, nothing_to_do.notices) == (every.fingerprint, ())
    with pytest.raises(
        ValueError, match=r"All 30 sentences of toy that are left to test are also trained or validated"
    ):
        draw_split(data, num_per_label=15, seed=0, unseen_only=True, seen=sentence_keys(data.texts))


def test_labels_without_a_sentence_are_left_alone() -> None:
    data = LabelledTexts(tuple(map(str, range(40))), (1,) * 20 + (3,) * 20, ("a", "b", "c", "d"), "toy")
    split = draw_split(data, num_per_label=10, seed=0)
    assert np.unique(np.asarray(data.labels)[split.train]).tolist() == [1, 3]
    assert [notice.key for notice in split.notices] == ["lacking_labels"]
    assert "no sentence of label 'a', 'c': its" in split.notices[0].text
