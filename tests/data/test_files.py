"""Folders of data files: what is read, what is left out by name, and files that cannot be read."""

import bz2
import gzip
import io
import json
import lzma
from pathlib import Path

import pytest

from qlit.data import load_texts
from qlit.reports.predictions import PredictedTable, write_predictions

TSV = "text\tlabel\na\t1\nb\t0\n"


def notices(source: Path) -> dict[str, str]:
    return dict(load_texts(str(source)).notices)


@pytest.mark.parametrize("suffix", ["tsv", "csv", "jsonl", "json"])
@pytest.mark.parametrize("compression", [None, (".gz", gzip), (".bz2", bz2), (".xz", lzma)], ids=str)
def test_compressed_files_and_json_are_read(tmp_path: Path, suffix: str, compression: tuple | None) -> None:
    records = [{"text": "a", "label": 1}, {"text": "b", "label": 0}]
    content = {
        "tsv": TSV,
        "csv": TSV.replace("\t", ","),
        "jsonl": "".join(json.dumps(record) + "\n" for record in records),
        "json": json.dumps(records, indent=1),
    }[suffix].encode("utf-8-sig")
    end, module = compression or ("", None)
    path = tmp_path / f"train.{suffix}{end}"
    path.write_bytes(module.compress(content) if module else content)
    for source in (path, tmp_path):
        data = load_texts(str(source))
        assert (data.texts, data.labels, data.notices) == (("a", "b"), (1, 0), ())


def test_json_lines_named_json_are_read(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"text": "a", "label": 1}\n{"text": "b", "label": 0}\n')
    assert load_texts(str(tmp_path / "x.json")).texts == ("a", "b")


def test_what_a_folder_holds_beside_data_is_named_unless_it_can_not_be_data(tmp_path: Path) -> None:
    (tmp_path / "train.tsv").write_text(TSV)
    for name in ("README.txt", "LICENSE", "Readme", "notes.md", "prepare.py", ".hidden.csv", "CITATION.cff"):
        (tmp_path / name).write_text("x")
    assert notices(tmp_path) == {}
    for name in ("test.txt", "more.xlsx", "old.tsv.zip", "train.tsv~", "original/test.tsv", "figures/a.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    (tmp_path / "dataset_infos.json").write_text('{"splits": []}')
    (tmp_path / "dev.tsv").write_text("text\tlabel\n")
    assert notices(tmp_path) == {
        "left_out": f"Left out of the data folder {tmp_path.name}: more.xlsx (not read), old.tsv.zip (not read), "
        "original/ (not read), test.txt (not read), train.tsv~ (not read), dataset_infos.json (no list of objects) "
        "and dev.tsv (no rows)."
    }


@pytest.mark.parametrize("shows_all", [False, True])
@pytest.mark.parametrize("form", ["csv", "tsv", "jsonl"])
def test_predictions_of_ours_are_no_data(tmp_path: Path, form: str, shows_all: bool) -> None:
    written = io.StringIO()
    table = PredictedTable([["a"], ["b"]], ["1", "0"], [{"0": 0.1, "1": 0.9}, {"0": 0.8, "1": 0.2}])
    write_predictions(table, form, written, shows_all=shows_all)
    predictions = tmp_path / f"predictions.{form}"
    predictions.write_text(written.getvalue())
    for source in (predictions, tmp_path):
        with pytest.raises(ValueError, match=r"predictions of qlit \(columns text, label, probability\)"):
            load_texts(str(source))
    (tmp_path / "train.tsv").write_text(TSV)
    assert notices(tmp_path)["left_out"].endswith(f": predictions.{form} (predictions of qlit).")


def test_a_split_in_two_formats_is_refused(tmp_path: Path) -> None:
    (tmp_path / "test.tsv").write_text(TSV)
    (tmp_path / "test.tsv.gz").write_bytes(gzip.compress(TSV.encode()))
    with pytest.raises(ValueError, match=r"contains test.tsv and test.tsv.gz, which would be pooled"):
        load_texts(str(tmp_path))


def test_a_folder_without_data_says_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/train.parquet").write_bytes(b"")
    (tmp_path / "train.txt").write_bytes(b"")
    with pytest.raises(
        ValueError, match=r"contains no data file; .*; it contains data/ \(not read\) and train.txt \(not read\)"
    ):
        load_texts(str(tmp_path))


@pytest.mark.parametrize(
    ("content", "separator"),
    [("text;label\na;1\n", "semicolons"), ("text\tlabel\na\t1\n", "tabs"), ("a film\t1\na book\t0\n", "tabs")],
)
def test_a_file_with_another_separator_is_not_taken_for_sentences_without_labels(
    tmp_path: Path, content: str, separator: str
) -> None:
    (tmp_path / "train.tsv").write_text(TSV)
    (tmp_path / "test.csv").write_text(content)
    with pytest.raises(ValueError, match=rf"fields of .*test.csv are separated by {separator}"):
        load_texts(str(tmp_path))


def test_empty_lines_are_skipped_with_a_notice(tmp_path: Path) -> None:
    for name, content in (
        ("x.tsv", "text\tlabel\na\t1\n\n\t \nb\t0\n\t\n\n"),
        ("x.csv", "text,label\na,1\n\n , \nb,0\n\n"),
        ("x.jsonl", '{"text": "a", "label": 1}\n\n \n{"text": "b", "label": 0}\n\n'),
    ):
        (tmp_path / name).write_text(content)
        data = load_texts(str(tmp_path / name))
        assert (data.texts, data.labels) == (("a", "b"), (1, 0))
        assert data.notices == (("empty_lines", f"Empty lines were skipped: 2 in {name}."),)


def test_long_fields_are_read(tmp_path: Path) -> None:
    long = "x " * 70_000
    for name, content in (("x.csv", f"text,label\na,0\n{long},1\n"), ("x.tsv", f'text\tlabel\na\t0\n"{long}"""\t1\n')):
        (tmp_path / name).write_text(content)
        assert load_texts(str(tmp_path / name)).texts[1].startswith(long)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.tsv", TSV.encode("utf-16"), "is not UTF-8 text, but probably UTF-16; convert it"),
        ("x.csv", "text,label\na,1\n".encode("utf-16-le"), "is not UTF-8 text, but probably UTF-16"),
        ("x.jsonl", b'{"text": "a", "label": 1}\n{"text": "caf\xe9"', r"is not UTF-8 text \(line 2"),
        ("x.tsv.gz", TSV.encode(), "cannot be decompressed"),
        ("x.tsv.gz", gzip.compress(TSV.encode(), mtime=0)[:-9], "cannot be decompressed"),
        ("x.tsv.xz", b"no", "cannot be decompressed"),
        ("x.json", b"{}", "contains no list of objects"),
        ("x.json", b'[{"text": "a", "label": 1}, 2]', "Element 2 of x.json is 2, not an object"),
        ("x.json", b'[{"text": "a",\n "label"}]', r"x.json is not JSON \(Expecting ':' delimiter, line 2\)"),
        ("x.json", b"[" * 100_000, "nested too deeply"),
        ("x.jsonl", b"[" * 100_000, "Line 1 of x.jsonl is not JSON"),
        ("x.jsonl", b'{"text": "a", "label": ' + b"1" * 5000 + b"}", "Line 1 of x.jsonl is not JSON"),
        ("x.jsonl", b"\n\n", "x.jsonl is empty"),
        ("x.csv", b"text;label\na;1\n", "separated by semicolons; save it as .csv with commas"),
        ("x.csv", b"text\tlabel\na\t1\n", "separated by tabs; save it as .tsv"),
        ("x.tsv", b"text,label\na,1\n", "separated by commas"),
        ("x.csv", b"text,label,text\na,1,b\n", "several columns 'text'; keep only one"),
        ("x.csv", b'text,label\na,1\n"b\nc,0\nd,1\n', "in the row that starts in line 3; check its quote"),
        ("x.csv", b'text,label\n"b\nc",0\nd,1,2\n', "Line 4 of x.csv has 3 fields"),
    ],
)
def test_a_broken_file_is_refused_with_its_place(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        load_texts(str(tmp_path / name))


def test_messages_do_not_grow_with_the_data(tmp_path: Path) -> None:
    long = "word " * 20_000
    for name, content in (
        ("x.csv", f"{long},y\n"),
        ("x.csv", ",".join(f"column{k}" for k in range(10_000)) + "\n"),
        ("x.tsv", f"{long}\n{long}\n"),
        ("x.jsonl", json.dumps({"text": [long], "label": 1})),
        ("x.jsonl", json.dumps({"text": "a", "label": [long]})),
        ("x.jsonl", "".join(json.dumps({"text": "a", "label": k and long}) + "\n" for k in range(3))),
        ("x.jsonl", "".join(json.dumps({"text": "a", "label": f"{k} {long}"}) + "\n" for k in range(300))),
        ("x.json", json.dumps([{"text": "a"}, long])),
    ):
        (tmp_path / name).write_text(content)
        with pytest.raises(ValueError, match=r"x\.(csv|tsv|json)") as caught:
            load_texts(str(tmp_path / name))
        assert len(str(caught.value)) < 1000


def test_what_can_not_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "test.tsv").symlink_to("nowhere.tsv")
    (tmp_path / "train.tsv").write_text(TSV)
    with pytest.raises(OSError, match=r"test.tsv cannot be read"):
        load_texts(str(tmp_path))


def test_half_a_character_is_refused_with_its_row(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    for text, label in (("cut \\ud83d here", "0"), ("fine", "n\\ud83d")):
        path.write_text(f'{{"text": "a", "label": "1"}}\n{{"text": "{text}", "label": "{label}"}}\n')
        with pytest.raises(
            ValueError, match=r"contains half of a character .* in line 2 of x.jsonl \(1 such row in all\)"
        ):
            load_texts(str(path))
    path.write_text('{"text": "whole \\ud83d\\ude00", "label": "1"}\n{"text": "b", "label": "\\ud83d\\ude00"}\n')
    assert load_texts(str(path)).label_names == ("1", "\U0001f600")


def test_a_column_that_can_not_be_labels_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("text,label\n" + "".join(f"sentence {k},{k}\n" for k in range(200)))
    with pytest.raises(ValueError, match=r"200 different labels in 200 rows, such as '0'; check `label_column`"):
        load_texts(str(path))
    path.write_text("text,label\na,1\nb,0\nc,n\0\n")
    with pytest.raises(ValueError, match=r"label in line 4 of x.csv contains a NUL character"):
        load_texts(str(path))
