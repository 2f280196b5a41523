"""Sentences that are longer than a body reads: counted once, as they are embedded; also embeddings kept before."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from tiny_body import make_tiny_body

import qlit.data.cache
from qlit.data import BodyFolder, EmbeddingCache, load_body, resolve_body
from qlit.data.lengths import cut_notice, is_cut, lengths_of

LIMIT = 12
HEAD = "a film about nothing that goes on and on and"  # 10 words, so 12 tokens with [CLS] and [SEP]
TEXTS = ["good", HEAD, f"{HEAD} never ends", f"{HEAD} is short", f"{HEAD} never ends", "dull and " * 40]


@pytest.fixture
def short(minilm: BodyFolder, tmp_path: Path) -> BodyFolder:
    """MiniLM that reads 12 tokens."""
    folder = Path(shutil.copytree(minilm.path, tmp_path / "short"))
    (folder / "sentence_bert_config.json").write_text(f'{{"max_seq_length": {LIMIT}, "do_lower_case": false}}')
    return BodyFolder("short", folder)


def test_tokens_are_counted_as_the_body_reads_them(short: BodyFolder) -> None:
    model = load_body(short)
    lengths = lengths_of(model, TEXTS)
    tokenized = [len(model.tokenizer(text)["input_ids"]) for text in TEXTS]
    assert lengths[:, 0].tolist() == tokenized == [3, 12, 14, 14, 14, 82]
    assert lengths[:, 1].tolist() == [LIMIT] * 6
    assert is_cut(lengths).tolist() == [False, False, True, True, True, True]
    assert len(set(lengths[1:5, 2].tolist())) == 1  # of those that begin alike the same is read
    assert lengths[0, 2] == 0 != lengths[5, 2] != lengths[1, 2]
    assert model.max_seq_length == LIMIT  # as it was


def test_a_prompt_counts(short: BodyFolder) -> None:
    (short.path / "config_sentence_transformers.json").write_text(
        '{"prompts": {"q": "one two three : "}, "default_prompt_name": "q"}'
    )
    assert lengths_of(load_body(short), ["good", HEAD])[:, 0].tolist() == [7, 16]


def test_static_embeddings_have_no_limit_unless_their_tokenizer_cuts(tmp_path: Path) -> None:
    body = resolve_body(str(make_tiny_body(tmp_path / "tiny")))
    texts = ["good film " * 300, "bad"]
    assert not is_cut(lengths_of(load_body(body), texts)).any()
    model = load_body(body)
    model.tokenizer.enable_truncation(max_length=5)
    assert lengths_of(model, texts)[:, :2].tolist() == [[600, 5], [1, 5]]
    assert model.tokenizer.truncation["max_length"] == 5


def test_lengths_are_kept_with_the_embeddings(
    short: BodyFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = EmbeddingCache(tmp_path / "cache")
    cold = cache.embed(TEXTS, short, show_progress=False)
    assert is_cut(cold.lengths).tolist() == [False, False, True, True, True, True]
    torch.testing.assert_close(cold.vectors[2], cold.vectors[3], rtol=0, atol=1e-6)
    with monkeypatch.context() as patch:
        patch.setattr(qlit.data.cache, "load_body", None)  # nothing is loaded to count
        warm = cache.embed(TEXTS[::-1], short)
    np.testing.assert_array_equal(warm.lengths[::-1], cold.lengths)


def test_embeddings_kept_without_lengths_are_counted_once(
    short: BodyFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = EmbeddingCache(tmp_path / "cache")
    cold = cache.embed(TEXTS, short, show_progress=False)
    (shard,) = cache.folder.rglob("*.safetensors")
    forget_lengths(shard)
    counted = cache.embed(TEXTS[:3], short)
    assert torch.equal(counted.vectors, cold.vectors[:3])  # the same bits
    np.testing.assert_array_equal(counted.lengths, cold.lengths[:3])
    with monkeypatch.context() as patch:
        patch.setattr(qlit.data.cache, "load_body", None)
        np.testing.assert_array_equal(cache.embed(TEXTS[:3], short).lengths, cold.lengths[:3])
    everything = cache.embed(TEXTS, short)  # the others are counted when they are asked for
    assert torch.equal(everything.vectors, cold.vectors)
    np.testing.assert_array_equal(everything.lengths, cold.lengths)
    assert len(list(cache.folder.rglob("*.safetensors"))) == 1


def forget_lengths(shard: Path) -> None:
    """Write a shard as qlit did before it counted tokens."""
    import hashlib

    arrays = {name: array for name, array in load_file(shard).items() if name != "lengths"}
    checksums = {name: hashlib.sha256(array.tobytes()).hexdigest() for name, array in arrays.items()}
    save_file(arrays, shard, metadata=checksums)


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (
            {"train": [0, 2], "validation": [1], "test": [3, 4, 5]},
            "The body short reads 12 tokens of a sentence and cuts off the rest: 1 of 2 train, 0 of 1 validation and 3 "
            "of 3 test sentences are longer, the longest has 82 tokens. 3 of them differ from another sentence only in "
            "the part that is cut off, so both have the same embedding.",
        ),
        (
            {"": [0, 5]},
            "The body short reads 12 tokens of a sentence and cuts off the rest: 1 of 2 sentences are longer, the "
            "longest has 82 tokens.",
        ),
        ({"": [0, 1]}, None),
    ],
)
def test_what_is_said_of_sentences_that_are_cut(parts: Mapping[str, Sequence[int]], expected: str | None) -> None:
    lengths = np.array([[3, 12, 0], [12, 12, 7], [14, 12, 7], [14, 12, 7], [14, 12, 7], [82, 12, 9]])
    rows: dict[str, NDArray[np.int64]] = {name: lengths[list(indices)] for name, indices in parts.items()}
    notice = cut_notice("short", rows, [TEXTS[k] for indices in parts.values() for k in indices])
    assert (notice and notice.text) == expected
