"""`load_texts` on local files: what is read, in which order, and what is refused."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from qlit.data import load_texts

ROWS = [("a fine film", "1"), ("a dull film", "0"), ('he said "never again', "1")]


def write(path: Path, content: str, encoding: str = "utf-8") -> str:
    path.write_bytes(content.encode(encoding))
    return str(path)


def test_sst2_is_pooled_in_the_order_train_dev_test(sst2: Path) -> None:
    data = load_texts(str(sst2))
    assert len(data) == 6920 + 872 + 1821
    assert (data.label_names, data.name, data.note) == (("0", "1"), "sst2", "")
    lines = {
        name: (sst2 / f"{name}.tsv").read_text(encoding="utf-8").split("\n")[0] for name in ("train", "dev", "test")
    }
    for index, split in ((0, "train"), (6920, "dev"), (6920 + 872, "test")):
        assert f"{data.texts[index]}\t{data.labels[index]}" == lines[split]


@pytest.mark.parametrize("suffix", ["tsv", "tsv with header", "csv", "jsonl", "parquet"])
def test_every_format_gives_the_same(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"data.{suffix.split()[0]}"
    match suffix:
        case "tsv":
            write(path, "\n".join("\t".join(row) for row in ROWS))
        case "tsv with header":  # columns in another order and one more, Windows line ends, a byte order mark
            write(path, "\r\n".join(["label\tid\ttext", *(f"{y}\t7\t{x}" for x, y in ROWS), ""]), "utf-8-sig")
        case "csv":
            write(path, "text,label\n" + "".join('"{}",{}\n'.format(x.replace('"', '""'), y) for x, y in ROWS))
        case "jsonl":
            write(path, "".join(json.dumps({"text": x, "label": int(y)}) + "\n" for x, y in ROWS))
        case "parquet":
            pq.write_table(pa.table({"text": [x for x, _ in ROWS], "label": [int(y) for _, y in ROWS]}), path)
    data = load_texts(str(path))
    assert data.texts == tuple(x for x, _ in ROWS)
    assert data.labels == (1, 0, 1)
    assert data.label_names == ("0", "1")


@pytest.mark.parametrize(
    ("values", "names"),
    [
        (["10", "9", "-1"], ("-1", "9", "10")),  # whole numbers by value
        (["10", "9", "b"], ("10", "9", "b")),  # else by alphabet
        (["pos", "neg", "so so"], ("neg", "pos", "so so")),
        (["01", "1", "0"], ("0", "01", "1")),  # "01" is not the number 1
    ],
)
def test_labels_are_numbered_in_sorted_order(tmp_path: Path, values: list[str], names: tuple[str, ...]) -> None:
    data = load_texts(write(tmp_path / "x.csv", "text,label\n" + "".join(f"words,{v}\n" for v in values)))
    assert data.label_names == names
    assert data.labels == tuple(names.index(v) for v in values)


def test_a_folder_pools_its_splits_in_order_and_skips_other_files(tmp_path: Path) -> None:
    for name in ("zeta.csv", "test-00000-of-00001.jsonl", "alpha.csv", "validation.tsv", "train.csv"):
        text = name.split(".")[0]
        content = {
            "csv": f"text,label\n{text},a\n",
            "tsv": f"text\tlabel\n{text}\ta\n",
            "jsonl": f'{{"text": "{text}", "label": "b"}}\n',
        }[name.rsplit(".", 1)[1]]
        write(tmp_path / name, content)
    write(tmp_path / "README.md", "# not data")
    write(tmp_path / ".hidden.csv", "broken")
    assert load_texts(str(tmp_path)).texts == ("train", "validation", "test-00000-of-00001", "alpha", "zeta")


def test_other_column_names(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", 'stars,review\n5,"two\nlines"\n1,one\n')
    data = load_texts(path, text_column="review", label_column="stars")
    assert data.texts == ("two\nlines", "one")
    assert data.label_names == ("1", "5")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "x.csv",
            "sentence,label\na,1\nb,0\n",
            r"x.csv has no column 'text'; it has \['sentence', 'label'\]. Set `text_",
        ),
        ("x.tsv", "text\tstars\na\t1\nb\t0\n", r"no column 'label'; it has \['text', 'stars'\]. Set `label_column`"),
        ("x.jsonl", '{"text": "a", "y": 1}\n', r"no column 'label'; it has \['text', 'y'\]"),
        ("x.tsv", "a\t1\n \t1\nb\t0\n\t0\n", r"sentence is blank or missing in line 2 of x.tsv \(2 such rows in all\)"),
        ("x.csv", "text,label\na,1\nb,\n", r"label is missing in line 3 of x.csv \(1 such row in all\)"),
        ("x.jsonl", '{"text": "a", "label": 1}\n{"label": 0}\n', "sentence is blank or missing in line 2"),
        ("x.jsonl", '{"text": "a", "label": 1}\n{"text": "b", "label": null}\n', "label is missing in line 2"),
        (
            "x.jsonl",
            '{"text": "a", "label": 0.5}\n',
            r"label in line 1 of x.jsonl is 0.5 \(float\); labels must be whole",
        ),
        ("x.jsonl", '{"text": 3, "label": 1}\n', "sentence in line 1 of x.jsonl is 3, which is not text"),
        ("x.jsonl", '{"text": "a", "label": 1}\n{"text"\n', "Line 2 of x.jsonl is not JSON"),
        ("x.jsonl", "[1]\n", "Line 1 of x.jsonl is not a JSON object"),
        ("x.tsv", "a\t1\nb\t1\n", "only one label, '1' in all of its 2 rows"),
        ("x.tsv", "a\t1\nb\t0\nc\td\t1\ne\t1\n", "Line 3 of x.tsv has 3 fields where the first line has 2"),
        ("x.csv", 'text,label\n"a,1\n', "not valid CSV"),
        ("x.csv", "\n\n", "x.csv is empty"),
        ("x.csv", "text,label\n", "holds no rows"),
        ("x.parquet", "text", "cannot be read as Parquet"),
        ("x.txt", "a\t1\n", r"unknown format: its name must end with one of \.tsv"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, name: str, content: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_texts(write(tmp_path / name, content))


def test_missing_values_in_parquet(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"text": ["a", "b", "c"], "label": pa.array([0, 1, None])}), path)
    with pytest.raises(ValueError, match=r"label is missing in row 3 of x\.parquet"):
        load_texts(str(path))
    pq.write_table(pa.table({"text": ["a", "b"], "label": [0.0, float("nan")]}), path)
    with pytest.raises(ValueError, match=r"label in row 1 of x.parquet is 0.0 \(float\)"):
        load_texts(str(path))
    with pytest.raises(ValueError, match=r"no column 'words'; it has \['text', 'label'\]"):
        load_texts(str(path), text_column="words")


def test_another_encoding_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is not UTF-8 text"):
        load_texts(write(tmp_path / "x.tsv", "caf\xe9\t1\nb\t1\nc\t0\n", "latin-1"))


def test_folders_that_can_not_be_pooled(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"contains no data file; it needs at least one of \*\.tsv"):
        load_texts(str(tmp_path))
    for name in ("train.csv", "train.extra.csv", "train.tsv"):
        write(tmp_path / name, "text,label\n")
    with pytest.raises(ValueError, match=r"contains train.csv and train.tsv, which would be pooled"):
        load_texts(str(tmp_path))


@pytest.mark.parametrize("source", ["./missing", "missing.csv", "/no/such/folder", "~/no-such-folder-here", "a/b.tsv"])
def test_a_missing_path_is_not_looked_for_on_the_hub(source: str) -> None:
    with pytest.raises(FileNotFoundError, match=f"no data file or folder {source}"):
        load_texts(source)


def test_an_empty_source_is_not_the_current_folder() -> None:
    with pytest.raises(ValueError, match="`source` is empty; give 'sample'"):
        load_texts("")
