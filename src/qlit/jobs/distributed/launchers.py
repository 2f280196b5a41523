"""Launchers (srun, torchrun, mpirun): which one started this process as one of several.

A launcher passes ranks to its tasks in environment variables. Programs that no launcher started inherit these variables
from shells, batch scripts and allocations, and Lightning reads them when it is imported: a process of "rank 1" neither
tracks nor prints anything. So `remove_variables` removes them first. `cluster.py` restores them for a training that
requests several processes and was started as one of that number.
"""

import os
import re
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

RANK_OF = "QLIT_RANK_OF"
"""Environment variable that ranks inherit: the process id of their training."""

_NAMES = frozenset(
    {"RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "NODE_RANK", "GROUP_RANK", "GROUP_WORLD_SIZE"}
    | {"ROLE_RANK", "ROLE_NAME", "ROLE_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "MPI_LOCALRANKID", "MPI_LOCALNRANKS"}
    | {"SLURM_PROCID", "SLURM_LOCALID", "SLURM_NODEID", "SLURM_NTASKS", "SLURM_NPROCS", "SLURM_NTASKS_PER_NODE"}
    | {"SLURM_TASKS_PER_NODE", "SLURM_GTIDS", "SLURM_TASK_PID", "FLUX_TASK_RANK", "FLUX_TASK_LOCAL_ID"}
    | {"PL_GLOBAL_SEED", "PL_SEED_WORKERS", RANK_OF}  # Lightning sets the first two for ranks that it starts
)
_PREFIXES = ("SLURM_STEP", "TORCHELASTIC_", "OMPI_COMM_WORLD_", "PMI_", "PMIX_", "JSM_NAMESPACE_")
_NO_STEPS = 4294967280  # Slurm's step numbers from here on are batch scripts and interactive shells
# Programs between a launcher and a task that do not change the command.
_WRAPPERS = frozenset({"timeout", "nice", "ionice", "numactl", "taskset", "time", "stdbuf", "nohup", "setsid", "uv"})
_STARTERS = {
    "srun": {"slurmstepd"},
    "torchrun": {"torchrun", "pt_elastic", "torch.distributed.run"},
    "mpirun": {"mpirun", "mpiexec", "orterun", "orted", "prterun", "prted", "mpiexec.hydra", "hydra_pmi_proxy"},
    "jsrun": {"jsrun", "jsmd"},
}

_START_S = 1.0  # in which slurmstepd starts all tasks of a machine
_MOST_NODES = 100_000

_removed: dict[str, str] = {}


class _Task:
    """Result of `remove_variables` for a task of srun."""

    has_own_work = False


@dataclass(frozen=True)
class Launcher:
    """What started this process as one of several.

    Args:
        name: Name of the program; "qlit" for ranks that a training of qlit started, and "hand" for processes that
            somebody started one by one.
        rank: Rank of this process, 0 to `num_tasks` - 1; None if no variable contains it.
        num_tasks: Number of processes; None if no variable contains it.
        variables: Variables that the launcher set.
    """

    name: str
    rank: int | None
    num_tasks: int | None
    variables: Mapping[str, str] = field(repr=False)


def remove_variables() -> None:
    """Remove the variables of launchers from the environment, so that child processes do not inherit them.

    Call this before the first import of Lightning.
    """
    _removed.clear()
    _Task.has_own_work = False
    found = {name: os.environ.pop(name) for name in list(os.environ) if _is_of_launchers(name)}
    if found.get(RANK_OF) != str(os.getpid()):  # else Lightning set them for ranks of an earlier training here
        _removed.update(found)
        _Task.has_own_work = _has_own_work(found)


def removed_variables() -> dict[str, str]:
    """The variables that `remove_variables` removed."""
    return dict(_removed)


def without_launchers(environment: Mapping[str, str]) -> dict[str, str]:
    """Copy an environment without the variables of launchers, for a child process that is not a rank."""
    return {name: value for name, value in environment.items() if not _is_of_launchers(name)}


def local_rank() -> int:
    """Rank of this process in the training of qlit that started it; 0 in any other process."""
    launcher = launcher_of(_removed)
    return launcher.rank or 0 if launcher is not None and launcher.name == "qlit" else 0


def refuse_copies(what: str) -> None:
    """Raise a ValueError if a launcher started the same command several times, and every copy would do `what`.

    A shell between launcher and command may give different work to every task; then a message names this task.
    """
    launcher = launcher_of(_removed)
    if launcher is None or launcher.name == "qlit" or (launcher.num_tasks or 1) < 2:
        return
    starter, is_direct = _starter()
    if starter != launcher.name:  # the variables are inherited from an earlier launcher
        return
    if is_direct and not (starter == "srun" and _Task.has_own_work):
        raise ValueError(
            f"{starter} started this command {launcher.num_tasks} times, and every copy would {what}. Start it "
            "once, or let all copies train one model: `qlit fit --trainer.strategy ddp` with as many "
            "--trainer.devices."
        )
    task = f"rank {launcher.rank} of {launcher.num_tasks} that {starter} started"
    print(f"qlit: {task} works alone, as its options say", file=sys.stderr, flush=True)


def launcher_of(variables: Mapping[str, str]) -> Launcher | None:
    """The launcher whose variables are complete and name more than one process; None if there is none.

    Raises:
        ValueError: If this process is a rank of a training that has ended.
    """

    def numbers(*names: str) -> list[int] | None:
        texts = [variables.get(name, "").strip() for name in names]
        return [int(text) for text in texts] if all(text.isdecimal() for text in texts) else None

    if RANK_OF in variables:
        if variables[RANK_OF] != str(os.getppid()):
            raise ValueError(f"The process that started this rank has ended; if none did, unset {RANK_OF}.")
        own_rank, own_tasks = numbers("LOCAL_RANK", "WORLD_SIZE") or [0, 1]
        kept = {name: value for name, value in variables.items() if name in _NAMES and not name.startswith("SLURM_")}
        return Launcher("qlit", own_rank, own_tasks, kept)
    found: list[tuple[str, list[int] | None]] = []
    if {"TORCHELASTIC_RUN_ID", "MASTER_ADDR"} <= variables.keys():
        found.append(("torchrun", numbers("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_PORT")))
    if step := numbers("SLURM_STEP_ID"):
        if step[0] < _NO_STEPS and not _is_in_batch_script():
            found.append(("srun", numbers("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID", "SLURM_NODEID")))
    elif os.environ.get("ENVIRONMENT") != "BATCH":  # set by sbatch
        found.append(("srun", numbers("SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID", "SLURM_NODEID")))
    found += [
        ("jsrun", numbers("JSM_NAMESPACE_RANK", "JSM_NAMESPACE_SIZE", "JSM_NAMESPACE_LOCAL_RANK")),
        ("mpirun", numbers("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE")),
        ("mpirun", numbers("PMI_RANK", "PMI_SIZE")),
    ]
    for name, values in found:
        if values is not None and values[1] > 1:
            return Launcher(name, values[0], values[1], variables)
    # Processes that are started one by one need a common port; without it, the rank is inherited from something else.
    if numbers("LOCAL_RANK", "MASTER_PORT"):
        size, rank = numbers("WORLD_SIZE"), numbers("RANK")
        if size is None or size[0] > 1:
            return Launcher("hand", rank[0] if rank else None, size[0] if size else None, variables)
    return None


def _is_of_launchers(name: str) -> bool:
    return name in _NAMES or name.startswith(_PREFIXES)


def _starter() -> tuple[str, bool]:
    """The launcher among the ancestors of this process, and whether nothing in between can change the command."""
    is_direct = True
    for names in _ancestors():
        for launcher, starters in _STARTERS.items():
            if starters & names:
                return launcher, is_direct
        is_direct = is_direct and bool(_WRAPPERS & names)
    return "", False


def _has_own_work(variables: Mapping[str, str]) -> bool:
    """Whether srun started a shell that this process has replaced: `srun bash -c 'qlit ..'`.

    Bash runs its last command in its own process. Then the tasks of this machine have different command lines, or some
    are still shells. If this is the only task of the machine, the variable `_`, which bash sets to the program that it
    runs, names this program.

    Call this early, when all tasks exist and none has ended.
    """
    num_tasks = _tasks_here(variables)
    if num_tasks == 0:
        return False
    if num_tasks == 1:
        return Path(os.environ.get("_", "")).name in (Path(sys.executable).name, Path(sys.argv[0]).name)
    deadline = time.monotonic() + _START_S
    while len(tasks := _command_lines()) < num_tasks and time.monotonic() < deadline:
        time.sleep(0.01)  # slurmstepd has not started all of them
    return len(set(tasks)) > 1 or 0 < len(tasks) < num_tasks


def _tasks_here(variables: Mapping[str, str]) -> int:
    """Tasks on this machine of a step with several tasks, from "2(x3),1"; 0 without such a step."""
    if not variables.get("SLURM_STEP_NUM_TASKS", "").isdecimal() or int(variables["SLURM_STEP_NUM_TASKS"]) < 2:
        return 0
    counts: list[int] = []
    for count, times in re.findall(r"(\d+)(?:\(x(\d+)\))?", variables.get("SLURM_STEP_TASKS_PER_NODE", "")):
        counts += [int(count)] * min(int(times or 1), _MOST_NODES)
    node = variables.get("SLURM_NODEID", "")
    return counts[int(node)] if node.isdecimal() and int(node) < len(counts) else 0


def _command_lines() -> list[tuple[str, ...]]:
    """Command lines of the tasks of srun on this machine; empty if this process is not directly below slurmstepd."""
    import psutil

    with suppress(psutil.Error):
        for process in psutil.Process().parents():
            if process.name() in _STARTERS["srun"]:
                lines = [tuple(task.cmdline()) for task in process.children()]
                return [line for line in lines if line and not line[0].startswith("slurmstepd")]
    return []


def _is_in_batch_script() -> bool:
    """Whether the nearest ancestor of Slurm is a batch script, which passes on variables of earlier steps."""
    for names in _ancestors():
        if names & {"slurmstepd", "slurm_script"}:
            return "slurm_script" in names
    return False


def _ancestors() -> Iterator[set[str]]:
    """Names of the ancestors of this process, nearest first: program, and the script or module that it runs."""
    import psutil

    try:
        for process in psutil.Process().parents():
            yield {process.name(), *(word.rpartition("/")[2] for word in process.cmdline()[1:3])}
    except psutil.Error:  # it has ended, or belongs to another user
        return
