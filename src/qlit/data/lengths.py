"""Count the tokens of sentences, and find the sentences that a body truncates.

Shapes: N sentences.
"""

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from qlit.data.notices import Notice
from qlit.data.pairs import noun, sentences_of

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

Lengths = NDArray[np.int64]
"""Token counts, shape (N, 3). Columns: number of tokens; the body's limit (0 for none); a hash of the tokens that are
read if the sentence reaches the limit, else 0. A row of `NOT_COUNTED` is not known yet."""

COLUMNS = 3
NOT_COUNTED = -1
_NO_LIMIT = 10**9  # transformers writes 1e30 if a tokenizer has no limit
_BATCH_SIZE = 256


def lengths_of(model: "SentenceTransformer", texts: Sequence[str]) -> Lengths:
    """Count the tokens of sentences, including the body's prompt and special tokens.

    A body whose first module returns no tokens, for example one with its own code, is treated as unlimited.

    Args:
        model: From `load_body`.
        texts: N sentences.
    Cost: tokenizes all sentences once, and truncated ones twice; about 0.1 s for 1,000 short sentences.
    """
    rows = np.zeros((len(texts), COLUMNS), dtype=np.int64)
    limit = _limit(model)
    if limit is None:
        return rows
    rows[:, 1] = limit
    order = sorted(range(len(texts)), key=lambda row: len(texts[row]))  # similar lengths need little padding
    for first in range(0, len(order), _BATCH_SIZE):
        batch = order[first : first + _BATCH_SIZE]
        for row, read in zip(batch, _tokens_of(model, [texts[row] for row in batch]), strict=True):
            rows[row, 0] = len(read)
            if len(read) >= limit:
                rows[row, 2] = _hash(read.tobytes())
    with _without_limit(model):
        for row in np.flatnonzero(rows[:, 0] >= limit).tolist():
            rows[row, 0] = len(*_tokens_of(model, [texts[row]]))
    return rows


def is_cut(lengths: Lengths) -> NDArray[np.bool_]:
    """Whether each sentence is truncated, shape (N,)."""
    return np.asarray((lengths[:, 1] > 0) & (lengths[:, 0] > lengths[:, 1]))


def lengths_of_pairs(lengths: Lengths, pairs: Sequence[str]) -> Lengths:
    """Lengths of N pairs, shape (N, 3): those of the longer sentence, or of the truncated one if only one is.

    The hash of a pair covers what the body reads of both sentences; it is 0 if neither sentence reaches the limit.

    Args:
        lengths: Lengths of the 2 N sentences: all first ones, then all second ones; shape (2 N, 3).
        pairs: The N pairs.
    """
    both = lengths.reshape(2, len(pairs), COLUMNS)
    longer = np.argmax(both[..., 0], axis=0)  # one body has one limit, so a truncated sentence is the longer one
    found: Lengths = both[longer, np.arange(len(pairs))]
    for row in np.flatnonzero(both[..., 2].any(axis=0)).tolist():
        read = zip(both[:, row, 2].tolist(), sentences_of(pairs[row]), strict=True)
        found[row, 2] = _hash(repr([code or sentence for code, sentence in read]).encode())
    return found


def cut_notice(body: str, parts: Mapping[str, Lengths], texts: Sequence[str]) -> Notice | None:
    """Notice about truncated sentences; None if there are none.

    Args:
        body: Name of the body.
        parts: Lengths of the sentences, by the name of their part ("training", or "" for no name).
        texts: The sentences of all parts, in the same order.
    """
    lengths = np.concatenate([*parts.values()])
    cut = is_cut(lengths)
    if not cut.any():
        return None
    counts = [f"{is_cut(rows).sum():,} of {len(rows):,}{f' {name}' if name else ''}" for name, rows in parts.items()]
    listed = f"{', '.join(counts[:-1])} and {counts[-1]}" if len(counts) > 1 else counts[0]
    name = noun(texts)
    are_longer = "sentences are longer" if name == "sentences" else f"{name} have a longer sentence"
    text = (
        f"The body {body} reads {lengths[cut, 1].max():,} tokens of a sentence and cuts off the rest: {listed} "
        f"{are_longer}, the longest has {lengths[:, 0].max():,} tokens."
    )
    if alike := _num_alike(lengths, cut, texts):
        text += (
            f" {alike:,} of them differ from another {name.removesuffix('s')} only in the part that is cut off, so "
            "both have the same embedding."
        )
    return Notice("cut_sentences", text)


def _num_alike(lengths: Lengths, cut: NDArray[np.bool_], texts: Sequence[str]) -> int:
    """Number of truncated sentences whose remaining tokens equal those of a different sentence."""
    read: dict[int, set[str]] = {}
    for row in np.flatnonzero(lengths[:, 2]).tolist():
        read.setdefault(int(lengths[row, 2]), set()).add(texts[row])
    return sum(len(read[lengths[row, 2]]) > 1 for row in np.flatnonzero(cut).tolist())


def _limit(model: Any) -> int | None:
    limit = getattr(model, "max_seq_length", None)
    if isinstance(limit, int | float) and 0 < limit < _NO_LIMIT:
        return int(limit)
    if (truncation := getattr(_tokenizer(model), "truncation", None)) and limit == math.inf:  # of a static embedding
        return int(truncation["max_length"])
    return None


def _tokenizer(model: Any) -> Any:
    return getattr(model, "tokenizer", None)


@contextmanager
def _without_limit(model: Any) -> Iterator[None]:
    before = model.max_seq_length
    if before == math.inf:
        tokenizer = _tokenizer(model)
        truncation = tokenizer.truncation
        tokenizer.no_truncation()
        try:
            yield
        finally:
            tokenizer.enable_truncation(**truncation)
        return
    model.max_seq_length = _NO_LIMIT
    try:
        yield
    finally:
        model.max_seq_length = before


def _tokens_of(model: Any, texts: list[str]) -> list[NDArray[np.int64]]:
    """Token ids that the body reads, one array per text."""
    prompt = model.prompts.get(model.default_prompt_name) if model.default_prompt_name else None
    if hasattr(model, "preprocess"):
        features = model.preprocess(texts, prompt=prompt)
    else:  # sentence-transformers 5
        features = model.tokenize([f"{prompt or ''}{text}" for text in texts])
    ids = np.asarray(features["input_ids"], dtype=np.int64)
    if "offsets" in features:  # a static embedding concatenates the ids of all texts
        return np.split(ids, np.asarray(features["offsets"])[1:])
    is_token = np.asarray(features["attention_mask"], dtype=bool)
    return [row[read] for row, read in zip(ids, is_token, strict=True)]


def _hash(tokens: bytes) -> int:
    """Positive hash of token ids; 0 means that there is no hash."""
    return int.from_bytes(hashlib.blake2b(tokens, digest_size=7).digest(), "big") + 1
