"""Shards: small files of sentence vectors and lengths, written atomically and protected by checksums."""

import contextlib
import hashlib
import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qlit.data.lengths import COLUMNS, NOT_COUNTED, Lengths

Vectors = NDArray[np.float32]
_TEMPORARY = ".tmp"


class Stored(NamedTuple):
    """Stored embedding and length of a sentence.

    Args:
        vector: Embedding, shape (D,).
        length: Row of `Lengths`; `NOT_COUNTED` in shards of an older qlit, which did not count tokens.
    """

    vector: Vectors
    length: Lengths

    @property
    def is_counted(self) -> bool:
        """Whether the length is known."""
        return bool(self.length[0] != NOT_COUNTED)


def write_shard(folder: Path, keys: Sequence[bytes], vectors: Vectors, lengths: Lengths) -> Path:
    """Write one shard atomically.

    Args:
        folder: An existing folder.
        keys: n keys of 32 bytes.
        vectors: Shape (n, D).
        lengths: Shape (n, 3).
    Returns:
        Its file, named after the keys.
    Raises:
        OSError: If it cannot be written.
    """
    from safetensors.numpy import save

    key_array = np.frombuffer(b"".join(keys), dtype=np.uint8).reshape(len(keys), 32)
    vectors = np.ascontiguousarray(vectors, dtype=np.float32)
    lengths = np.ascontiguousarray(lengths, dtype=np.int64)
    arrays: dict[str, NDArray[Any]] = {"keys": key_array, "vectors": vectors, "lengths": lengths}
    checksums = {name: _checksum(array) for name, array in arrays.items()}
    path = folder / f"{checksums['keys'][:32]}.safetensors"
    temporary = folder / f"{path.stem}.{os.getpid()}{_TEMPORARY}"
    try:
        with temporary.open("wb") as file:
            file.write(save(arrays, metadata=checksums))
            file.flush()
            os.fsync(file.fileno())  # otherwise a power cut can leave an empty file of this name
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    return path


def read_shards(folder: Path, wanted: Collection[bytes]) -> tuple[dict[bytes, Stored], list[Path]]:
    """Read what is stored for the `wanted` keys, and find broken shards.

    Args:
        folder: Folder of shards; a missing folder counts as empty.
        wanted: Keys of 32 bytes.
    Returns:
        Stored values by key; and broken files, whose checksums are wrong.
    Cost: reads the keys of every shard, and the whole of every shard with a wanted key.
    """
    found: dict[bytes, Stored] = {}
    broken: list[Path] = []
    wanted = set(wanted)
    for path in sorted(folder.glob("*.safetensors")):
        try:
            found.update(_read_shard(path, wanted - found.keys()))
        except FileNotFoundError:
            continue  # another process has removed it
        except _BrokenShardError:
            broken.append(path)
    return found, broken


def add_lengths(folder: Path, lengths: Mapping[bytes, Lengths]) -> None:
    """Add lengths to the shards that contain their keys; vectors do not change. The caller must hold the lock.

    Args:
        folder: Folder of shards.
        lengths: Rows of `Lengths` by key.
    Raises:
        OSError: If a shard cannot be written.
    """
    for path in sorted(folder.glob("*.safetensors")):
        try:
            keys, vectors, rows = _read_whole(path)
        except (FileNotFoundError, _BrokenShardError):
            continue
        counted = [(row, lengths[key]) for row, key in enumerate(keys) if key in lengths]
        for row, length in counted:
            rows[row] = length
        if counted:
            write_shard(folder, keys, vectors, rows)


def remove_temporary(folder: Path) -> None:
    """Remove temporary files of killed writers. The caller must hold the folder's lock."""
    for path in folder.glob(f"*{_TEMPORARY}"):
        path.unlink(missing_ok=True)


class _BrokenShardError(Exception):
    pass


def _read_shard(path: Path, wanted: Collection[bytes]) -> dict[bytes, Stored]:
    keys, vectors, lengths = _read_whole(path, wanted)
    return {key: Stored(vectors[row], lengths[row]) for row, key in enumerate(keys) if key in wanted}


def _read_whole(path: Path, wanted: Collection[bytes] | None = None) -> tuple[list[bytes], Vectors, Lengths]:
    """Read keys, vectors and lengths of a shard; empty if it contains no `wanted` key."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as shard:
            checksums = shard.metadata() or {}
            keys = [row.tobytes() for row in _checked(shard.get_tensor("keys"), checksums.get("keys"))]
            if wanted is not None and not any(key in wanted for key in keys):
                return [], np.zeros((0, 0), np.float32), np.zeros((0, COLUMNS), np.int64)
            vectors = _checked(shard.get_tensor("vectors"), checksums.get("vectors"))
            if "lengths" not in checksums:  # written by an older qlit, which did not count tokens
                return keys, vectors, np.full((len(keys), COLUMNS), NOT_COUNTED, np.int64)
            return keys, vectors, _checked(shard.get_tensor("lengths"), checksums["lengths"])
    except SafetensorError as error:
        raise _BrokenShardError from error


def _checked(array: NDArray[Any], checksum: str | None) -> NDArray[Any]:
    if _checksum(array) != checksum:
        raise _BrokenShardError
    return array


def _checksum(array: NDArray[Any]) -> str:
    return hashlib.sha256(array.tobytes()).hexdigest()
