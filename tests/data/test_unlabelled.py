"""Rows without a label are left out with a notice; -1 as a class stays one."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from qlit.data import LabelledTexts, load_texts


def write(path: Path, labels: list[object]) -> None:
    """A file of sentences named after it, in the format of its suffix."""
    rows = [(f"sentence {k} of {path.name}", label) for k, label in enumerate(labels)]
    if path.suffix == ".parquet":
        pq.write_table(pa.table({"text": [text for text, _ in rows], "label": pa.array(labels)}), path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in rows))
    else:
        comma = {".tsv": "\t", ".csv": ","}[path.suffix]
        lines = [(text, "" if label is None else str(label)) for text, label in rows]
        path.write_text("".join(comma.join(line) + "\n" for line in [("text", "label"), *lines]))


def load(folder: Path, **files: list[object]) -> LabelledTexts:
    for name, labels in files.items():
        write(folder / name.replace("_", "."), labels)
    return load_texts(str(folder))


@pytest.mark.parametrize("suffix", ["tsv", "csv", "jsonl", "parquet"])
@pytest.mark.parametrize("hidden", [-1, None], ids=["minus one", "nothing"])
def test_a_test_file_without_labels_is_left_out(tmp_path: Path, suffix: str, hidden: int | None) -> None:
    data = load(tmp_path, **{f"train_{suffix}": [0, 1, 1], f"dev_{suffix}": [1, 0], f"test_{suffix}": [hidden] * 4})
    assert (data.label_names, data.labels) == (("0", "1"), (0, 1, 1, 1, 0))
    why = "no label in any row" if hidden is None else "all labelled -1"
    (notice,) = data.notices
    assert notice == ("unlabelled", f"4 sentences without a label were left out: 4 of test.{suffix} ({why}).")


@pytest.mark.parametrize("content", ["index\ttext\n0\ta\n1\tb\n", "text\na\nb\n", "a sentence\nanother\n"])
def test_a_file_without_label_column_is_left_out_beside_one_with_it(tmp_path: Path, content: str) -> None:
    (tmp_path / "test.tsv").write_text(content)
    data = load(tmp_path, train_tsv=[0, 1, 1])
    assert len(data) == 3
    assert data.notices[0].text.endswith("2 of test.tsv (no column 'label').")


def test_a_file_with_other_columns_is_refused(tmp_path: Path) -> None:
    for content in ("index\tsentence\n0\ta\n", "sentence\tlabel\na\t1\n"):
        (tmp_path / "test.tsv").write_text(content)
        with pytest.raises(ValueError, match=r"test.tsv has no column 'text'"):
            load(tmp_path, train_tsv=[0, 1, 1])


@pytest.mark.parametrize(
    "labels",
    [
        [0, 1, 0, 1, -1, -1, -1],  # a test set that was appended
        [0, 1, -1, -1, 0, 1],  # ... and the next split behind it
        ["pos", "neg", "-1", "neg", "-1"],  # the classes have names
    ],
)
def test_rows_labelled_minus_one_are_left_out_of_a_file(tmp_path: Path, labels: list[object]) -> None:
    data = load(tmp_path, all_csv=labels)
    assert len(data.label_names) == 2
    assert len(data) == sum(str(label) != "-1" for label in labels)
    assert "sentences without a label were left out" in data.notices[0].text


@pytest.mark.parametrize(
    ("files", "names", "has_notice"),
    [
        ({"all_csv": [-1, 1, 1, -1]}, ("-1", "1"), False),
        ({"all_csv": [-1, -1, 1, 1]}, ("-1", "1"), False),
        ({"all_csv": [-1, 0, 1, -1, 1, 0]}, ("-1", "0", "1"), True),
        ({"all_csv": [-1, -1, 0, 0, 1, 1]}, ("-1", "0", "1"), True),  # sorted by class
        ({"all_csv": [2, -1, 1, 0, -1]}, ("-1", "0", "1", "2"), True),
        ({"all_csv": [-2, -1, 0, 1, 2, -1]}, ("-2", "-1", "0", "1", "2"), False),
        ({"neg_csv": [-1, -1], "pos_csv": [1, 1]}, ("-1", "1"), False),  # a file for every class
        ({"neg_csv": [-1, -1], "neu_csv": [0, 0], "pos_csv": [1, 1]}, ("-1", "0", "1"), True),
        ({"train_csv": [0, -1, 1, -1, 0], "test_csv": [-1, -1]}, ("-1", "0", "1"), True),
    ],
    ids=str,
)
def test_minus_one_can_be_a_class(
    tmp_path: Path, files: dict[str, list[object]], names: tuple[str, ...], has_notice: bool
) -> None:
    data = load(tmp_path, **files)
    assert data.label_names == names
    assert len(data) == sum(map(len, files.values()))
    assert [notice.key for notice in data.notices] == ["minus_one"] * has_notice


def test_minus_one_as_a_fraction_is_the_same_mark(tmp_path: Path) -> None:
    write(tmp_path / "train.csv", ["0", "1", "1"])
    write(tmp_path / "test.csv", ["-1.0", "-1.0"])
    assert load_texts(str(tmp_path)).label_names == ("0", "1")


@pytest.mark.parametrize("label", ["nan", "NaN", "<NA>", "", " "])
def test_missing_labels_of_pandas_are_no_class(tmp_path: Path, label: str) -> None:
    write(tmp_path / "x.csv", ["1", "0", label, "1"])
    with pytest.raises(ValueError, match=r"label is missing in line 4 of x.csv \(1 such row in all\)"):
        load_texts(str(tmp_path / "x.csv"))


def test_where_all_labels_are_minus_one_there_is_one_label(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="only one label, '-1'"):
        load(tmp_path, test_csv=[-1, -1])


def test_minus_one_is_a_class_wherever_it_is_one_of_the_checkpoint(tmp_path: Path) -> None:
    write(tmp_path / "x.csv", [0, 1, 0, 1, -1, -1])
    assert len(load_texts(str(tmp_path / "x.csv"))) == 4
    data = load_texts(str(tmp_path / "x.csv"), label_names=("-1", "0", "1"))
    assert (data.labels, data.notices) == ((1, 2, 1, 2, 0, 0), ())
