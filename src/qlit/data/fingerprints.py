"""Fingerprints of bodies: equal files have equal fingerprints in any folder."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from qlit.data.folders import is_hidden
from qlit.data.onnx_files import onnx_model_files
from qlit.data.own_code import code_files
from qlit.data.stamps import are_settled, file_stamp

_MODEL_SUFFIXES = {".json", ".txt", ".safetensors", ".bin", ".model"}


def body_fingerprint(folder: Path, *, memo: Path | None = None) -> str:
    """SHA-256 over the names and contents of the model's files, and of the body's own Python files if it runs any.

    Args:
        folder: Folder of the body.
        memo: Folder that stores results, keyed by the `file_stamp` of every file; None to store nothing. Results for
            files that changed in the last seconds are not stored, because another change could leave the same stamp.
    Returns:
        64 hex digits.
    Raises:
        ValueError: If the folder contains no model file, or its modules.json cannot be read.
    Cost: reads all weights, about 1 s for 440 MB; negligible if the result is stored.
    """
    folder = folder.resolve()
    files = sorted(_model_files(folder))
    if not files:
        raise ValueError(f"{folder} contains no model file ({', '.join(sorted(_MODEL_SUFFIXES))}).")
    stamps = [file_stamp(file) for file in files]
    remembered = memo / hashlib.sha256(repr(stamps).encode()).hexdigest() if memo and are_settled(stamps) else None
    if remembered and (found := _recalled(remembered)) is not None:
        return found
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as opened:
            content = hashlib.file_digest(opened, "sha256").hexdigest()
        digest.update(f"{file.relative_to(folder).as_posix()}\n{content}\n".encode())
    fingerprint = digest.hexdigest()
    if remembered:
        with suppress(OSError):  # storing only saves time: without it, the fingerprint is computed every time
            remembered.parent.mkdir(parents=True, exist_ok=True)
            temporary = remembered.with_suffix(f".{os.getpid()}")
            temporary.write_text(f"{fingerprint} {_checksum(fingerprint)}")
            temporary.replace(remembered)
    return fingerprint


def _recalled(remembered: Path) -> str | None:
    """Read a stored fingerprint; None if there is none, or its checksum is wrong."""
    try:
        fingerprint, checksum = remembered.read_text().split()
    except (OSError, ValueError):
        return None
    return fingerprint if checksum == _checksum(fingerprint) else None


def _checksum(fingerprint: str) -> str:
    return hashlib.sha256(fingerprint.encode()).hexdigest()[:16]


def _model_files(folder: Path) -> Iterator[Path]:
    yield from code_files(folder)
    yield from onnx_model_files(folder)
    for file in folder.rglob("*"):
        if file.suffix in _MODEL_SUFFIXES and not is_hidden(file, folder) and file.is_file():
            yield file
