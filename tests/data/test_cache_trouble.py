"""The embedding cache in trouble: broken shards, a body that fails, a disk that is full or cannot be written."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from data.toy_body import expected, numbered
from numpy.typing import NDArray

import qlit.data.cache
from qlit.data import BodyFolder, EmbeddingCache


@pytest.mark.parametrize("damage", ["truncated", "emptied", "zeroed", "one bit", "not ours"])
def test_a_broken_shard_is_told_and_computed_again(damage: str, body: BodyFolder, log: Path, tmp_path: Path) -> None:
    cache, texts = EmbeddingCache(tmp_path / "cache"), numbered(600)
    cache.embed(texts, body, show_progress=False)
    shard = min(cache.folder.rglob("*.safetensors"), key=lambda path: path.stat().st_size)
    content = bytearray(shard.read_bytes())
    match damage:
        case "truncated":
            content = content[: len(content) // 2]
        case "emptied":
            content = bytearray()
        case "zeroed":
            content[-64:] = bytes(64)
        case "one bit":
            content[-3] ^= 1
        case "not ours":
            from safetensors.numpy import save

            content = bytearray(save({"weights": np.ones(3)}))
    shard.write_bytes(content)
    log.write_text("")
    with pytest.warns(UserWarning, match=f"cached embeddings in {shard} are broken; they are computed again") as told:
        result = cache.embed(texts, body, show_progress=False).vectors
    assert torch.equal(result, expected(texts))
    assert len(told) == 1
    assert len(log.read_text().splitlines()) == 600 - 512
    assert torch.equal(cache.embed(texts, body).vectors, expected(texts))  # and it is whole again


def test_a_body_that_gives_nonsense_is_not_kept(
    body: BodyFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class BrokenBody:
        def encode(self, texts: Sequence[str], **_: object) -> NDArray[np.float32]:
            return np.full((len(texts), 2), np.nan, dtype=np.float32)

    monkeypatch.setattr(qlit.data.cache, "load_body", lambda _body, _device: BrokenBody())
    with pytest.raises(
        ValueError, match="body toy gives an embedding that is not finite for 1 of 1 sentences, the first being 'a 1'"
    ):
        EmbeddingCache(tmp_path / "cache").embed(["a 1"], body, show_progress=False)
    assert not list((tmp_path / "cache").rglob("*.safetensors"))


def test_what_is_refused(body: BodyFolder, log: Path, tmp_path: Path) -> None:
    cache = EmbeddingCache(tmp_path / "cache")
    with pytest.raises(ValueError, match=r"at least one sentence, but got \[\]"):
        cache.embed([], body)
    with pytest.raises(ValueError, match="at least one sentence, but got 'one 1'"):
        cache.embed("one 1", body)
    with pytest.raises(ValueError, match="`batch_size >= 1` must hold, but got batch_size=0"):
        cache.embed(["one 1"], body, batch_size=0)
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"file/cache cannot be written \(.*\); free space there, or set QLIT_CACHE or d"):
        EmbeddingCache(tmp_path / "file/cache").embed(["one 1"], body)
    assert log.read_text() == ""


@pytest.mark.usefixtures("log")
def test_a_full_disk_leaves_no_half_shard(body: BodyFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    cache = EmbeddingCache(tmp_path / "cache")
    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(OSError, match=r"cannot be written \(.*No space left on device\); free space there"):
            cache.embed(["one 1"], body, show_progress=False)
    assert [path.name for path in cache.folder.rglob("*") if path.is_file() and path.stat().st_size < 60] == ["lock"]
    assert torch.equal(cache.embed(["one 1"], body, show_progress=False).vectors, expected(["one 1"]))


@pytest.mark.usefixtures("log")
def test_a_warm_cache_that_can_not_be_written_is_read(
    body: BodyFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = EmbeddingCache(tmp_path / "cache")
    cache.embed(["one 1"], body, show_progress=False)

    def read_only(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", read_only)
    assert torch.equal(cache.embed(["one 1"], body).vectors, expected(["one 1"]))
    with pytest.raises(PermissionError, match=r"cannot be written \(.*Permission denied\).*set QLIT_CACHE"):
        cache.embed(["two 2"], body)
