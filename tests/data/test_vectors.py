"""Embeddings of files in place of sentences: formats, labels, splits, and what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

from qlit.data import given_split
from qlit.data.rows import Columns
from qlit.data.sources import Sources
from qlit.data.vector_files import read_labels, read_vectors
from qlit.data.vectors import VectorText, read_vectors_to_label, shown_texts, vectors_of

COLUMNS = Columns("text", "label")
VECTORS = np.random.default_rng(0).normal(size=(12, 3)).astype(np.float32)
LABELS = ["a", "b", "c"] * 4
TEXTS = [f"sentence {k}" for k in range(12)]


def write(path: Path, vectors: np.ndarray = VECTORS, labels: list[str] | None = LABELS) -> str:
    """Write embeddings, and labels unless the format has none, in the format of the suffix."""
    path.parent.mkdir(exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, vectors)
    elif path.suffix == ".npz":
        np.savez(path, embeddings=vectors, **({} if labels is None else {"labels": np.array(labels)}))
    elif path.suffix == ".safetensors":
        numbers = [] if labels is None else [sorted(set(labels)).index(label) for label in labels]
        save_file({"embeddings": torch.from_numpy(vectors), "labels": torch.tensor(numbers)}, path)
    elif path.suffix == ".parquet":
        pd.DataFrame({"embedding": list(vectors), "label": labels}).to_parquet(path)
    else:
        table = pd.DataFrame(vectors.astype(np.float64), columns=[f"f{k}" for k in range(vectors.shape[1])])
        table.assign(label=labels).to_csv(path, index=False, sep="\t" if path.suffix == ".tsv" else ",")
    return str(path)


@pytest.mark.parametrize("suffix", [".npz", ".safetensors", ".parquet", ".csv", ".tsv"])
@pytest.mark.parametrize("splits", ["few_shot", "given"])
def test_every_format_is_the_same_data(tmp_path: Path, suffix: str, splits: Any) -> None:
    first = Sources("", splits=splits, embeddings=write(tmp_path / "x.npz"), test_source=write(tmp_path / "t.npz"))
    other = Sources(
        "", splits=splits, embeddings=write(tmp_path / f"x{suffix}"), test_source=write(tmp_path / f"t{suffix}")
    )
    data, again = first.load(), other.load()
    np.testing.assert_array_equal(vectors_of(again.texts), np.concatenate([VECTORS, VECTORS]))
    assert again.labels == data.labels
    assert again.texts == data.texts
    if suffix != ".safetensors":  # its labels are numbers
        assert again.fingerprint == data.fingerprint
    if splits == "given":
        assert given_split(again, seed=0).fingerprint == given_split(data, seed=0).fingerprint


@pytest.mark.parametrize("name", ["labels.npy", "labels.csv", "labels.jsonl", "labels.parquet", "labels.tsv"])
def test_labels_of_a_second_file(tmp_path: Path, name: str) -> None:
    table = pd.DataFrame({"label": LABELS, "text": TEXTS})
    if name.endswith(".npy"):
        np.save(tmp_path / name, np.array(LABELS))
    elif name.endswith(".jsonl"):
        table.to_json(tmp_path / name, orient="records", lines=True)
    elif name.endswith(".parquet"):
        table.to_parquet(tmp_path / name)
    else:
        table[["label"]].to_csv(tmp_path / name, index=False)  # without texts
    data = Sources("", embeddings=write(tmp_path / "x.npy"), labels=str(tmp_path / name)).load()
    assert [data.label_names[label] for label in data.labels] == LABELS
    has_texts = name.endswith((".jsonl", ".parquet"))
    assert shown_texts(data.texts)[:2] == (TEXTS[:2] if has_texts else ["row 1 of x.npy", "row 2 of x.npy"])


def test_a_folder_has_its_splits(tmp_path: Path) -> None:
    write(tmp_path / "x/test.npz", VECTORS[:6], LABELS[:6])
    write(tmp_path / "x/train.npz", VECTORS, LABELS)
    data = Sources("", splits="given", embeddings=str(tmp_path / "x")).load()
    assert data.roles == ("train",) * 12 + ("test",) * 6
    labels = tmp_path / "labels"
    for name, count in (("train", 12), ("test", 6)):
        write(tmp_path / f"y/{name}.npy", VECTORS[:count])
        labels.mkdir(exist_ok=True)
        pd.DataFrame({"label": LABELS[:count]}).to_csv(labels / f"{name}.csv", index=False)
    again = Sources("", splits="given", embeddings=str(tmp_path / "y"), labels=str(labels)).load()
    assert again.fingerprint == data.fingerprint


def test_rows_without_a_label_are_left_out_with_their_vectors(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    labels: list[str | None] = [*LABELS[:9], None, None, None]
    pd.DataFrame({"embedding": list(VECTORS[:, :2]), "label": labels}).to_parquet(path)
    with pytest.raises(ValueError, match=r"label is missing in row 10 of x\.parquet"):
        Sources("", embeddings=str(path)).load()
    pd.DataFrame({"embedding": list(VECTORS), "label": [*LABELS[:9], "-1", "-1", "-1"]}).to_parquet(path)
    data = Sources("", embeddings=str(path)).load()
    np.testing.assert_array_equal(vectors_of(data.texts), VECTORS[:9])
    assert [notice.key for notice in data.notices] == ["unlabelled"]


def test_equal_vectors_are_duplicates_whatever_their_texts(tmp_path: Path) -> None:
    vectors = VECTORS.copy()
    vectors[5] = VECTORS[0]
    vectors[6] = 0.0
    vectors[7] = -0.0
    np.savez(tmp_path / "x.npz", embeddings=vectors, labels=np.array(LABELS), texts=np.array(TEXTS))
    data = Sources("", embeddings=str(tmp_path / "x.npz")).load()
    assert data.texts[0] == data.texts[5] != data.texts[1]
    assert data.texts[6] == data.texts[7]
    assert shown_texts(data.texts) == TEXTS
    test = write(tmp_path / "t.npz", vectors[:6], LABELS[:6])
    whole = Sources("", splits="given", embeddings=write(tmp_path / "a.npz"), test_source=test).load()
    (notice,) = [each for each in given_split(whole, seed=0).notices if each.key == "duplicates"]
    assert notice.text.startswith("Of the 6 test sentences, 6 are also trained or validated on")


def test_a_changed_number_changes_the_fingerprint(tmp_path: Path) -> None:
    first = Sources("", embeddings=write(tmp_path / "x.npz")).load()
    vectors = VECTORS.copy()
    vectors[3, 1] = np.nextafter(vectors[3, 1], 1)
    second = Sources("", embeddings=write(tmp_path / "x.npz", vectors)).load()
    assert first.fingerprint != second.fingerprint


@pytest.mark.parametrize("kind", [np.float16, np.float64, np.int8, "bfloat16"])
def test_other_numbers_become_float32(tmp_path: Path, kind: Any) -> None:
    if kind == "bfloat16":
        rounded = torch.from_numpy(VECTORS).bfloat16()
        save_file({"embeddings": rounded}, tmp_path / "x.safetensors")
        found, expected = read_vectors(tmp_path / "x.safetensors", COLUMNS), rounded.float().numpy()
    else:
        np.save(tmp_path / "x.npy", (20 * VECTORS).astype(kind))
        found, expected = read_vectors(tmp_path / "x.npy", COLUMNS), (20 * VECTORS).astype(kind).astype(np.float32)
    assert found.vectors.dtype == np.float32
    np.testing.assert_array_equal(found.vectors, expected)


def test_embeddings_to_label_need_no_labels(tmp_path: Path) -> None:
    rows = read_vectors_to_label(write(tmp_path / "x.npy"))
    assert rows[1] == VectorText(VECTORS[1], "")
    assert rows[1].shown == "row 2 of x.npy"
    rows = read_vectors_to_label(write(tmp_path / "x.csv"))  # its column `label` is ignored
    np.testing.assert_array_equal(vectors_of(rows), VECTORS)


def broken(**arrays: np.ndarray) -> Any:
    return lambda path: np.savez(path.with_suffix(".npz"), **arrays)


NAN = VECTORS.copy()
NAN[[4, 7], 2] = [np.nan, np.inf]


@pytest.mark.parametrize(
    ("name", "make", "message"),
    [
        ("x.npy", lambda path: np.save(path, NAN), "Row 5 of .*x.npy has an embedding with NaN or infinity .2 of 12"),
        ("x.npy", lambda path: np.save(path, VECTORS[0]), r"but are of type float32 and shape \(3,\)"),
        ("x.npy", lambda path: np.save(path, np.array([["a", "b"]])), "must be numbers"),
        ("x.npy", lambda path: np.save(path, np.array([[{}]]), allow_pickle=True), "Python objects, which are not"),
        ("x.npy", lambda path: path.write_bytes(b"no array"), "it is broken"),
        ("x.npz", lambda path: path.write_bytes(b"PK no archive"), "cannot be read"),
        ("x.npz", broken(a=VECTORS, b=VECTORS), r"no array called embeddings; it has \['a', 'b'\]"),
        ("x.npz", broken(embeddings=VECTORS, labels=np.array(LABELS[:9])), "labels of .*x.npz must be 12 values"),
        ("x.safetensors", lambda path: path.write_bytes(b"1" * 100), "cannot be read as safetensors"),
        ("x.parquet", lambda path: path.write_bytes(b"1" * 100), "cannot be read as Parquet"),
        (
            "x.parquet",
            lambda path: pd.DataFrame({"embedding": [[1.0], [1.0, 2.0]]}).to_parquet(path),
            "between 1 and 2 features",
        ),
        ("x.parquet", lambda path: pd.DataFrame({"embedding": [1.0]}).to_parquet(path), "must be lists of numbers"),
        ("x.csv", lambda path: path.write_text("text,label\ngood film,a\n"), "x.csv has no embeddings"),
        ("x.tsv", lambda path: path.write_text("f0\tf1\n1\t2\n3\tb\n"), "embedding in line 3 of x.tsv has a field"),
        ("x.txt", lambda path: path.write_text("1 2"), "no known format of embeddings"),
    ],
)  # fmt: skip
def test_broken_files_are_refused(tmp_path: Path, name: str, make: Any, message: str) -> None:
    make(tmp_path / name)
    with pytest.raises(ValueError, match=message):
        read_vectors(tmp_path / name, COLUMNS)


def test_files_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    vectors, labels = write(tmp_path / "x.npy"), tmp_path / "l.npy"
    np.save(labels, np.array(LABELS[:9]))
    with pytest.raises(ValueError, match=r"x.npy has 12 embeddings, but .*l.npy has 9 labels"):
        Sources("", embeddings=vectors, labels=str(labels)).load()
    with pytest.raises(ValueError, match=r"x.npy has no labels called 'label': add them"):
        Sources("", embeddings=vectors).load()
    with pytest.raises(FileNotFoundError, match=r"no file or folder of embeddings gone\.npy"):
        Sources("", embeddings="gone.npy").load()
    with pytest.raises(ValueError, match=r"labels of `data\.embeddings`"):
        Sources("", labels="l.npy")
    narrow = write(tmp_path / "narrow.npz", VECTORS[:, :2])
    with pytest.raises(ValueError, match=r"3 features \(row 12 of x.npz\) and 2 features \(row 12 of narrow.npz\)"):
        Sources("", embeddings=write(tmp_path / "x.npz"), test_source=narrow).load()
    odd = write(tmp_path / "odd.npz", VECTORS[:2], ["a", "z"])
    with pytest.raises(ValueError, match=r"odd.npz has a label that the training data does not have, 'z'"):
        Sources("", embeddings=write(tmp_path / "x.npz"), test_source=odd).load()
    with pytest.raises(ValueError, match=r"`data\.embeddings` is a file, but `data\.labels` is a folder"):
        Sources("", embeddings=vectors, labels=str(tmp_path)).load()
    pd.DataFrame({"mood": LABELS}).to_csv(tmp_path / "mood.csv", index=False)
    with pytest.raises(ValueError, match=r"has no column 'label'; it has \['mood'\]"):
        read_labels(tmp_path / "mood.csv", COLUMNS)
