"""The processes of a training: how many its config asks for, and how they find each other.

The config decides. A training in one process is rank 0 of 1, whatever launchers left in the environment. One in several
processes starts them itself, unless a launcher started as many; another number is refused.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.plugins.environments.lsf import LSFEnvironment
from lightning.fabric.plugins.environments.mpi import MPIEnvironment
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning.pytorch.strategies import ParallelStrategy, Strategy
from lightning.pytorch.trainer.connectors.accelerator_connector import _AcceleratorConnector
from lightning.pytorch.utilities import rank_zero_only

from qlit.data import Notice
from qlit.jobs.distributed.launchers import OWN, Launcher, launcher_of, refuse_copies, taken


def cluster_environment(trainer: Mapping[str, Any], *, work: str | None = None) -> ClusterEnvironment | None:
    """How the processes of a training find each other; sets the variables that this needs.

    Args:
        trainer: Options of the trainer, instantiated.
        work: What copies of a training in one process would do, to refuse them if a launcher started several; None
            where they may.
    Returns:
        The environment to give to the trainer; None if the options have one of the user's own.

    Raises:
        ValueError: If a launcher started another number of processes than the config asks for, or copies of one.
        Otherwise as Lightning's Trainer: if there is no such accelerator, strategy or number of devices here.
    """
    rank_zero_only.rank = 0  # type: ignore[attr-defined]  # a strategy for several processes sets it again
    plugins = trainer["plugins"] if isinstance(trainer["plugins"], list) else [trainer["plugins"]]
    if (
        any(isinstance(plugin, ClusterEnvironment) for plugin in plugins)
        or getattr(trainer["strategy"], "cluster_environment", None) is not None
    ):
        os.environ.update(taken())
        return None
    num_devices, is_parallel = _devices(trainer)
    num_nodes = trainer["num_nodes"]
    if not is_parallel:
        if work is not None:
            refuse_copies(work)
        return LightningEnvironment()
    launcher = launcher_of(taken())
    if launcher is None:
        _start_own(num_nodes)
        return LightningEnvironment()
    if launcher.num_tasks not in (None, num_devices * num_nodes):
        raise ValueError(_of_another_size(launcher, num_devices, num_nodes))
    os.environ.update(launcher.variables)
    return _environment_of(launcher)


def _devices(trainer: Mapping[str, Any]) -> tuple[int, bool]:
    """Processes on each node, and whether the strategy is one for several."""
    strategy = trainer["strategy"]
    is_made = isinstance(strategy, Strategy)
    found = _AcceleratorConnector(
        accelerator=trainer["accelerator"],
        devices=trainer["devices"],
        num_nodes=trainer["num_nodes"],
        strategy="auto" if is_made else strategy,
        plugins=[LightningEnvironment()],  # so that it looks for no other
    )
    num_devices = len(found._parallel_devices)
    is_parallel = isinstance(strategy if is_made else found.strategy, ParallelStrategy)
    if not is_parallel and num_devices * trainer["num_nodes"] > 1:
        raise ValueError(
            f"trainer.devices {trainer['devices']} and trainer.num_nodes {trainer['num_nodes']} ask for "
            f"{num_devices * trainer['num_nodes']} processes, but trainer.strategy is for one; use ddp."
        )
    return num_devices, is_parallel


def _of_another_size(launcher: Launcher, num_devices: int, num_nodes: int) -> str:
    named = ("RANK", "LOCAL_RANK", "SLURM_PROCID", "TORCHELASTIC_RUN_ID", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE")
    names = [name for name in named if name in launcher.variables]
    started = "This command was started by hand" if launcher.name == "hand" else f"{launcher.name} started this command"
    return (
        f"{started} {launcher.num_tasks} times, but the config asks for {num_devices * num_nodes} processes "
        f"(trainer.devices {num_devices}, trainer.num_nodes {num_nodes}). Make the numbers equal, or start it once; if "
        f"variables are left over from something else: unset {' '.join(names)}."
    )


def _start_own(num_nodes: int) -> None:
    """Let Lightning start the processes of this node, which know by `OWN` that it did."""
    if num_nodes > 1:
        given, needed = taken(), ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK")
        if not all(given.get(name) for name in needed):
            raise ValueError(
                f"The config asks for {num_nodes} nodes (trainer.num_nodes), but no launcher started this process on "
                f"every one of them. Use srun or torchrun, or start it on each with {', '.join(needed)} set."
            )
        os.environ.update({name: given[name] for name in needed})
    os.environ[OWN] = str(os.getpid())


def _environment_of(launcher: Launcher) -> ClusterEnvironment:
    if launcher.name == "srun":
        os.environ.pop("SLURM_NTASKS", None)  # by which Lightning knows to resume the checkpoints of `check_requeued`
        assert launcher.num_tasks is not None
        return SlurmTasks(launcher.num_tasks)
    if launcher.name == "mpirun":
        if not MPIEnvironment.detect():
            raise ValueError(
                f"An MPI launcher started this command {launcher.num_tasks} times, but the package mpi4py, which the "
                "processes need to find each other, is not installed; install it, or use torchrun or srun."
            )
        return MPIEnvironment()
    if launcher.name == "torchrun":
        return TorchElasticEnvironment()
    return LSFEnvironment() if launcher.name == "jsrun" else LightningEnvironment()


@final
class SlurmTasks(SLURMEnvironment):
    """Slurm's environment without Lightning's automatic requeue.

    Lightning answers SIGUSR1 with a checkpoint `hpc_ckpt_N.ckpt` in the working folder, and any later job that starts
    there resumes the newest of them, whichever training wrote it.

    Args:
        num_tasks: Tasks of the step; SLURM_NTASKS may be that of the job.
    """

    def __init__(self, num_tasks: int) -> None:
        ClusterEnvironment.__init__(self)  # SLURMEnvironment's compares variables of the job
        self.auto_requeue, self.requeue_signal = False, None
        self._num_tasks = num_tasks

    def world_size(self) -> int:
        return self._num_tasks

    def validate_settings(self, num_devices: int, num_nodes: int) -> None:
        """Compares nothing: SLURM_NTASKS_PER_NODE and SLURM_NNODES may be those of the job, not of the step."""


def check_requeued(folder: str | Path) -> list[Notice]:
    """What to say of a requeued job's checkpoint in the folder of a training that begins; nothing outside Slurm.

    Raises:
        ValueError: If Lightning would resume it unasked, as it does with its own SLURMEnvironment among the plugins.
    """
    numbers = [
        int(match[1])
        for path in Path(folder).glob("hpc_ckpt_*.ckpt")
        if (match := re.fullmatch(r"hpc_ckpt_(\d+)\.ckpt", path.name))
    ]
    if not numbers or not any(name.startswith("SLURM_") for name in (*os.environ, *taken())):
        return []
    file = Path(folder) / f"hpc_ckpt_{max(numbers)}.ckpt"
    if "SLURM_NTASKS" in os.environ:  # put back for such a plugin; Lightning resumes where it finds it
        raise ValueError(
            f"Lightning's SLURMEnvironment would resume {file}, which may be of another training: name it with "
            "--ckpt_path, or move it away."
        )
    text = f"{file} was not resumed; this training started from the beginning (resume one with --ckpt_path)"
    return [Notice("requeued_checkpoint", text)]
