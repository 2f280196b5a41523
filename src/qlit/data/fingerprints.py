"""Fingerprints of bodies: equal files, equal fingerprint, wherever they lie."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from qlit.data.folders import is_hidden
from qlit.data.own_code import code_files
from qlit.data.stamps import are_settled, file_stamp

_MODEL_SUFFIXES = {".json", ".txt", ".safetensors", ".bin", ".model"}


def body_fingerprint(folder: Path, *, memo: Path | None = None) -> str:
    """SHA-256 over names and contents of the model's files: the same weights and settings, the same fingerprint.

    Of a body with code of its own, its Python files are among them.

    Args:
        folder: Folder of the body.
        memo: Folder to remember the result in, by the `file_stamp` of every file; None for never. What changed within
            the last seconds is not remembered: such a stamp may stay while the file changes once more.
    Returns:
        64 hex digits.
    Raises:
        ValueError: If the folder holds no model file, or its modules.json cannot be read.
    Cost: reads all weights, about 1 s for 440 MB; next to nothing if remembered.
    """
    folder = folder.resolve()
    files = sorted(_model_files(folder))
    if not files:
        raise ValueError(f"{folder} holds no model file ({', '.join(sorted(_MODEL_SUFFIXES))}).")
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
        with suppress(OSError):  # it only saves time; where nothing can be written, it is computed each time
            remembered.parent.mkdir(parents=True, exist_ok=True)
            temporary = remembered.with_suffix(f".{os.getpid()}")
            temporary.write_text(f"{fingerprint} {_checksum(fingerprint)}")
            temporary.replace(remembered)
    return fingerprint


def _recalled(remembered: Path) -> str | None:
    """A fingerprint that was written; None if there is none, or its checksum is not its own."""
    try:
        fingerprint, checksum = remembered.read_text().split()
    except (OSError, ValueError):
        return None
    return fingerprint if checksum == _checksum(fingerprint) else None


def _checksum(fingerprint: str) -> str:
    return hashlib.sha256(fingerprint.encode()).hexdigest()[:16]


def _model_files(folder: Path) -> Iterator[Path]:
    yield from code_files(folder)
    for file in folder.rglob("*"):
        if file.suffix in _MODEL_SUFFIXES and not is_hidden(file, folder) and file.is_file():
            yield file
