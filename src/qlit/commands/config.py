"""`qlit config`: list, show and copy the configs that come with qlit."""

import json
import re
import shutil
import textwrap
from pathlib import Path

from qlit.commands.parsers.config import parser_of
from qlit.comparisons.table_file import read_plan
from qlit.runtime.errors import UsageError
from qlit.runtime.shipped_configs import find_shipped, nearest_config, shipped_configs, shipped_folder
from qlit.studies.files.study_file import read_study


def run(command: str, arguments: list[str]) -> int:
    """Run `qlit config` and return its exit status."""
    options = parser_of(f"qlit {command}").parse(arguments)
    if options.verb == "list":
        if options.names:
            raise UsageError("list takes no names: it lists all configs.")
        _list()
        return 0
    if options.verb == "schema":
        if options.names:
            raise UsageError("schema takes no names: all configs of `qlit fit` have one schema.")
        from qlit.jobs.config.schema import config_schema  # imports Lightning

        print(json.dumps(config_schema(), indent=2))
        return 0
    if not options.names:
        raise UsageError(f"{options.verb} needs the name of a config; `qlit config list` shows them.")
    found = {name: _found(name) for name in options.names}
    if options.verb == "show":
        for path in found.values():
            print(path.read_text(encoding="utf-8"), end="")
        return 0
    _copy(list(found.values()), Path(options.to), force=options.force)
    return 0


def _found(name: str) -> Path:
    found = find_shipped(name)
    if found is None:
        raise UsageError(f"qlit has no config {name!r}{nearest_config(name)}; `qlit config list` shows them.")
    return found


def _list() -> None:
    configs = shipped_configs()
    width = max(map(len, configs)) + 2
    columns = max(width + 40, shutil.get_terminal_size((100, 24)).columns)
    for name, path in configs.items():
        print(textwrap.fill(f"{name:<{width}}{_purpose(path)}", columns, subsequent_indent=" " * width))


def _purpose(path: Path) -> str:
    """The first sentence of a config's comment, without the reference to the paper."""
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#") or line.startswith("#   "):
            break
        lines.append(line.lstrip("# "))
    text = re.sub(r" \(arXiv[^)]*\)", "", " ".join(lines))
    return re.split(r"(?<!Fig)\. ", text)[0].rstrip(".")


def _copy(files: list[Path], folder: Path, *, force: bool) -> None:
    """Copy configs, and those that they name, into `folder`; nothing is written if a file there differs."""
    source = shipped_folder()
    wanted: dict[Path, Path] = {}
    for file in files:
        for each in (file, *_named_by(file, source)):
            wanted[folder / each.relative_to(source)] = each
    for target, file in wanted.items():
        if not force and target.exists() and target.read_bytes() != file.read_bytes():
            raise FileExistsError(
                f"{target} exists and differs from the config of qlit: nothing is written. Choose another folder with "
                "--to, or replace it with --force."
            )
    for target, file in wanted.items():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
        print(target)


def _named_by(file: Path, source: Path) -> list[Path]:
    """Configs that a study or a table reads."""
    room = file.relative_to(source).parts[0]
    if room == "studies":
        study = read_study(file)
        levels = [level for factor in study.factors if "config" in factor.keys for level in factor.levels]
        return [*study.base, *(Path(file.parent / str(level)).resolve() for level in levels)]
    if room == "tables":
        return [row.config.resolve() for row in read_plan(file).rows]
    return []
