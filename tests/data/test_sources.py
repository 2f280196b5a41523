"""`Sources`: which sentences are read, in which role, with labels matched by name."""

import json
from pathlib import Path

import pandas as pd
import pytest

from qlit.data import draw_split
from qlit.data.sources import Sources

REVIEWS = [
    ('the battery lasts for days , which i did n\'t expect from a " budget " phone .', "1"),
    ("it broke\tafter a week ; i want my money back .", "0"),
    ('" great " , they said .', "0"),
    ("café au lait, on the screen, twice", "0"),
    ('simply "the" best', "1"),
    ("4x zoom ( 1/2x , 3x ) is fine", "1"),
]


def write(path: Path, rows: list[tuple[str, str]]) -> str:
    path.parent.mkdir(exist_ok=True)
    path.write_text("text\tlabel\n" + "".join(f"{text}\t{label}\n" for text, label in rows), encoding="utf-8")
    return str(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Splits with names, of three labels; the training file comes last by name."""
    write(tmp_path / "given/dev.tsv", [("d0", "b"), ("d1", "a")])
    write(tmp_path / "given/test.tsv", [("t0", "c"), ("t1", "a"), ("t2", "b")])
    write(tmp_path / "given/train.tsv", [(f"n{k}", "abc"[k % 3]) for k in range(9)])
    return tmp_path / "given"


@pytest.mark.parametrize("splits", ["few_shot", "given"])
def test_every_format_has_one_fingerprint(tmp_path: Path, splits: str) -> None:
    table = pd.DataFrame(REVIEWS * 5, columns=["text", "label"])
    table.to_csv(tmp_path / "train.csv", index=False)
    table.to_csv(tmp_path / "train.tsv", index=False, sep="\t")
    table.to_json(tmp_path / "train.jsonl", orient="records", lines=True)
    table.astype({"label": int}).to_parquet(tmp_path / "train.parquet")
    tests = write(tmp_path / "test.tsv", REVIEWS[3:])
    files = [str(tmp_path / f"train.{suffix}") for suffix in ("csv", "tsv", "jsonl", "parquet")]
    found = [Sources(file, splits=splits, test_source=tests).load() for file in files]  # type: ignore[arg-type]
    assert len({data.fingerprint for data in found}) == 1
    assert [notice.key for data in found for notice in data.notices] == ["quotes"]  # pandas' TSV
    if splits == "few_shot":
        pooled = [Sources(file).load() for file in files]
        assert len({data.fingerprint for data in pooled}) == 1
        assert len({draw_split(data, num_per_label=6, seed=0, stratified=True).fingerprint for data in pooled}) == 1


def test_pooled_data_is_the_same_as_before_there_were_roles(folder: Path) -> None:
    data = Sources(str(folder)).load()
    assert data.roles == ()
    assert data.texts == (*(f"n{k}" for k in range(9)), "d0", "d1", "t0", "t1", "t2")


def test_given_splits_keep_their_roles(folder: Path) -> None:
    data = Sources(str(folder), splits="given").load()
    assert data.roles == ("train",) * 9 + ("validation",) * 2 + ("test",) * 3
    assert data.label_names == ("a", "b", "c")
    assert data.fingerprint != Sources(str(folder)).load().fingerprint


def test_a_file_for_each_part(folder: Path) -> None:
    train, dev, test = (str(folder / f"{name}.tsv") for name in ("train", "dev", "test"))
    data = Sources(train, splits="given", validation_source=dev, test_source=test).load()
    whole = Sources(str(folder), splits="given").load()
    assert (data.texts, data.labels, data.roles) == (whole.texts, whole.labels, whole.roles)
    assert data.fingerprint == whole.fingerprint
    assert data.name == "train.tsv + dev.tsv + test.tsv"
    sources = Sources(train, splits="given", validation_source=dev, test_source=test)
    assert [sources.source_of(role) for role in ("train", "validation", "test")] == [train, dev, test]
    assert Sources("d.tsv", embeddings="x.npz").source_of("test") == "x.npz"


@pytest.mark.parametrize("splits", ["few_shot", "given"])
def test_a_test_source_replaces_the_test_split(folder: Path, tmp_path: Path, splits: str) -> None:
    other = write(tmp_path / "other.tsv", [("x0", "c")])
    data = Sources(str(folder), splits=splits, test_source=other).load()  # type: ignore[arg-type]
    assert "t0" not in data.texts
    assert data.labels[-1] == 2  # by name, although the file has one label
    first = {"few_shot": "", "given": "train"}[splits]
    assert (data.roles[0], data.roles[-1]) == (first, "test")
    (notice,) = data.notices
    assert notice.text == "Sentences were left out, because another source replaces them: 3 of test.tsv."


def test_files_without_a_role_are_left_out_of_given_splits(folder: Path) -> None:
    write(folder / "unsupervised.tsv", [("u0", "a")])
    (notice,) = Sources(str(folder), splits="given").load().notices
    assert "1 of unsupervised.tsv" in notice.text
    assert "u0" in Sources(str(folder)).load().texts


def test_labels_of_a_test_source_are_matched_by_name(folder: Path, tmp_path: Path) -> None:
    odd = write(tmp_path / "odd.tsv", [("x", "a"), ("y", "z"), ("y", "q")])
    with pytest.raises(
        ValueError,
        match=r"odd.tsv has labels that the training data does not have, 'q', 'z'; the training data has 'a', 'b', 'c'",
    ):
        Sources(str(folder), test_source=odd).load()
    with pytest.raises(ValueError, match="labels that the checkpoint does not know, 'q', 'z'"):
        Sources(str(folder), test_source=odd).load_test(("a", "b", "c"))
    alone = Sources("not/there", test_source=str(folder / "test.tsv")).load_test(("c", "b", "a"))
    assert alone.labels == (0, 2, 1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"validation_source": "dev.tsv"}, "validation_source` needs `data.splits: given`"),
        ({"test_source": ""}, "`data.test_source` is empty"),
    ],
)
def test_impossible_sources_are_refused(settings: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Sources("d.tsv", **settings)  # type: ignore[arg-type]


def test_given_splits_without_training_sentences_are_refused(folder: Path) -> None:
    (folder / "train.tsv").unlink()
    with pytest.raises(ValueError, match="given has no training split"):
        Sources(str(folder), splits="given").load()


def test_a_config_of_an_earlier_version_has_fewer_keys() -> None:
    config = json.loads('{"source": "d.tsv", "text_column": "t", "label_column": "l", "seed": 0}')
    assert Sources.of(config) == Sources("d.tsv", "t", "l")
