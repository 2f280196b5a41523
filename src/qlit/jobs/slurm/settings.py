"""Read a Slurm file (YAML): what a job asks the cluster for."""

import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from qlit.runtime.errors import nearest
from qlit.runtime.secrets import has_credentials
from qlit.runtime.yaml_text import read_yaml
from qlit.runtime.yaml_values import home_expanded, listed, section, shown, text, whole

_TIME = r"\d+(?::\d{1,2}){0,2}|\d+-\d{1,2}(?::\d{1,2}){0,2}"
_MEMORY = r"\d+[KMGT]?"
_NAME = r"[\w.-]+"
_OPTION = r"--?[A-Za-z][\w-]*(?:[= ].*)?"


@dataclass(frozen=True)
class SlurmSettings:
    """What a job asks the cluster for. None leaves a setting to the cluster.

    Args:
        partition: Partition; several with commas between them.
        account: Account that is charged.
        time: Time limit, as Slurm writes it ("2:00:00", "1-12", or minutes "90").
        nodes: Nodes of a fit.
        tasks_per_node: Processes of a fit on each node; with GPUs as many as there are GPUs.
        gpus_per_node: GPUs on each node; 0 for none.
        cpus_per_task: Cores of every process.
        memory: Memory on each node, such as "8G".
        workers: Workers of a study, each a job of one array.
        max_running: Most workers that run at the same time; None for all of them.
        modules: Modules to load.
        setup: Shell lines that run before qlit.
        container: Apptainer image in which qlit runs; None for the Python environment that submits.
        job_name: Name of the job; None makes one from the command.
        folder: Folder in which every job gets a folder of its own.
        warn_s: Seconds before the time limit at which Slurm announces it, so that the job can write a checkpoint.
        max_requeues: Most times that a job which ran out of time starts again.
        options: Further options of sbatch, such as "--qos=short".
    """

    partition: str | None = None
    account: str | None = None
    time: str | None = None
    nodes: int = 1
    tasks_per_node: int = 1
    gpus_per_node: int = 0
    cpus_per_task: int = 1
    memory: str | None = None
    workers: int = 1
    max_running: int | None = None
    modules: tuple[str, ...] = ()
    setup: tuple[str, ...] = ()
    container: str | None = None
    job_name: str | None = None
    folder: Path = Path("mlruns/jobs")
    warn_s: int = 90
    max_requeues: int = 100
    options: tuple[str, ...] = ()

    @property
    def num_tasks(self) -> int:
        """Processes of a fit."""
        return self.nodes * self.tasks_per_node


def read_settings(path: str | Path) -> SlurmSettings:
    """Read a Slurm file: keys of `SlurmSettings`, all of them optional.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If it is not a valid Slurm file.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"There is no Slurm file {path} (in {Path.cwd()}); check the path.")
    content = section(read_yaml(path, f"the Slurm file {path}"), f"The Slurm file {path}")
    known = [field.name for field in fields(SlurmSettings)]
    if unknown := [key for key in content if key not in known]:
        raise ValueError(
            f"The Slurm file {path} has the unknown key {shown(unknown[0])}"
            f"{nearest(unknown[0], known) or '; known are ' + ', '.join(known)}."
        )
    given = {
        key: _READERS[key](value, f"`{key}` of the Slurm file {path}")
        for key, value in content.items()
        if value is not None
    }
    return SlurmSettings(**given)


def _line(value: Any, where: str) -> str:
    line = text(value, where)
    if not line.isprintable():
        raise ValueError(f"{where} must be one line, but got {shown(value)}.")
    if has_credentials(line):
        raise ValueError(
            f"{where} contains a password or a token, which job scripts do not store: set it in the environment of the "
            "shell that submits, which Slurm hands to the job."
        )
    return line


def _lines(value: Any, where: str) -> tuple[str, ...]:
    return tuple(_line(each, where) for each in listed(value))


def _matching(pattern: str, example: str) -> Callable[[Any, str], str]:
    def read(value: Any, where: str) -> str:
        if not isinstance(value, str) or re.fullmatch(pattern, value) is None:
            raise ValueError(f"{where} must be a text such as {example}, in quotes, but got {shown(value)}.")
        return value

    return read


def _whole(least: int, most: int) -> Callable[[Any, str], int]:
    return lambda value, where: whole(value, where, least, most)


def _options(value: Any, where: str) -> tuple[str, ...]:
    for option in (lines := _lines(value, where)):
        if re.fullmatch(_OPTION, option) is None:
            raise ValueError(f"{where} must be options of sbatch such as --qos=short, but got {shown(option)}.")
    return lines


_READERS: dict[str, Callable[[Any, str], Any]] = {
    "partition": _matching(rf"{_NAME}(?:,{_NAME})*", '"gpu"'),
    "account": _matching(_NAME, '"physics"'),
    "time": _matching(_TIME, '"2:00:00"'),  # YAML reads 2:00:00 without quotes as a number
    "nodes": _whole(1, 10_000),
    "tasks_per_node": _whole(1, 1_000),
    "gpus_per_node": _whole(0, 1_000),
    "cpus_per_task": _whole(1, 10_000),
    "memory": _matching(_MEMORY, '"8G"'),
    "workers": _whole(1, 100_000),
    "max_running": _whole(1, 100_000),
    "modules": _lines,
    "setup": _lines,
    "container": _line,
    "job_name": _matching(_NAME, '"paper-fit"'),
    "folder": lambda value, where: home_expanded(_line(value, where)),
    "warn_s": _whole(10, 86_400),
    "max_requeues": _whole(0, 10_000),
    "options": _options,
}
