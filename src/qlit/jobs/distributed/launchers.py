"""Launchers (srun, torchrun, mpirun): which one started this process as one of several.

A launcher tells its tasks their ranks by environment variables. Shells, batch scripts and allocations hand these on to
programs that no launcher started, and Lightning believes them when it is imported: a process of "rank 1" tracks and
prints nothing. So `take` removes them first. `cluster.py` gives them back to a training that asks for several processes
and was started as one of that many.
"""

import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

OWN = "QLIT_RANK_OF"
"""Process id of the training whose ranks inherit it."""

_NAMES = frozenset(
    {"RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "NODE_RANK", "GROUP_RANK", "GROUP_WORLD_SIZE"}
    | {"ROLE_RANK", "ROLE_NAME", "ROLE_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "MPI_LOCALRANKID", "MPI_LOCALNRANKS"}
    | {"SLURM_PROCID", "SLURM_LOCALID", "SLURM_NODEID", "SLURM_NTASKS", "SLURM_NPROCS", "SLURM_NTASKS_PER_NODE"}
    | {"SLURM_TASKS_PER_NODE", "SLURM_GTIDS", "SLURM_TASK_PID", "FLUX_TASK_RANK", "FLUX_TASK_LOCAL_ID"}
    | {"PL_GLOBAL_SEED", "PL_SEED_WORKERS", OWN}  # Lightning's, for the ranks that it starts itself
)
_PREFIXES = ("SLURM_STEP", "TORCHELASTIC_", "OMPI_COMM_WORLD_", "PMI_", "PMIX_", "JSM_NAMESPACE_")
_NO_STEPS = 4294967280  # Slurm's step numbers from here on are batch scripts and interactive shells
# Programs between a launcher and a task that change nothing of the command.
_WRAPPERS = frozenset({"timeout", "nice", "ionice", "numactl", "taskset", "time", "stdbuf", "nohup", "setsid", "uv"})
_STARTERS = {
    "srun": {"slurmstepd"},
    "torchrun": {"torchrun", "pt_elastic", "torch.distributed.run"},
    "mpirun": {"mpirun", "mpiexec", "orterun", "orted", "prterun", "prted", "mpiexec.hydra", "hydra_pmi_proxy"},
    "jsrun": {"jsrun", "jsmd"},
}

_taken: dict[str, str] = {}


@dataclass(frozen=True)
class Launcher:
    """What started this process as one of several.

    Args:
        name: Of the program; "qlit" for the ranks of a training that it started itself, and "hand" for processes that
            were started one by one.
        rank: Of this process, 0 to `num_tasks` - 1; None where the variables do not say it.
        num_tasks: Number of processes; None where the variables do not say it.
        variables: What the launcher set.
    """

    name: str
    rank: int | None
    num_tasks: int | None
    variables: Mapping[str, str] = field(repr=False)


def take() -> None:
    """Take the variables of launchers out of the environment, so that child processes do not inherit them.

    To be called before anything imports Lightning.
    """
    _taken.clear()
    found = {name: os.environ.pop(name) for name in list(os.environ) if _is_of_launchers(name)}
    if found.get(OWN) != str(os.getpid()):  # else Lightning set them, for ranks of an earlier training of this process
        _taken.update(found)


def taken() -> dict[str, str]:
    """The variables that `take` took."""
    return dict(_taken)


def without_launchers(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment without the variables of launchers, for a child process that is no rank."""
    return {name: value for name, value in environment.items() if not _is_of_launchers(name)}


def local_rank() -> int:
    """The rank that a training which this process belongs to gave it; 0 in any other process."""
    launcher = launcher_of(_taken)
    return launcher.rank or 0 if launcher is not None and launcher.name == "qlit" else 0


def refuse_copies(what: str) -> None:
    """Raise a ValueError if a launcher started the same command several times, and every one would do `what`.

    A script between launcher and command may give every task work of its own: then a line says which task this is.
    """
    launcher = launcher_of(_taken)
    if launcher is None or launcher.name == "qlit" or (launcher.num_tasks or 1) < 2:
        return
    starter, is_direct = _starter()
    if starter != launcher.name:  # its variables are left over
        return
    if is_direct:
        raise ValueError(
            f"{starter} started this command {launcher.num_tasks} times, and every one of them would {what}. Start it "
            "once, or let all of them train one model: `qlit fit --trainer.strategy ddp` with as many "
            "--trainer.devices."
        )
    task = f"rank {launcher.rank} of {launcher.num_tasks} that {starter} started"
    print(f"qlit: {task} works alone, as its options say", file=sys.stderr, flush=True)


def launcher_of(variables: Mapping[str, str]) -> Launcher | None:
    """The launcher whose variables are complete and name more than one process; None where there is none.

    Raises:
        ValueError: If this process is a rank whose training has ended.
    """

    def numbers(*names: str) -> list[int] | None:
        texts = [variables.get(name, "").strip() for name in names]
        return [int(text) for text in texts] if all(text.isdecimal() for text in texts) else None

    if OWN in variables:
        if variables[OWN] != str(os.getppid()):
            raise ValueError(f"The process that started this rank of a training has ended; if none did, unset {OWN}.")
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
    for name, told in found:
        if told is not None and told[1] > 1:
            return Launcher(name, told[0], told[1], variables)
    # Processes that are started one by one need a port in common; without it, a rank is left over from something else.
    if numbers("LOCAL_RANK", "MASTER_PORT"):
        size, rank = numbers("WORLD_SIZE"), numbers("RANK")
        if size is None or size[0] > 1:
            return Launcher("hand", rank[0] if rank else None, size[0] if size else None, variables)
    return None


def _is_of_launchers(name: str) -> bool:
    return name in _NAMES or name.startswith(_PREFIXES)


def _starter() -> tuple[str, bool]:
    """The launcher among the processes above this one, and whether nothing in between can change the command."""
    is_direct = True
    for names in _ancestors():
        for launcher, starters in _STARTERS.items():
            if starters & names:
                return launcher, is_direct
        is_direct = is_direct and bool(_WRAPPERS & names)
    return "", False


def _is_in_batch_script() -> bool:
    """Whether the nearest program of Slurm above this process is a batch script: it hands on variables of old steps."""
    for names in _ancestors():
        if names & {"slurmstepd", "slurm_script"}:
            return "slurm_script" in names
    return False


def _ancestors() -> Iterator[set[str]]:
    """Names of the processes above this one, nearest first: of the program, and of a script or module that it runs."""
    import psutil

    try:
        for process in psutil.Process().parents():
            yield {process.name(), *(word.rpartition("/")[2] for word in process.cmdline()[1:3])}
    except psutil.Error:  # it has ended, or is another user's
        return
