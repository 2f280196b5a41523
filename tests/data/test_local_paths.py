"""Paths on this machine told apart from names on the hub."""

import os
from pathlib import Path

import pytest

from qlit.data import load_texts
from qlit.data.local_paths import is_hub_name


@pytest.mark.parametrize("name", ["SetFit/sst2", "imdb", "glue:sst2", "nyu-mll/glue:sst2", "a.b/c_d-e", "my/data"])
def test_names_that_the_hub_can_have(name: str) -> None:
    assert is_hub_name(name)


@pytest.mark.parametrize(
    "name",
    ["my/data/", "my\\data", "./data", "~/data", "/data", "a/b/c", "a b", "my/data ", "C:\\data", "C:/data", ".."],
)
def test_names_that_can_only_be_paths(name: str) -> None:
    assert not is_hub_name(name)


@pytest.mark.parametrize("source", ["my/nothing/", "my\\nothing", "my/no thing", "a/b/c", "nothing.json", "x.tsv.gz"])
def test_a_missing_path_is_not_looked_for_on_the_hub(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match="There is no data file or folder") as caught:
        load_texts(source)
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize("source", ["my/nothing", "nothing", "my/nothing:config"])
def test_a_name_that_may_be_a_path_is_reported_as_a_missing_path_too(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    with pytest.raises(ConnectionError, match="As a Hugging Face data set: The environment forbids") as caught:
        load_texts(source)
    assert str(caught.value).startswith(f"There is no file or folder {source} (in {tmp_path}). ")


def test_a_name_too_long_for_a_path_is_refused_in_a_sentence() -> None:
    with pytest.raises((OSError, ValueError), match=r"cannot be read|no data file") as caught:
        load_texts("./" + "x" * 5000)
    assert len(str(caught.value)) < 500


def test_names_of_files_that_are_not_unicode_become_text_that_can_be_stored(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    (folder / "train.tsv").write_text("a\t1\nb\t0\nc\t1\n")
    (folder / os.fsdecode(b"\xe9.txt")).write_text("")
    data = load_texts(str(folder))
    assert data.name == "caf?"
    assert data.notices[0].text == "Left out of the data folder caf?: ?.txt (not read)."
