"""Embedding dimension of a body, read from its files without loading its weights."""

import json
import struct
from pathlib import Path
from typing import Any

# Names of a transformer's hidden size in config.json, and of the pooling modes, whose results are concatenated.
_HIDDEN_SIZES = ("hidden_size", "dim", "d_model", "n_embd")
_POOLINGS = (
    "pooling_mode_cls_token",
    "pooling_mode_max_tokens",
    "pooling_mode_mean_tokens",
    "pooling_mode_mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens",
    "pooling_mode_lasttoken",
)


def embedding_dim_of(folder: Path, *, of_pairs: bool = False) -> int | None:
    """Embedding dimension D of the body in a folder; None if its files leave any doubt.

    Args:
        folder: Folder with modules.json or config.json, as found by `resolve_body`.
        of_pairs: Whether to return 2 D, the features of a pair of sentences.
    """
    try:
        dim = _dim_behind_modules(folder)
        truncated = read_settings(folder / "config_sentence_transformers.json").get("truncate_dim")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, struct.error):
        return None
    if dim is None:
        return None
    return (dim if truncated is None else min(dim, int(truncated))) * (2 if of_pairs else 1)


def _dim_behind_modules(folder: Path) -> int | None:
    """D after the last module; None if a module's kind is unknown."""
    if not (folder / "modules.json").is_file():
        return _hidden_size(folder)  # sentence-transformers adds mean pooling
    dim: int | None = None
    for module in json.loads((folder / "modules.json").read_text(encoding="utf-8")):
        kind, place = module["type"].rpartition(".")[2], folder / module["path"]
        if not module["type"].startswith("sentence_transformers."):
            return None  # one of the body's own classes
        if kind == "Transformer":
            dim = _hidden_size(place)
        elif kind == "Pooling":
            dim = _pooled(read_settings(place / "config.json"))
        elif kind == "Dense":
            dim = int(read_settings(place / "config.json")["out_features"])
        elif kind == "StaticEmbedding":
            dim = _columns(place / "model.safetensors")
        elif kind not in ("Normalize", "Dropout", "LayerNorm"):
            return None
    return dim


def _pooled(config: dict[str, Any]) -> int | None:
    """D after a pooling module, which concatenates one vector per mode."""
    size = config.get("word_embedding_dimension") or config.get("embedding_dimension")
    if size is None:
        return None
    mode = config.get("pooling_mode")
    if mode is not None:  # newer versions write one mode or a list of modes
        return int(size) * (1 if isinstance(mode, str) else len(mode))
    return int(size) * sum(bool(config.get(name)) for name in _POOLINGS) or None


def _hidden_size(folder: Path) -> int | None:
    config = read_settings(folder / "config.json")
    return next((int(config[name]) for name in _HIDDEN_SIZES if config.get(name)), None)


def _columns(file: Path) -> int | None:
    """Number of columns of the only matrix in a safetensors file, read from the file's header."""
    with file.open("rb") as opened:
        (size,) = struct.unpack("<Q", opened.read(8))
        header = json.loads(opened.read(size))
    shapes = [entry["shape"] for name, entry in header.items() if name != "__metadata__"]
    return int(shapes[0][1]) if len(shapes) == 1 and len(shapes[0]) == 2 else None


def read_settings(file: Path) -> dict[str, Any]:
    """Read a JSON object of a body; empty if the file does not exist."""
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return found
