"""Cache of sentence embeddings of a frozen body: computed once, stored on disk."""

import contextlib
import hashlib
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qlit.data.body import BodyFolder, in_short, load_body
from qlit.data.fingerprints import body_fingerprint
from qlit.data.folders import default_cache_folder, expanded
from qlit.data.lengths import Lengths, lengths_of, lengths_of_pairs
from qlit.data.own_code import has_code
from qlit.data.pairs import all_sentences_of, is_pair
from qlit.data.quoting import quoted
from qlit.data.shards import add_lengths, read_shards, remove_temporary, write_shard

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from torch import Tensor

_FORMAT = 1  # increase it when the vector stored for the same body and text changes
_SHARD_TEXTS = 512  # a process that dies loses at most this many embeddings
_PATIENCE_S = 2.0  # seconds to wait for another process before printing a line about it


class Embeddings(NamedTuple):
    """Embeddings and token counts of N sentences or pairs.

    Args:
        vectors: Embeddings, float32, shape (N, D), or (N, 2 D) of pairs.
        lengths: Token counts, as described at `Lengths`, shape (N, 3).
    """

    vectors: "Tensor"
    lengths: Lengths


def of_pairs(found: Embeddings, pairs: Sequence[str]) -> Embeddings:
    """Embeddings of N pairs, shape (N, 2 D): those of both sentences side by side, with the lengths of the pairs.

    Args:
        found: Embeddings of the 2 N sentences: all first ones, then all second ones.
        pairs: The N pairs.
    """
    import torch

    both = [found.vectors[: len(pairs)], found.vectors[len(pairs) :]]
    return Embeddings(torch.cat(both, dim=1), lengths_of_pairs(found.lengths, pairs))


class EmbeddingCache:
    """Sentence embeddings on disk, keyed by the body's files (weights, max_seq_length, pooling ...) and the text.

    Any number of processes may use one folder at the same time; only one of them computes a given text. The device and
    the library versions are not part of the key, because they change vectors by rounding only.

    Args:
        folder: Folder of the cache, `~` for the home folder; None for `default_cache_folder()`. It is created at the
            first write.

    Raises:
        ValueError: If the home folder is needed and does not exist.
    """

    def __init__(self, folder: str | Path | None = None) -> None:
        self.folder = default_cache_folder() if folder is None else expanded(folder, "data.cache_dir")

    def embed(
        self,
        texts: Sequence[str],
        body: BodyFolder,
        *,
        batch_size: int = 64,
        device: str = "cpu",
        show_progress: bool = True,
    ) -> "Embeddings":
        """Embeddings and lengths of `texts`, read from the cache or computed and stored.

        The composition of a batch changes a new vector by float32 rounding only. Every later call returns the stored
        bits. The body is loaded only if a text is not in the cache.

        Args:
            texts: N sentences or N pairs, N >= 1. The sentences of pairs are stored one by one.
            body: From `resolve_body`.
            batch_size: Sentences per forward pass of the body.
            device: Torch device of the body.
            show_progress: Show a progress bar on stderr while computing.
        Returns:
            Embeddings in the order of `texts`, on the CPU.
        Raises:
            ValueError: If there is no text, `batch_size` is not positive, the body cannot be loaded or fails, or an
                embedding has a value that is not finite.
            OSError: If the cache folder cannot be written.
        """
        if isinstance(texts, str) or not texts:
            raise ValueError(f"`texts` must be a sequence of at least one sentence, but got {texts!r}.")
        if batch_size < 1:
            raise ValueError(f"`batch_size >= 1` must hold, but got {batch_size=}.")
        if is_pair(texts[0]):
            sentences = all_sentences_of(texts)
            found_of_all = self.embed(
                sentences, body, batch_size=batch_size, device=device, show_progress=show_progress
            )
            return of_pairs(found_of_all, texts)
        import torch

        keys = [hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest() for text in texts]
        distinct = dict(zip(keys, texts, strict=True))
        # If transformers knows the architecture and the body has its own code as well, the vectors depend on which ran.
        ran = " own code" if body.trust_remote_code and has_code(body.path) else ""
        key = hashlib.sha256(f"{_FORMAT} {self.body_fingerprint(body)}{ran}".encode()).hexdigest()[:32]
        shards = self.folder / "embeddings" / key
        found, _ = read_shards(shards, distinct)
        if len(found) < len(distinct):
            with self._lock(shards, body.name):
                missing = self._missing(shards, distinct)  # another process may have computed them since
                if missing:
                    self._compute(shards, missing, body, batch_size, device, show_progress)
            found, _ = read_shards(shards, distinct)  # from disk, so that the first call returns the same bits
        uncounted = {key: text for key, text in distinct.items() if not found[key].is_counted}
        counted = self._count(shards, uncounted, body) if uncounted else {}
        return Embeddings(
            torch.from_numpy(np.stack([found[key].vector for key in keys])),
            np.stack([counted.get(key, found[key].length) for key in keys]),
        )

    def _count(self, shards: Path, uncounted: Mapping[bytes, str], body: BodyFolder) -> dict[bytes, Lengths]:
        """Count the tokens of sentences that an earlier qlit stored without lengths, and store the counts."""
        rows = lengths_of(load_body(body, "cpu"), list(uncounted.values()))
        counted = dict(zip(uncounted, rows, strict=True))
        with contextlib.suppress(OSError), self._lock(shards, body.name):  # a read-only cache counts every time
            add_lengths(shards, counted)
        return counted

    def body_fingerprint(self, body: BodyFolder) -> str:
        """`qlit.data.body_fingerprint` of a body, remembered in the cache folder; 64 hex digits."""
        return body_fingerprint(body.path, memo=self.folder / "fingerprints")

    @contextlib.contextmanager
    def _lock(self, shards: Path, name: str) -> Iterator[None]:
        """Lock the body's folder; the system releases the lock if this process dies."""
        from filelock import FileLock, Timeout

        with self._writing():
            shards.mkdir(parents=True, exist_ok=True)
            lock = FileLock(shards / "lock")
            try:
                lock.acquire(timeout=_PATIENCE_S)
            except Timeout:
                print(f"waiting for another process that embeds with {name} ...", file=sys.stderr, flush=True)
                lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def _missing(self, shards: Path, wanted: Mapping[bytes, str]) -> dict[bytes, str]:
        """Texts without a stored embedding, after removing broken and temporary files. The caller holds the lock."""
        found, broken = read_shards(shards, wanted)
        with self._writing():
            remove_temporary(shards)
            for path in broken:
                warnings.warn(f"The cached embeddings in {path} are broken; they are computed again.", stacklevel=4)
                path.unlink()
        return {key: text for key, text in wanted.items() if key not in found}

    def _compute(
        self, shards: Path, missing: Mapping[bytes, str], body: BodyFolder, batch_size: int, device: str, show: bool
    ) -> None:
        from tqdm import tqdm

        model = load_body(body, device)
        # Sorted by length, sentences need little padding; the longest come first, so that a lack of memory shows early.
        queue = sorted(missing.items(), key=lambda item: len(item[1]), reverse=True)
        interval = 0.5 if sys.stderr.isatty() else 10.0  # seconds: a log file needs fewer lines
        name = f"embedding {len(queue)} sentences with {body.name}"
        with tqdm(total=len(queue), desc=name, disable=not show, mininterval=interval) as bar:
            for start in range(0, len(queue), _SHARD_TEXTS):
                shard = queue[start : start + _SHARD_TEXTS]
                parts = []
                for first in range(0, len(shard), batch_size):
                    batch = [text for _, text in shard[first : first + batch_size]]
                    parts.append(encoded(model, batch, body.name))
                    bar.update(len(batch))
                vectors = np.concatenate(parts)
                check_finite(vectors, [text for _, text in shard], body.name)
                with self._writing():
                    write_shard(
                        shards, [key for key, _ in shard], vectors, lengths_of(model, [text for _, text in shard])
                    )

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            kind = PermissionError if isinstance(error, PermissionError) else OSError
            raise kind(
                f"The embedding cache {self.folder} cannot be written ({error}); free space there, or set QLIT_CACHE "
                "or data.cache_dir to a writable folder."
            ) from error


def check_finite(vectors: NDArray[np.float32], texts: Sequence[str], name: str) -> None:
    """Raise a ValueError if a value of the embeddings, shape (N, D), of N sentences is not finite."""
    if len(rows := np.flatnonzero(~np.isfinite(vectors).all(axis=1))):
        raise ValueError(
            f"The body {name} gives an embedding that is not finite for {len(rows)} of {len(texts)} sentences, the "
            f"first being {quoted(texts[rows[0]])}; none of these is stored. Leave them out, or use another body."
        )


def encoded(model: "SentenceTransformer", texts: list[str], name: str) -> NDArray[np.float32]:
    """Embeddings of a batch of sentences, shape (B, D), by the body `model` called `name`.

    Raises:
        ValueError: If the body fails.
    """
    try:
        vectors: NDArray[np.float32] = model.encode(texts, batch_size=len(texts), show_progress_bar=False)
    except MemoryError:
        raise
    except Exception as error:  # torch, the libraries and the body's own code can raise anything
        raise ValueError(
            f"The body {name} fails on a batch of {len(texts)} sentences, the first being {quoted(texts[0])}: "
            f"{in_short(error)}"
        ) from error
    return vectors
