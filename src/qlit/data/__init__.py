"""Texts, splits, bodies and embeddings. Independent of heads and engines; importing it does not load torch."""

from typing import TYPE_CHECKING, Any

from qlit.data.body import BodyFolder, load_body, resolve_body
from qlit.data.cache import EmbeddingCache, Embeddings
from qlit.data.datasets import LabelledTexts, load_texts
from qlit.data.embedder import BodyEmbedder
from qlit.data.fine_tuned import check_unseen
from qlit.data.fingerprints import body_fingerprint
from qlit.data.folders import default_cache_folder, expanded
from qlit.data.given import given_split
from qlit.data.notices import Notice
from qlit.data.origin import Origin
from qlit.data.splits import Split, draw_split

if TYPE_CHECKING:
    from qlit.data.trainable import TrainableBody

__all__ = [
    "BodyEmbedder",
    "BodyFolder",
    "EmbeddingCache",
    "Embeddings",
    "LabelledTexts",
    "Notice",
    "Origin",
    "Split",
    "TrainableBody",
    "body_fingerprint",
    "body_settings",
    "check_unseen",
    "contents",
    "contrastive",
    "cuts",
    "default_cache_folder",
    "dimensions",
    "draw_split",
    "expanded",
    "fine_tuned",
    "given",
    "given_split",
    "hub",
    "leaks",
    "lengths",
    "load_body",
    "load_texts",
    "pairs",
    "quoting",
    "resolve_body",
    "sentence_tables",
    "sentences",
    "sources",
    "splits",
    "trainable",
    "vectors",
]


def __getattr__(name: str) -> Any:
    # TrainableBody is a torch.nn.Module, and importing torch takes seconds: load it only when it is used.
    if name == "TrainableBody":
        from qlit.data.trainable import TrainableBody

        return TrainableBody
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
