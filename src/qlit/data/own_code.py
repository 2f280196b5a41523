"""Find the Python code that a body contains, from its settings and without running it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from qlit.data.folders import is_hidden

_LIBRARY = "sentence_transformers."
_AUTO_MAP_FILES = ("config.json", "tokenizer_config.json", "processor_config.json", "preprocessor_config.json")


def code_needed(folder: Path) -> list[str]:
    """Classes that a body needs but that neither sentence-transformers nor torch provides.

    An architecture that only an `auto_map` describes is not found here, because only transformers knows whether it
    needs it; transformers does not run such code without permission.

    Args:
        folder: Folder of the body.
    Returns:
        Classes with the files that name them: "my_norm.MyNorm in modules.json".
    Raises:
        ValueError: If its modules.json cannot be read.
    """
    found = [(module, "modules.json") for module in _modules(folder)]
    found += [(name, file) for name, file in _of_modules(folder) if not name.startswith(("torch.", _LIBRARY))]
    return [f"{name} in {file}" for name, file in found if not name.startswith(_LIBRARY)]


def has_code(folder: Path) -> bool:
    """Whether a body's settings name its own code, needed or not.

    Raises:
        ValueError: If its modules.json cannot be read.
    """
    return bool(code_needed(folder)) or any(_auto_maps(folder))


def code_files(folder: Path) -> list[Path]:
    """Python files of a body that has its own code; empty for other bodies, whose Python files are never run.

    Raises:
        ValueError: If its modules.json cannot be read.
    """
    if not has_code(folder):
        return []
    return sorted(file for file in folder.rglob("*.py") if not is_hidden(file, folder) and file.is_file())


def code_elsewhere(folder: Path) -> list[str]:
    """Other hub repositories, `owner/name`, that contain code of a body."""
    references = [value for auto_map in _auto_maps(folder) for value in _texts(auto_map)]
    return sorted({reference.partition("--")[0] for reference in references if "--" in reference})


def _modules(folder: Path) -> Iterator[str]:
    file = folder / "modules.json"
    if not file.is_file():
        return
    try:
        yield from [str(module["type"]) for module in json.loads(file.read_text(encoding="utf-8"))]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{file} is not a list of sentence-transformers modules: copy or save the body again."
        ) from error


def _of_modules(folder: Path) -> Iterator[tuple[str, str]]:
    """Import paths in the settings of single modules, which sentence-transformers imports."""
    for file in sorted(folder.rglob("*config.json")):
        if is_hidden(file, folder):
            continue
        settings = _settings(file)
        names = [settings.get("activation_function")]  # in a Dense module; names of transformers have no dot
        if file.name == "wordembedding_config.json":
            names.append(settings.get("tokenizer_class"))
        if isinstance(types := settings.get("types"), dict) and "structure" in settings:  # in a Router
            names += types.values()
        yield from (
            (name, file.relative_to(folder).as_posix()) for name in names if isinstance(name, str) and "." in name
        )


def _auto_maps(folder: Path) -> Iterator[dict[str, Any]]:
    for name in _AUTO_MAP_FILES:
        for file in sorted(folder.rglob(name)):
            if is_hidden(file, folder):
                continue
            auto_map = _settings(file).get("auto_map")
            if isinstance(auto_map, dict) and auto_map:
                yield auto_map


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _texts(part)


def _settings(file: Path) -> dict[str, Any]:
    """Read a JSON object; empty if it cannot be read, because loading the body reports that."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
