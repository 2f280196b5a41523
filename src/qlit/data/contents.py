"""Fingerprints of the data and the body that a config names."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from qlit.data import BodyFolder, EmbeddingCache, LabelledTexts, resolve_body
from qlit.data.datasets import SAMPLE
from qlit.data.dimensions import embedding_dim_of
from qlit.data.local_paths import existing_path
from qlit.data.sources import Sources
from qlit.data.stamps import FileStamp, are_settled, file_stamp
from qlit.data.vectors import vectors_of


@dataclass(frozen=True)
class Contents:
    """Fingerprints of everything that a training reads.

    Args:
        data: 16 hex digits over the sentences, their labels, the labels' names and the roles, as loaded.
        body: 16 hex digits over the files of the body; `NO_BODY` for embeddings of a file, which `data` covers.
    """

    data: str
    body: str


NO_BODY = "none"


class _Read(NamedTuple):
    fingerprint: str
    num_classes: int
    num_features: int | None


_known: dict[tuple[Any, ...], _Read] = {}  # facts about data that this process has read


def contents_of(data: Mapping[str, Any]) -> Contents:
    """Fingerprint the data and the body that the `data` section of a resolved config names.

    A process loads local files again only if they change, and loads a hub data set once.

    Raises:
        ValueError, FileNotFoundError, ConnectionError: As `Sources.load` and `resolve_body`.
    """
    if data.get("embeddings") is not None:
        return Contents(_read(data).fingerprint, NO_BODY)
    body = resolve_body(data["body"], trust_remote_code=data["trust_remote_code"])
    return Contents(_read(data).fingerprint, body_contents(body, data["cache_dir"]))


def num_features_of(data: Mapping[str, Any]) -> int | None:
    """D of the embeddings or the body that the `data` section of a config names, 2 D for pairs; None if not stated.

    Raises: as `contents_of`.
    """
    if data.get("embeddings") is not None:
        return _read(data).num_features
    body = resolve_body(data["body"], trust_remote_code=data["trust_remote_code"])
    return embedding_dim_of(body.path, of_pairs=bool(data.get("second_text_column")))


def num_classes_of(data: Mapping[str, Any]) -> int:
    """Number of labels in the data that the `data` section of a config names; read as by `contents_of`.

    Raises:
        ValueError, FileNotFoundError, ConnectionError: As `Sources.load`.
    """
    return _read(data).num_classes


def _read(data: Mapping[str, Any]) -> _Read:
    sources = Sources.of(data)
    stamps = [stamp for name in sources.names for stamp in _stamps(name)]
    key = (sources, *stamps)
    found = _known.get(key)
    if found is None:
        texts = sources.load()
        num_features = None if sources.embeddings is None else vectors_of(texts.texts[:1]).shape[1]
        found = _Read(texts.fingerprint, len(texts.label_names), num_features)
        if are_settled(stamps):
            _known[key] = found
    return found


def contents_read(texts: LabelledTexts, body: BodyFolder | None, cache_dir: str | None) -> Contents:
    """Fingerprint loaded sentences and a resolved body.

    Args:
        texts: The sentences.
        body: The body; None for embeddings of a file.
        cache_dir: Folder of the embedding cache, which also stores fingerprints; None for the default.
    """
    return Contents(texts.fingerprint, NO_BODY if body is None else body_contents(body, cache_dir))


def changed_since(before: Contents, now: Contents) -> str:
    """Name the difference: "The data", "The body" or "The data and the body"; "" if both are equal."""
    parts = [f"the {name}" for name in ("data", "body") if getattr(before, name) != getattr(now, name)]
    return " and ".join(parts).capitalize()


def body_contents(body: BodyFolder, cache_dir: str | None) -> str:
    """16 hex digits over the files of a body; `cache_dir` as in `contents_read`."""
    cache = EmbeddingCache(cache_dir or None)
    return cache.body_fingerprint(body)[:16]


def _stamps(source: str) -> list[FileStamp]:
    """Stamps of the files of a local source; empty for the sample and for hub data sets."""
    path = None if source == SAMPLE else existing_path(source)
    if path is None:
        return []
    files = [path] if path.is_file() else sorted(file for file in path.iterdir() if file.is_file())
    return [file_stamp(file.absolute()) for file in files]
