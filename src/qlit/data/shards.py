"""Shards: small files of sentence vectors and lengths, each whole or absent, and known to be broken if it is."""

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
    """What is kept of a sentence.

    Args:
        vector: Its embedding, shape (D,).
        length: Its row of `Lengths`; `NOT_COUNTED` in shards of qlit before it counted tokens.
    """

    vector: Vectors
    length: Lengths

    @property
    def is_counted(self) -> bool:
        """Whether its length is known."""
        return bool(self.length[0] != NOT_COUNTED)


def write_shard(folder: Path, keys: Sequence[bytes], vectors: Vectors, lengths: Lengths) -> Path:
    """Write one shard, atomically: it is there as a whole or not at all.

    Args:
        folder: An existing folder.
        keys: n keys of 32 bytes.
        vectors: Shape (n, D).
        lengths: Shape (n, 3).
    Returns:
        Its file, named after the keys.
    Raises:
        OSError: If it can not be written.
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
            os.fsync(file.fileno())  # else a power cut can leave the name without the content
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    return path


def read_shards(folder: Path, wanted: Collection[bytes]) -> tuple[dict[bytes, Stored], list[Path]]:
    """What is stored of the `wanted` keys, and the shards that are broken.

    Args:
        folder: May be missing, which is empty.
        wanted: Keys of 32 bytes.
    Returns:
        What is stored, by key; and files whose content is not what was written.
    Cost: reads the keys of every shard, and all of those with a wanted key.
    """
    found: dict[bytes, Stored] = {}
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


def add_lengths(folder: Path, lengths: Mapping[bytes, Lengths]) -> None:
    """Write lengths into the shards that hold their keys; vectors stay as they are. For the one who holds the lock.

    Args:
        folder: Of shards.
        lengths: A row by key.
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
    """Remove what writers that were killed left. Only for the one who holds the folder's lock."""
    for path in folder.glob(f"*{_TEMPORARY}"):
        path.unlink(missing_ok=True)


class _BrokenShardError(Exception):
    pass


def _read_shard(path: Path, wanted: Collection[bytes]) -> dict[bytes, Stored]:
    keys, vectors, lengths = _read_whole(path, wanted)
    return {key: Stored(vectors[row], lengths[row]) for row, key in enumerate(keys) if key in wanted}


def _read_whole(path: Path, wanted: Collection[bytes] | None = None) -> tuple[list[bytes], Vectors, Lengths]:
    """Keys, vectors and lengths of a shard; nothing of one that holds no `wanted` key."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as shard:
            checksums = shard.metadata() or {}
            keys = [row.tobytes() for row in _checked(shard.get_tensor("keys"), checksums.get("keys"))]
            if wanted is not None and not any(key in wanted for key in keys):
                return [], np.zeros((0, 0), np.float32), np.zeros((0, COLUMNS), np.int64)
            vectors = _checked(shard.get_tensor("vectors"), checksums.get("vectors"))
            if "lengths" not in checksums:  # of qlit before it counted tokens
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
