"""Shards: small files of sentence vectors, each whole or absent, and known to be broken if it is."""

import contextlib
import hashlib
import os
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
_TEMPORARY = ".tmp"


def write_shard(folder: Path, keys: Sequence[bytes], vectors: Vectors) -> Path:
    """Write one shard, atomically: it is there as a whole or not at all.

    Args:
        folder: An existing folder.
        keys: n keys of 32 bytes.
        vectors: Shape (n, D).
    Returns:
        Its file, named after the keys.
    Raises:
        OSError: If it can not be written.
    """
    from safetensors.numpy import save

    key_array = np.frombuffer(b"".join(keys), dtype=np.uint8).reshape(len(keys), 32)
    vectors = np.ascontiguousarray(vectors, dtype=np.float32)
    checksums = {"keys": _checksum(key_array), "vectors": _checksum(vectors)}
    path = folder / f"{checksums['keys'][:32]}.safetensors"
    temporary = folder / f"{path.stem}.{os.getpid()}{_TEMPORARY}"
    try:
        with temporary.open("wb") as file:
            file.write(save({"keys": key_array, "vectors": vectors}, metadata=checksums))
            file.flush()
            os.fsync(file.fileno())  # else a power cut can leave the name without the content
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    return path


def read_shards(folder: Path, wanted: Collection[bytes]) -> tuple[dict[bytes, Vectors], list[Path]]:
    """The vectors of those of the `wanted` keys that are stored, and the shards that are broken.

    Args:
        folder: May be missing, which is empty.
        wanted: Keys of 32 bytes.
    Returns:
        Vectors, each of shape (D,), by key; and files whose content is not what was written.
    Cost: reads the keys of every shard, and the vectors of those with a wanted key.
    """
    found: dict[bytes, Vectors] = {}
    broken: list[Path] = []
    wanted = set(wanted)
    for path in sorted(folder.glob("*.safetensors")):
        try:
            found.update(_read_shard(path, wanted - found.keys()))
        except FileNotFoundError:
            continue  # removed by another process since
        except _BrokenShardError:
            broken.append(path)
    return found, broken


def remove_temporary(folder: Path) -> None:
    """Remove what writers that were killed left. Only for the one who holds the folder's lock."""
    for path in folder.glob(f"*{_TEMPORARY}"):
        path.unlink(missing_ok=True)


class _BrokenShardError(Exception):
    pass


def _read_shard(path: Path, wanted: Collection[bytes]) -> dict[bytes, Vectors]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as shard:
            checksums = shard.metadata() or {}
            keys = [row.tobytes() for row in _checked(shard.get_tensor("keys"), checksums.get("keys"))]
            rows = [row for row, key in enumerate(keys) if key in wanted]
            if not rows:
                return {}
            vectors = _checked(shard.get_tensor("vectors"), checksums.get("vectors"))
            return {keys[row]: vectors[row] for row in rows}
    except SafetensorError as error:
        raise _BrokenShardError from error


def _checked(array: NDArray[np.generic], checksum: str | None) -> NDArray[np.generic]:
    if _checksum(array) != checksum:
        raise _BrokenShardError
    return array


def _checksum(array: NDArray[np.generic]) -> str:
    return hashlib.sha256(array.tobytes()).hexdigest()
