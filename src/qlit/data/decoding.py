"""Read text files, which may be compressed."""

from pathlib import Path

COMPRESSIONS = (".gz", ".bz2", ".xz")


def text_of(path: Path) -> str:
    """Read a UTF-8 file, decompressed according to its suffix, without its byte order mark; line ends stay unchanged.

    Raises:
        ValueError: If it cannot be decompressed, or is not UTF-8.
        OSError: If it cannot be read.
    """
    return _decoded(_bytes(path), path)


def _bytes(path: Path) -> bytes:
    """Read the bytes of a file, decompressed according to its suffix."""
    import bz2
    import gzip
    import lzma
    import zlib

    try:
        stored = path.read_bytes()
    except OSError as error:
        raise OSError(f"{path} cannot be read ({error.strerror}).") from error
    decompress = {".gz": gzip.decompress, ".bz2": bz2.decompress, ".xz": lzma.decompress}.get(path.suffix.lower())
    try:
        return decompress(stored) if decompress else stored
    except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError) as error:
        raise ValueError(f"{path} cannot be decompressed ({error}); compress it again.") from error


def _decoded(stored: bytes, path: Path) -> str:
    if stored.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in stored[:2]:
        raise ValueError(
            f"{path} is not UTF-8 text, but probably UTF-16; convert it, for example with iconv -f UTF-16 -t UTF-8."
        )
    try:
        return stored.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = 1 + stored.count(b"\n", 0, error.start)
        raise ValueError(f"{path} is not UTF-8 text (line {line}: {error.reason}); convert the file.") from error
