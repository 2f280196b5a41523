"""Pairs of sentences: read in every format, told apart, split, fingerprinted and embedded."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from data.toy_body import expected
from datasets import Dataset, DatasetDict

import qlit.data.hub_datasets
from qlit.data import (
    BodyEmbedder,
    BodyFolder,
    EmbeddingCache,
    LabelledTexts,
    Origin,
    draw_split,
    given_split,
    load_texts,
)
from qlit.data.lengths import cut_notice, lengths_of_pairs
from qlit.data.pairs import all_sentences_of, is_pair, paired, sentences_of, shown
from qlit.data.seen import are_seen, duplicate_notices, sentence_key
from qlit.data.sentences import read_pairs
from qlit.data.sources import Sources

ROWS = [
    ("How old are you?", "What is your age?", "same"),
    ("How old are you?", "Where do you live?", "other"),
    ('She said "go", then left', 'She left\tafter "go"', "same"),
    ("cafe au lait", "café, au lait", "same"),
    ("What is your age?", "How old are you?", "other"),
    ("one", "two", "other"),
]
COLUMNS = {"text_column": "question", "second_text_column": "answer", "label_column": "kind"}


def load(path: Path, **changes: object) -> LabelledTexts:
    return load_texts(str(path), **{**COLUMNS, **changes})  # type: ignore[arg-type]


@pytest.fixture
def table() -> pd.DataFrame:
    return pd.DataFrame(ROWS, columns=["question", "answer", "kind"]).assign(number=range(len(ROWS)))


def test_a_pair_is_taken_apart_as_it_was_put_together() -> None:
    pair = paired("a | b", "c")
    assert (is_pair(pair), sentences_of(pair), shown(pair)) == (True, ["a | b", "c"], "a | b | c")
    assert (is_pair("a | b"), sentences_of("a | b"), shown("a | b")) == (False, ["a | b"], "a | b")
    assert all_sentences_of([pair, paired("d", "e")]) == ["a | b", "d", "c", "e"]
    assert paired("ab", "c") != paired("a", "bc")


def test_every_format_has_the_same_pairs(tmp_path: Path, table: pd.DataFrame) -> None:
    table.to_csv(tmp_path / "a.csv", index=False)
    table.to_csv(tmp_path / "a.csv.gz", index=False)
    table.to_csv(tmp_path / "a.tsv", index=False, sep="\t")
    table.to_json(tmp_path / "a.jsonl", orient="records", lines=True)
    table.to_json(tmp_path / "a.json", orient="records")
    table.to_parquet(tmp_path / "a.parquet")
    (tmp_path / "folder").mkdir()
    table.iloc[:4].to_csv(tmp_path / "folder/train.csv", index=False)
    table.iloc[4:].to_csv(tmp_path / "folder/test.csv", index=False)
    names = ("a.csv", "a.csv.gz", "a.tsv", "a.jsonl", "a.json", "a.parquet", "folder")
    found = [load(tmp_path / name) for name in names]
    assert {data.fingerprint for data in found} == {found[0].fingerprint}
    for data in found:
        assert [sentences_of(text) for text in data.texts] == [list(row[:2]) for row in ROWS]
        assert data.are_pairs
        assert data.label_names == ("other", "same")
    swapped = load(tmp_path / "a.csv", text_column="answer", second_text_column="question")
    assert swapped.fingerprint != found[0].fingerprint


def test_a_data_set_of_the_hub_has_pairs(monkeypatch: pytest.MonkeyPatch, table: pd.DataFrame) -> None:
    splits = DatasetDict({"train": Dataset.from_pandas(table), "test": Dataset.from_pandas(table.drop(columns="kind"))})
    monkeypatch.setattr(qlit.data.hub_datasets, "_load", lambda *_: splits)
    data = load(Path("someone/pairs"))
    assert [sentences_of(text) for text in data.texts] == [list(row[:2]) for row in ROWS]
    assert [notice.key for notice in data.notices] == ["unlabelled"]
    with pytest.raises(ValueError, match=r"has no column 'reply'; it has .* Set `second_text_column`"):
        load(Path("someone/pairs"), second_text_column="reply")


def test_single_sentences_keep_their_fingerprints(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("text\tlabel\na\t0\nb\t1\n")
    data = load_texts(str(tmp_path / "a.tsv"))
    assert (data.fingerprint, data.are_pairs) == ("2ed6f947b60d883c", False)


def test_splits_keep_pairs_together(tmp_path: Path) -> None:
    for name, count in (("train", 20), ("dev", 4), ("test", 6)):
        rows = [(f"{name} {k}", f"answer {k}", k % 2) for k in range(count)]
        pd.DataFrame(rows, columns=["question", "answer", "kind"]).to_csv(tmp_path / f"{name}.csv", index=False)
    sources = Sources(str(tmp_path), splits="given", **COLUMNS)  # type: ignore[arg-type]
    split = given_split(sources.load(), num_per_label=5, seed=0)
    assert [len(split.train), len(split.validation), len(split.test)] == [10, 4, 6]
    few = draw_split(load(tmp_path), num_per_label=5, seed=0, stratified=True)
    assert len(few.train) + len(few.validation) == 10
    replaced = Sources(
        str(tmp_path / "train.csv"),
        splits="given",
        validation_source=str(tmp_path / "dev.csv"),
        test_source=str(tmp_path / "test.csv"),
        **COLUMNS,
    ).load()
    assert replaced.fingerprint == sources.load().fingerprint
    assert Origin.from_notes(Origin.of(replaced, split).notes()).are_pairs
    assert not Origin.from_notes({}).are_pairs


def test_a_pair_is_the_same_only_if_both_sentences_are() -> None:
    texts = [paired("How  old?", "Your age "), paired("how old?", "your age"), paired("How old?", "your name")]
    assert sentence_key(texts[0]) == sentence_key(texts[1]) != sentence_key(texts[2])
    assert sentence_key(paired("a b", "c")) != sentence_key(paired("a", "b c"))
    assert are_seen(texts, {sentence_key(texts[0])}).tolist() == [True, True, False]
    notices = duplicate_notices(texts, [0, 1, 1], [0], [2], [1])
    assert [notice.key for notice in notices] == ["duplicates", "contradicting_labels"]


@pytest.mark.parametrize(
    ("rows", "what"),
    [
        ([("a", "", 0), ("c", "d", 1)], "The second sentence is blank or missing in line 2 of a.csv"),
        ([("a", "b", 0), (" ", "d", 1)], "The first sentence is blank or missing in line 3 of a.csv"),
    ],
    ids=["second", "first"],
)
def test_a_missing_sentence_is_refused_by_its_row(tmp_path: Path, rows: list[tuple[object, ...]], what: str) -> None:
    pd.DataFrame(rows, columns=["question", "answer", "kind"]).to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(ValueError, match=what):
        load(tmp_path / "a.csv")


def test_half_of_a_character_is_refused_in_both_sentences(tmp_path: Path) -> None:
    for number, name in enumerate(("first", "second")):
        row = {"question": "a", "answer": "b", "kind": 1, ("question", "answer")[number]: "\ud800"}
        (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, [{**row, "kind": 0}, row])))
        with pytest.raises(ValueError, match=f"The {name} sentence contains half of a character"):
            load(tmp_path / "a.jsonl")


def test_columns_that_do_not_fit_are_named(tmp_path: Path, table: pd.DataFrame) -> None:
    table.to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(ValueError, match=r"has no column 'reply'; it has .*Set `second_text_column`"):
        load(tmp_path / "a.csv", second_text_column="reply")
    with pytest.raises(ValueError, match=r"`data.second_text_column` and `data.text_column` both name the column 'x'"):
        Sources("a.csv", text_column="x", second_text_column="x")
    with pytest.raises(ValueError, match=r"`data.second_text_column` and `data.label_column` both name the column 'y'"):
        Sources("a.csv", label_column="y", second_text_column="y")
    with pytest.raises(ValueError, match="The built-in sample has single sentences"):
        Sources("sample", second_text_column="answer").load()
    with pytest.raises(ValueError, match="one row of 2 D features"):
        Sources("", embeddings="x.npy", second_text_column="answer")
    (tmp_path / "b.tsv").write_text("a\tb\t0\nc\td\t1\n" * 3)  # without a header it is not known which fields they are
    with pytest.raises(ValueError, match="has no column 'question'"):
        load(tmp_path / "b.tsv")


def test_every_sentence_of_pairs_is_embedded_once(tmp_path: Path, body: BodyFolder, log: Path) -> None:
    pairs = [paired("one 1", "two 2"), paired("one 1", "three 3"), paired("two 2", "one 1")]
    cache = EmbeddingCache(tmp_path / "cache")
    cache.embed(["two 2"], body, show_progress=False)
    found = cache.embed(pairs, body, show_progress=False)
    assert torch.equal(
        found.vectors, torch.cat([expected(["one 1", "one 1", "two 2"]), expected(["two 2", "three 3", "one 1"])], 1)
    )
    assert sorted(log.read_text().splitlines()) == ["one 1", "three 3", "two 2"]
    assert found.lengths.shape == (3, 3)


def test_a_body_in_memory_embeds_the_same(minilm: BodyFolder, tmp_path: Path) -> None:
    pairs = [paired("a fine film", "it was good"), paired("dull", "a fine film")]
    own, cached = BodyEmbedder(minilm).embed(pairs), EmbeddingCache(tmp_path).embed(pairs, minilm, show_progress=False)
    torch.testing.assert_close(own.vectors, cached.vectors, rtol=0, atol=1e-5)
    torch.testing.assert_close(own.vectors[0, :384], own.vectors[1, 384:], rtol=0, atol=1e-5)
    np.testing.assert_array_equal(own.lengths, cached.lengths)


def test_truncated_sentences_of_pairs_are_counted_by_pair() -> None:
    # Columns: tokens, limit, hash of what is read. The first and the second pair differ behind the limit only.
    lengths = np.array([[3, 8, 0], [3, 8, 0], [9, 8, 5], [3, 8, 0], [12, 8, 7], [10, 8, 7], [2, 8, 0], [4, 8, 0]])
    pairs = [paired("a", "x y"), paired("a", "x z"), paired("x u", "b"), paired("a", "b")]
    found = lengths_of_pairs(lengths, pairs)
    assert found[:, :2].tolist() == [[12, 8], [10, 8], [9, 8], [4, 8]]
    assert found[0, 2] == found[1, 2] != found[2, 2]
    assert found[3, 2] == 0
    notice = cut_notice("toy", {"train": found[:3], "test": found[3:]}, pairs)
    assert notice is not None
    assert "3 of 3 train and 0 of 1 test pairs have a longer sentence, the longest has 12 tokens. 2 of" in notice.text
    assert "differ from another pair only" in notice.text


def test_pairs_to_label_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a\tb\n\nc\td\n")
    found = read_pairs([], str(tmp_path / "a.txt"), None, None)
    assert (list(found.sentences), found.num_blank, found.first_blank) == (
        [paired("a", "b"), paired("c", "d")],
        1,
        "line 2",
    )
    assert read_pairs([["a", "b"]], None, None, None).sentences == [paired("a", "b")]
    with pytest.raises(ValueError, match="--second_text_column a names a column of a table, but the input is not"):
        read_pairs([], str(tmp_path / "a.txt"), "q", "a")
    (tmp_path / "a.csv").write_text("id,a,q\n1,b,a\n2,,\n3,d,c\n")
    found = read_pairs([], str(tmp_path / "a.csv"), "q", "a")
    assert (list(found.sentences), found.num_blank) == ([paired("a", "b"), paired("c", "d")], 1)


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("a.txt", "a\tb\nonly one\n", "The line 'only one' is no pair: .* with one tab between them"),
        ("a.txt", "a\tb\tc\n", "is no pair"),
        (
            "a.csv",
            "q,a\nx,y\nz,\n",
            "The second sentence in line 3 of a.csv is blank or missing, but a pair needs both",
        ),
        ("a.csv", "q,b\nx,y\n", "has no column 'a'; .* with --second_text_column"),
        ("a.jsonl", '{"q": "x\\ud800y", "a": "z"}', "pair 1 has bytes that are not"),
    ],
    ids=["one sentence", "three sentences", "missing", "no column", "surrogate"],
)
def test_pairs_that_cannot_be_labelled_are_refused(tmp_path: Path, name: str, content: str, what: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=what):
        read_pairs([], str(tmp_path / name), *((None, None) if name.endswith(".txt") else ("q", "a")))
    with pytest.raises(ValueError, match="Pair 2 has a blank sentence"):
        read_pairs([["a", "b"], ["c", " "]], None, None, None)


def test_notices_and_errors_count_pairs() -> None:
    texts = tuple(paired(*pair) for pair in (("a", "b"), ("b", "a"), ("a", "a"), ("a", "b")))
    found = duplicate_notices(texts, [0, 1, 0, 1], [0, 1], [2], [3])
    assert [notice.text for notice in found] == [
        "Of the 1 test pairs, 1 is also trained or validated on; `data.unseen_only: true` leaves them out.",
        "The data has 1 pair that occurs with different labels, in 2 of its 4 rows.",
    ]
    with pytest.raises(ValueError, match="Label 'a' of x has 2 pairs, fewer than num_per_label=3"):
        draw_split(LabelledTexts(texts, (0, 1, 0, 1), ("a", "b"), "x"), num_per_label=3, seed=0)
