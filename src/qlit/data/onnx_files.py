"""Find the ONNX file of a body that has no weights for torch, without importing a library."""

import json
from pathlib import Path

from qlit.data.folders import is_hidden

_TORCH_WEIGHTS = ("*.safetensors", "pytorch_model*.bin")


class UnusableOnnxError(ValueError):
    """An ONNX file that cannot be a body's transformer here; its message says what to do."""


def onnx_file_of(folder: Path) -> Path | None:
    """The ONNX file of a body's transformer; None if there is none, or the transformer has weights for torch.

    Args:
        folder: Folder of the body, as found by `resolve_body`.
    Raises:
        UnusableOnnxError: If there are several ONNX files, none of them or more than one called `model.onnx`.
    """
    transformer = _transformer_of(folder)
    if transformer is None or any(any(transformer.glob(pattern)) for pattern in _TORCH_WEIGHTS):
        return None
    found = sorted(file for file in folder.rglob("*.onnx") if not is_hidden(file, folder) and file.is_file())
    named = [file for file in found if file.name == "model.onnx"] or found
    if len(named) > 1:
        names = ", ".join(file.relative_to(folder).as_posix() for file in named)
        raise UnusableOnnxError(
            f"The body folder {folder} has several ONNX files ({names}): keep one, or name the one to use model.onnx."
        )
    return named[0] if named else None


def onnx_model_files(folder: Path) -> list[Path]:
    """The ONNX file of a body and its external data; empty for a body that torch runs.

    Raises:
        UnusableOnnxError: As `onnx_file_of`.
    """
    file = onnx_file_of(folder)
    if file is None:
        return []
    data = (file.with_name(f"{file.name}_data"), file.with_name(f"{file.name}.data"))
    return [file, *(each for each in data if each.is_file())]


def refuse_training(name: str, folder: Path) -> None:
    """Raise a ValueError if the body `name` is an ONNX file, which has no gradients."""
    if (file := onnx_file_of(folder)) is not None:
        raise ValueError(
            f"The body {name} is the ONNX file {file}, which can only be used frozen: to train a body, take one with "
            "weights for torch."
        )


def _transformer_of(folder: Path) -> Path | None:
    """Folder of the body's transformer; None if its first module is of another kind, or modules.json is unreadable."""
    listed = folder / "modules.json"
    if not listed.is_file():
        return folder
    try:
        first = json.loads(listed.read_text(encoding="utf-8"))[0]
        return folder / first["path"] if first["type"].rpartition(".")[2] == "Transformer" else None
    except (OSError, ValueError, LookupError, TypeError, AttributeError):  # loading the body reports it
        return None
