"""`draw_split`: the published counts, what a seed fixes, and what is refused."""

import hashlib
import re
from pathlib import Path

import numpy as np
import pytest

from qlit.data import LabelledTexts, draw_split, load_texts
from qlit.data.cuts import stratified_num_per_label, train_and_validation_sizes


def make(counts: list[int], names: tuple[str, ...] = ("no", "yes", "maybe")) -> LabelledTexts:
    labels = tuple(label for label, count in enumerate(counts) for _ in range(count))
    texts = tuple(f"sentence {i}" for i in range(len(labels)))
    return LabelledTexts(texts, labels, names[: len(counts)], "toy")


def test_sst2_gives_the_published_counts(sst2: Path) -> None:
    data = load_texts(str(sst2))
    split = draw_split(data, seed=0)
    assert (len(split.train), len(split.validation), len(split.test)) == (435, 77, 9101)
    parts = np.concatenate([split.train, split.validation, split.test])
    assert parts.dtype == np.int64
    assert sorted(parts) == list(range(len(data)))
    labels = np.asarray(data.labels)
    assert np.bincount(labels[np.concatenate([split.train, split.validation])]).tolist() == [256, 256]
    seen = {data.texts[i] for i in (*split.train, *split.validation)}
    assert split.num_leaked == sum(data.texts[i] in seen for i in split.test) <= 11  # 9,613 sentences, 9,602 distinct


def test_a_seed_means_the_same_split_for_ever() -> None:
    split = draw_split(make([40, 60]), num_per_label=10, seed=7)
    # Written down from the first version: a change here changes what every published seed means.
    assert split.fingerprint == "0a950e6e04d7eb9f"
    assert split.validation.tolist() == [98, 52, 37]


def test_an_unbalanced_set_without_max_test_has_the_split_it_always_had() -> None:
    # Written down before the test set was drawn at random.
    for counts, num_per_label, seed, fingerprint in (
        ([200, 400], 80, 3, "76e80fc60e63e6cf"),
        ([15, 30, 300], 12, 5, "375e6f5c15b796b6"),
    ):
        data = make(counts)
        split = draw_split(data, num_per_label=num_per_label, seed=seed)
        assert split.fingerprint == fingerprint
        assert draw_split(data, num_per_label=num_per_label, seed=seed, max_test=10_000).fingerprint == fingerprint


@pytest.mark.parametrize("counts", [[200, 400], [270, 130], [60, 80, 110, 150, 200, 270, 360, 480, 640, 850]], ids=str)
@pytest.mark.parametrize("max_test", [100, 250])
def test_a_smaller_test_set_has_the_labels_in_the_shares_of_all_that_is_left(counts: list[int], max_test: int) -> None:
    data = make(counts, tuple("abcdefghij"))
    labels, total = np.asarray(data.labels), np.zeros(len(counts))
    left = np.array(counts) - 50
    expected = max_test * left / left.sum()
    # Of a draw without replacement; the front of what an order has left gave 0 of the rarer of two labels.
    sigma = np.sqrt(expected * (1 - left / left.sum()) * (left.sum() - max_test) / (left.sum() - 1))
    for seed in range(20):
        test = draw_split(data, num_per_label=50, seed=seed, max_test=max_test).test
        found = np.bincount(labels[test], minlength=len(counts))
        assert (np.abs(found - expected) < 5 * sigma + 1).all(), (seed, found, expected)
        total += found
    assert (np.abs(total - 20 * expected) < 5 * np.sqrt(20) * sigma).all(), (total, expected)


def test_seeds_differ_and_repeat() -> None:
    data = make([40, 60])
    one, again, other = (draw_split(data, num_per_label=15, seed=seed) for seed in (1, 1, 2))
    assert one.fingerprint == again.fingerprint != other.fingerprint
    assert one.train.tolist() == again.train.tolist() != other.train.tolist()


def test_every_sentence_is_drawn_equally_often() -> None:
    data = make([40, 40])
    trained = np.zeros(80)
    for seed in range(400):
        trained[draw_split(data, num_per_label=10, train_fraction=0.5, seed=seed).train] += 1
    expected = 400 * 10 / 80  # 10 of the 20 drawn train
    assert np.abs(trained - expected).max() < 5 * np.sqrt(expected)  # 5 sigma of a count


def test_the_fingerprint_sees_texts_labels_and_indices() -> None:
    data = make([30, 30])
    base = draw_split(data, num_per_label=15, seed=0)
    texts = LabelledTexts((*data.texts[:-1], "another"), data.labels, data.label_names, data.name)
    names = LabelledTexts(data.texts, data.labels, data.label_names, "renamed", "a note")
    assert len(base.fingerprint) == 16
    assert draw_split(texts, num_per_label=15, seed=0).fingerprint != base.fingerprint
    assert draw_split(data, num_per_label=15, seed=0, max_test=29).fingerprint != base.fingerprint
    assert draw_split(names, num_per_label=15, seed=0).fingerprint == base.fingerprint


def test_max_test_is_a_nested_random_subset() -> None:
    data = make([50, 50])
    small, large, all_ = (draw_split(data, num_per_label=10, seed=3, max_test=n) for n in (10, 30, 1000))
    assert [len(s.test) for s in (small, large, all_)] == [10, 30, 80]
    assert set(small.test) < set(large.test) < set(all_.test)
    assert small.train.tolist() == all_.train.tolist()
    assert small.test.tolist() != all_.test.tolist()[:10]


def test_duplicates_are_kept_and_counted() -> None:
    data = make([20, 20])
    same = LabelledTexts(("same",) * 40, data.labels, data.label_names, data.name)
    assert draw_split(same, num_per_label=10, seed=0).num_leaked == 20
    assert draw_split(data, num_per_label=10, seed=0).num_leaked == 0


@pytest.mark.parametrize(("fraction", "num_train"), [(0.85, 17), (0.29, 5), (0.7, 14), (0.5, 10)])
def test_the_share_that_trains_is_rounded_down(fraction: float, num_train: int) -> None:
    split = draw_split(make([20, 20]), num_per_label=10, train_fraction=fraction, seed=2)
    assert len(split.train) == num_train


def test_three_labels() -> None:
    split = draw_split(make([30, 40, 50]), num_per_label=20, seed=0)
    assert (len(split.train), len(split.validation), len(split.test)) == (51, 9, 60)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"num_per_label": 31},
            "Label 'no' of toy has 30 sentences, fewer than num_per_label=31; set it to 30 or less",
        ),
        ({"num_per_label": 1}, "`num_per_label >= 2` must hold"),
        ({"num_per_label": -5}, "`num_per_label >= 2` must hold"),
        ({"train_fraction": 0.0}, "`0 < train_fraction < 1` must hold"),
        ({"train_fraction": 1.0}, "`0 < train_fraction < 1` must hold"),
        ({"train_fraction": float("nan")}, "`0 < train_fraction < 1` must hold"),
        ({"max_test": 0}, "`max_test >= 1` must hold"),
        ({"seed": -1}, "`seed >= 0` must hold"),
        (
            {"train_fraction": 0.99},
            r"Validation \(1 of the 20 drawn\) has no sentence of label '.*'; change `train_fraction` \(now 0.99\)",
        ),
        (
            {"train_fraction": 0.9},
            r"Validation \(2 of the 20 drawn\) has no sentence of label '.*'; set `data.stratified: true` to cut label "
            r"by label, or raise `num_per_label` \(now 10\) to \d+, where this seed's cut has every label, or change",
        ),
        ({"train_fraction": 0.01}, r"Training \(0 of the 20 drawn\) has no sentence of label 'no', 'yes'"),
        (
            {"train_fraction": 0.99, "stratified": True},
            r"Of 2 labels with 10 sentences per label, only 1 would validate, less than one per label; raise "
            r"`num_per_label` \(now 10\) to 51, or change `train_fraction` \(now 0.99\)",
        ),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        draw_split(make([30, 40]), **{"num_per_label": 10, "seed": 0, **settings})  # type: ignore[arg-type]


def test_an_empty_test_set_is_refused_and_a_lacking_label_is_told() -> None:
    with pytest.raises(ValueError, match="draws all 40 sentences of toy and leaves none to test"):
        draw_split(make([20, 20]), num_per_label=20, seed=0)
    (notice,) = draw_split(make([20, 25]), num_per_label=20, seed=0).notices
    assert notice.key == "lacking_labels"
    assert notice.text.startswith("The test set (5 sentences) has no sentence of label 'no': its accuracy says nothing")


def many(num_labels: int, count: int) -> LabelledTexts:
    return make([count] * num_labels, tuple(f"class {k}" for k in range(num_labels)))


@pytest.mark.parametrize("num_labels", [2, 20, 77])
@pytest.mark.parametrize("num_per_label", [8, 16])
def test_a_stratified_cut_gives_every_label_its_share(num_labels: int, num_per_label: int) -> None:
    data = many(num_labels, 30)
    labels = np.asarray(data.labels)
    num_drawn = num_labels * num_per_label
    num_train = num_drawn * 85 // 100
    for seed in range(5):
        split = draw_split(data, num_per_label=num_per_label, seed=seed, stratified=True)
        assert (len(split.train), len(split.validation)) == (num_train, num_drawn - num_train)
        assert len({*split.train, *split.validation, *split.test}) == len(data)
        validated = np.bincount(labels[split.validation], minlength=num_labels)
        assert (np.bincount(labels[split.train]) + validated == num_per_label).all()
        assert 1 <= validated.min() <= validated.max() <= validated.min() + 1
        if num_labels > 2:  # in the order drawn
            assert labels[split.validation].tolist() != sorted(labels[split.validation])


def test_the_cut_changes_neither_the_drawn_sentences_nor_the_test() -> None:
    data = make([40, 60, 90])
    plain, stratified = (
        draw_split(data, num_per_label=20, seed=3, max_test=30, stratified=stratified) for stratified in (False, True)
    )
    drawn = [set(np.concatenate([split.train, split.validation])) for split in (plain, stratified)]
    assert drawn[0] == drawn[1]
    assert plain.test.tolist() == stratified.test.tolist()
    assert plain.fingerprint != stratified.fingerprint


def test_which_label_gets_one_more_is_drawn() -> None:
    data = make([40, 40])
    more = {
        np.bincount(np.asarray(data.labels)[split.validation]).argmax()
        for split in (draw_split(data, num_per_label=10, seed=seed, stratified=True) for seed in range(20))
    }
    assert more == {0, 1}  # 3 of 20 validate


@pytest.mark.parametrize("num_per_label", [8, 16])
def test_few_shots_of_many_labels_are_refused_with_settings_that_do(num_per_label: int) -> None:
    data = many(20, 60)
    with pytest.raises(ValueError, match=r"set `data.stratified: true` to cut label by label, or") as refusal:
        draw_split(data, num_per_label=num_per_label, seed=0)
    assert len(str(refusal.value)) < 400
    found = re.search(r"raise `num_per_label` \(now \d+\) to (\d+), where", str(refusal.value))
    assert found is not None
    draw_split(data, num_per_label=int(found[1]), seed=0)
    draw_split(data, num_per_label=num_per_label, seed=0, stratified=True)
    for fewer in range(num_per_label, int(found[1])):
        with pytest.raises(ValueError, match="has no sentence of label"):
            draw_split(data, num_per_label=fewer, seed=0)


def test_too_few_for_a_stratified_cut_are_refused_with_the_number_that_does() -> None:
    data = many(20, 30)
    with pytest.raises(ValueError, match=r"6 would validate, .* raise `num_per_label` \(now 2\) to 7, or"):
        draw_split(data, num_per_label=2, seed=0, stratified=True)
    draw_split(data, num_per_label=7, seed=0, stratified=True)
    with pytest.raises(ValueError, match=r"`data.stratified: true` .* and raise `num_per_label` to 7"):
        draw_split(data, num_per_label=2, seed=0)


def test_the_fewest_for_a_stratified_cut_are_the_fewest() -> None:
    for num_labels in (2, 3, 20, 77):
        for percent in range(1, 100):
            fraction = percent / 100
            sizes = (
                (n, train_and_validation_sizes(num_labels, num_per_label=n, train_fraction=fraction))
                for n in range(2, 200)
            )
            wanted = next(n for n, parts in sizes if min(parts) >= num_labels)
            assert stratified_num_per_label(num_labels, fraction) == wanted


def test_the_stream_below_is_numpys_promise() -> None:
    # Written down with numpy 2.4: should a numpy ever break it, this test says so before a split looks wrong.
    raw = np.random.PCG64(0).random_raw(1000).astype("<u8").tobytes()
    assert hashlib.sha256(raw).hexdigest()[:16] == "37eebb6c5d32acb2"
