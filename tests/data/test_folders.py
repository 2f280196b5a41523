"""Folders with a tilde, and processes without a home folder."""

from pathlib import Path

import pytest

from qlit.data import EmbeddingCache, default_cache_folder, expanded, load_texts, resolve_body


@pytest.fixture
def homeless(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container: no HOME, and the user's number is in no list."""

    def unknown(_: int) -> None:
        raise KeyError("getpwuid(): uid not found: 12345")

    for name in ("HOME", "QLIT_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", unknown)


def test_a_tilde_is_the_home_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert expanded("~/kept", "x") == tmp_path / "kept"
    assert EmbeddingCache("~/kept").folder == EmbeddingCache(Path("~/kept")).folder == tmp_path / "kept"
    monkeypatch.setenv("QLIT_CACHE", "~/mine")
    assert default_cache_folder() == tmp_path / "mine"
    (tmp_path / "body").mkdir()
    (tmp_path / "body/config.json").write_text("{}")
    assert resolve_body("~/body").path == (tmp_path / "body").resolve()


@pytest.mark.usefixtures("homeless")
def test_without_a_home_folder_one_sentence_says_what_to_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"no home folder .* set HOME, or name a folder with QLIT_CACHE or data\.cache"
    ):
        EmbeddingCache()
    with pytest.raises(ValueError, match=r"no home folder for the ~ in data\.cache_dir ~/x: write the full path, or"):
        EmbeddingCache("~/x")
    with pytest.raises(ValueError, match=r"for the ~ in data\.body ~/x"):
        resolve_body("~/x")
    with pytest.raises(ValueError, match=r"for the ~ in data\.source ~/x"):
        load_texts("~/x")
    monkeypatch.setenv("QLIT_CACHE", str(tmp_path))
    assert default_cache_folder() == tmp_path


def test_a_user_who_is_not_there() -> None:
    with pytest.raises(ValueError, match=r"for the ~ in data\.cache_dir ~nobody-of-that-name/x: write the full path\."):
        EmbeddingCache("~nobody-of-that-name/x")
