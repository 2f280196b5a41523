"""The configs that come with qlit: in the installed package, or in the clone that it runs from."""

import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from qlit.runtime.errors import PACKAGE, UsageError, nearest

_PATH = re.compile(r"[\w./-]+")  # no inline YAML, no URL
_OPTIONS = ("-c", "--config")


def shipped_folder() -> Path:
    """Folder of the configs.

    Raises:
        FileNotFoundError: If the installation lacks it.
    """
    for folder in (PACKAGE / "configs", PACKAGE.parents[1] / "configs"):
        if (folder / "quickstart.yaml").is_file():
            return folder
    raise FileNotFoundError(f"The configs of qlit are missing beside {PACKAGE}; install qlit again.")


def shipped_configs() -> dict[str, Path]:
    """Files by name: their path in the folder without its suffix, such as `baselines/svc`; in order of the names."""
    folder = shipped_folder()
    names = {path.relative_to(folder).with_suffix("").as_posix(): path for path in folder.rglob("*.yaml")}
    return {name: names[name] for name in sorted(names, key=lambda name: (name.count("/"), name))}


def find_shipped(name: str) -> Path | None:
    """The config with a name: `single_sqe`, `baselines/svc`, or only `svc` if no other config ends with it.

    Raises:
        UsageError: If several configs end with the name.
    """
    configs = shipped_configs()
    name = name.removesuffix(".yaml")
    ends = [each for each in configs if each.rpartition("/")[2] == name]
    if name not in configs and len(ends) > 1:
        raise UsageError(f"{len(ends)} configs of qlit are called {name}: {', '.join(ends)}; name one of them.")
    return configs.get(name) or (configs[ends[0]] if ends else None)


def path_of_config(text: str) -> str:
    """A config file as a command line names it: its own path, or the path of the config of qlit with this name.

    A file in the current folder comes first. Everything else stays as it is: inline YAML, URLs, `-`, and paths that do
    not exist, about which each command has its own sentence.

    Raises:
        UsageError: If it names nothing, but a config of qlit has a similar name.
    """
    if not _PATH.fullmatch(text) or text == "-" or _exists(text):
        return text
    if (found := find_shipped(text)) is not None:
        return str(found)
    where, below = (
        f"there is no config {text} (in {Path.cwd()}); ",
        text.removesuffix(".yaml").rpartition("configs/")[2],
    )
    if below in shipped_configs():
        raise UsageError(f"{where}qlit has one of this name, which you get with the name {below}.")
    if guess := nearest_config(text):
        raise UsageError(f"{where}check the path{guess}, or see `qlit config list`.")
    return text


def nearest_config(name: str) -> str:
    """` (did you mean 'x'?)` for the config of qlit whose name is closest, or ""."""
    shipped = shipped_configs()
    guess = nearest(name, [*shipped, *(each.rpartition("/")[2] for each in shipped)])
    return f" ({guess.removeprefix('; ')})" if guess else ""


def with_shipped_configs(arguments: Sequence[str]) -> list[str]:
    """Replace names of qlit's configs by their files, in the values of `--config` and `-c` before a single `--`."""
    words = list(arguments)
    last = words.index("--") if "--" in words else len(words)
    for k, word in enumerate(words[:last]):
        option, equals, value = word.partition("=")
        if option in _OPTIONS and equals:
            words[k] = f"{option}={_replaced(value)}"
        elif word in _OPTIONS and k + 1 < last:
            words[k + 1] = _replaced(words[k + 1])
    return words


def _replaced(value: str) -> str:
    """`value` with its first word replaced; `qlit compare` reads options behind the file."""
    if _exists(value):
        return value
    name, space, options = value.partition(" ")
    return f"{shlex.quote(path_of_config(name)) if space else path_of_config(name)}{space}{options}"


def _exists(text: str) -> bool:
    try:
        return Path(text).exists()
    except OSError:  # longer than a path may be
        return False
