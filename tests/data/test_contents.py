"""What stands behind the names of data and body: equal contents, equal fingerprints, wherever they lie."""

import os
import shutil

import pytest
from tiny_body import make_tiny_body

from qlit.data import contents, stamps
from qlit.data.contents import Contents, changed_since, contents_of

ROWS = "a good film\t1\nbad\t0\ngood\t1\na bad film\t0\n"


@pytest.fixture(scope="session")
def body(tmp_path_factory):
    return make_tiny_body(tmp_path_factory.mktemp("tiny") / "body")


@pytest.fixture
def named(body, tmp_path, monkeypatch):
    """Contents of a source and a body, in a folder with d.tsv."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "d.tsv").write_text(f"text\tlabel\n{ROWS}")
    columns = {"text_column": "text", "label_column": "label", "cache_dir": str(tmp_path / "cache")}
    return lambda source="d.tsv", body=body, **options: contents_of(
        {"source": source, "body": str(body), "trust_remote_code": False, "seed": 0, **columns, **options}
    )


def test_the_way_to_a_file_does_not_matter(named, tmp_path, body):
    first = named()
    assert len(first.data) == len(first.body) == 16
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "other.tsv").write_text(f"sentence\tclass\n{ROWS}")
    (tmp_path / "e.csv").write_text("text,label\n" + ROWS.replace("\t", ","))
    for source in ("./d.tsv", str(tmp_path / "d.tsv"), "e.csv"):
        assert named(source) == first
    assert named("sub", text_column="sentence", label_column="class") == first
    assert named(body=shutil.copytree(body, tmp_path / "copy")) == first


@pytest.mark.parametrize(
    "changed",
    [
        ROWS.replace("film\t1", "film\t0"),
        ROWS.replace("good\t", "Good\t"),
        ROWS.replace("\t1", "\tpositive").replace("\t0", "\tnegative"),
        ROWS + "fine\t1\n",
        "".join(sorted(ROWS.splitlines(keepends=True))),
    ],
    ids=["label", "text", "label names", "row", "order"],
)
def test_a_change_of_the_file_is_noticed(named, tmp_path, changed):
    first = named()
    before = (tmp_path / "d.tsv").stat()
    (tmp_path / "d.tsv").write_text(f"text\tlabel\n{changed}")
    os.utime(tmp_path / "d.tsv", ns=(before.st_atime_ns, before.st_mtime_ns))
    now = named()
    assert now.data != first.data
    assert now.body == first.body


def test_a_body_that_was_recreated_in_its_place_is_noticed(named, tmp_path):
    folder = make_tiny_body(tmp_path / "body")
    first = named(body=folder)
    stamps_before = {file: file.stat() for file in folder.rglob("*") if file.is_file()}
    weights = next(iter(folder.rglob("*.safetensors")))
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1  # a file of the same size
    weights.unlink()
    weights.write_bytes(content)
    for file, stamp in stamps_before.items():
        os.utime(file, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert named(body=folder).body != first.body


def test_sentences_are_loaded_once_while_their_file_stays(named, tmp_path, monkeypatch):
    loads = []
    load = contents.Sources.load
    monkeypatch.setattr(contents.Sources, "load", lambda sources: loads.append(1) or load(sources))
    monkeypatch.setattr(stamps, "_SETTLED_NS", 0)
    first = named()
    assert [named(seed=seed) for seed in range(3)] == [first] * 3
    assert len(loads) == 1
    named("sample")
    named("sample")
    assert len(loads) == 2
    (tmp_path / "d.tsv").write_text(f"text\tlabel\n{ROWS}fine\t1\n")
    assert named().data != first.data
    assert len(loads) == 3


def test_what_changed_is_named():
    first = Contents("d", "b")
    assert changed_since(first, first) == ""
    assert changed_since(first, Contents("e", "b")) == "The data"
    assert changed_since(first, Contents("d", "c")) == "The body"
    assert changed_since(first, Contents("e", "c")) == "The data and the body"
