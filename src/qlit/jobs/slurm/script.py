"""Write the job script of a command."""

import shlex
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

from qlit.jobs.slurm.settings import SlurmSettings
from qlit.runtime.batch_job import JOB_FOLDER

OUT_OF_TIME = 128 + signal.SIGUSR1
"""Exit status of a command that SIGUSR1 stopped, whether it could handle the signal or not."""


@dataclass(frozen=True)
class Command:
    """What a job runs.

    Args:
        words: Words of the command line of qlit.
        is_distributed: Whether all tasks train one model together. Otherwise the job has one task.
        is_array: Whether the job is an array of workers.
    """

    words: tuple[str, ...]
    is_distributed: bool = False
    is_array: bool = False


def job_script(command: Command, settings: SlurmSettings, folder: Path, name: str) -> str:
    """Script for sbatch, which runs a command in the current folder and starts it again when its time was too short.

    Args:
        command: What it runs.
        settings: What it asks the cluster for.
        folder: Folder of the job, an absolute path.
        name: Name of the job.
    """
    suffix = '"-$SLURM_ARRAY_TASK_ID"' if command.is_array else ""
    lines = [
        "#!/bin/bash",
        *(f"#SBATCH {option}" for option in _directives(command, settings, folder, name)),
        "",
        *(f"module load {shlex.quote(module)}" for module in settings.modules),
        *settings.setup,
        f"export {JOB_FOLDER}={shlex.quote(str(folder))}",
        'export OMP_NUM_THREADS="${SLURM_CPUS_PER_TASK:-1}"',
        'export SRUN_CPUS_PER_TASK="${SLURM_CPUS_PER_TASK:-1}"  # srun does not take it from the job',
        f'rm -f "${JOB_FOLDER}/exit"{suffix}',
        "",
        f"srun --kill-on-bad-exit=1 {shlex.join(_program(settings, folder))} {shlex.join(command.words)}",
        "status=$?",
        "# SIGUSR1 announced the end of the time; the command has stored its state and continues when it starts again.",
        f'if [ "$status" -eq {OUT_OF_TIME} ] && [ "${{SLURM_RESTART_COUNT:-0}}" -lt {settings.max_requeues} ]; then',
        '    scontrol requeue "$SLURM_JOB_ID" && exit "$status"',
        "fi",
        f'echo "$status" >"${JOB_FOLDER}/exit"{suffix}',
        'exit "$status"',
    ]
    return "\n".join(lines) + "\n"


def log_of(folder: Path, *, is_array: bool) -> Path:
    """The log of a job; of an array with `%a` in place of the worker's number."""
    return folder / ("worker-%a.log" if is_array else "job.log")


def _directives(command: Command, settings: SlurmSettings, folder: Path, name: str) -> list[str]:
    log = log_of(Path(str(folder).replace("%", "%%")), is_array=command.is_array)
    given: dict[str, object] = {
        "job-name": name,
        "chdir": Path.cwd(),
        "output": log,
        "open-mode": "append",
        "partition": settings.partition,
        "account": settings.account,
        "time": settings.time,
        "nodes": settings.nodes if command.is_distributed else 1,
        "ntasks-per-node": settings.tasks_per_node if command.is_distributed else 1,
        "gpus-per-node": settings.gpus_per_node or None,
        "cpus-per-task": settings.cpus_per_task,
        "mem": settings.memory,
        "signal": f"SIGUSR1@{settings.warn_s}",
    }
    if command.is_array:
        cap = "" if settings.max_running is None else f"%{settings.max_running}"
        given["array"] = f"0-{settings.workers - 1}{cap}"
    options = [f"--{key}={_quoted(str(value))}" for key, value in given.items() if value is not None]
    return [*options, "--requeue", *settings.options]


def _quoted(value: str) -> str:
    """A value in an #SBATCH line, where sbatch knows quotation marks and backslashes."""
    if all(character.isalnum() or character in "-_./:%@+=,~" for character in value):
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _program(settings: SlurmSettings, folder: Path) -> list[str]:
    """The words that start qlit in a task."""
    if settings.container is None:
        return [sys.executable, "-m", "qlit"]
    gpus = ["--nv"] if settings.gpus_per_node else []
    bound = f"{Path.cwd()},{folder}"
    return ["apptainer", "exec", *gpus, "--bind", bound, "--pwd", str(Path.cwd()), settings.container, "qlit"]
