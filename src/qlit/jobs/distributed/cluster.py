"""The processes of a training: how many the config requests, and how they find each other.

The config decides. A training in one process is rank 0 of 1, even if launchers left other values in the environment. A
training in several processes starts them itself, unless a launcher started the same number; another number is refused.
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
from qlit.jobs.distributed.launchers import RANK_OF, Launcher, launcher_of, refuse_copies, removed_variables


def cluster_environment(trainer: Mapping[str, Any], *, work: str | None = None) -> ClusterEnvironment | None:
    """Choose how the processes of a training find each other, and set the environment variables for it.

    Args:
        trainer: Options of the trainer, instantiated.
        work: What every copy of a training in one process would do, for the message that refuses copies; None to allow
            them.
    Returns:
        The cluster environment for the trainer; None if the options contain one.

    Raises:
        ValueError: If a launcher started another number of processes than the config requests, or copies of a training
            in one process.
        MisconfigurationException and others of Lightning's Trainer: If the accelerator, strategy or number of devices
            is not available here.
    """
    rank_zero_only.rank = 0  # type: ignore[attr-defined]  # a strategy for several processes sets it later
    plugins = trainer["plugins"] if isinstance(trainer["plugins"], list) else [trainer["plugins"]]
    if (
        any(isinstance(plugin, ClusterEnvironment) for plugin in plugins)
        or getattr(trainer["strategy"], "cluster_environment", None) is not None
    ):
        os.environ.update(removed_variables())
        return None
    num_devices, is_parallel = _devices(trainer)
    num_nodes = trainer["num_nodes"]
    if not is_parallel:
        if work is not None:
            refuse_copies(work)
        return LightningEnvironment()
    launcher = launcher_of(removed_variables())
    if launcher is None:
        _start_own(num_nodes)
        return LightningEnvironment()
    if launcher.num_tasks not in (None, num_devices * num_nodes):
        raise ValueError(_size_mismatch(launcher, num_devices, num_nodes))
    os.environ.update(launcher.variables)
    return _environment_of(launcher)


def _devices(trainer: Mapping[str, Any]) -> tuple[int, bool]:
    """Number of processes per node, and whether the strategy is for several processes."""
    strategy = trainer["strategy"]
    is_instance = isinstance(strategy, Strategy)
    found = _AcceleratorConnector(
        accelerator=trainer["accelerator"],
        devices=trainer["devices"],
        num_nodes=trainer["num_nodes"],
        strategy="auto" if is_instance else strategy,
        plugins=[LightningEnvironment()],  # else it would detect one
    )
    num_devices = len(found._parallel_devices)
    is_parallel = isinstance(strategy if is_instance else found.strategy, ParallelStrategy)
    if not is_parallel and num_devices * trainer["num_nodes"] > 1:
        raise ValueError(
            f"trainer.devices {trainer['devices']} and trainer.num_nodes {trainer['num_nodes']} ask for "
            f"{num_devices * trainer['num_nodes']} processes, but trainer.strategy is for one; use ddp."
        )
    return num_devices, is_parallel


def _size_mismatch(launcher: Launcher, num_devices: int, num_nodes: int) -> str:
    named = ("RANK", "LOCAL_RANK", "SLURM_PROCID", "TORCHELASTIC_RUN_ID", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE")
    names = [name for name in named if name in launcher.variables]
    started = "This command was started by hand" if launcher.name == "hand" else f"{launcher.name} started this command"
    return (
        f"{started} {launcher.num_tasks} times, but the config asks for {num_devices * num_nodes} processes "
        f"(trainer.devices {num_devices}, trainer.num_nodes {num_nodes}). Make the numbers equal, or start it once; if "
        f"variables are left over from something else: unset {' '.join(names)}."
    )


def _start_own(num_nodes: int) -> None:
    """Let Lightning start the processes of this node; `RANK_OF` marks them as ranks of this training."""
    if num_nodes > 1:
        given, needed = removed_variables(), ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK")
        if not all(given.get(name) for name in needed):
            raise ValueError(
                f"The config asks for {num_nodes} nodes (trainer.num_nodes), but no launcher started this process on "
                f"every one of them. Use srun or torchrun, or start it on each with {', '.join(needed)} set."
            )
        os.environ.update({name: given[name] for name in needed})
    os.environ[RANK_OF] = str(os.getpid())


def _environment_of(launcher: Launcher) -> ClusterEnvironment:
    if launcher.name == "srun":
        os.environ.pop("SLURM_NTASKS", None)  # else Lightning resumes the checkpoints of `check_requeued`
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

    On SIGUSR1, Lightning writes a checkpoint `hpc_ckpt_N.ckpt` to the working folder, and every later job that starts
    there resumes the newest of them, even if another training wrote it.

    Args:
        num_tasks: Number of tasks of the step; SLURM_NTASKS may be the number of the job.
    """

    def __init__(self, num_tasks: int) -> None:
        ClusterEnvironment.__init__(self)  # that of SLURMEnvironment compares variables of the job
        self.auto_requeue, self.requeue_signal = False, None
        self._num_tasks = num_tasks

    def world_size(self) -> int:
        return self._num_tasks

    def validate_settings(self, num_devices: int, num_nodes: int) -> None:
        """Accept everything: SLURM_NTASKS_PER_NODE and SLURM_NNODES may belong to the job instead of the step."""


def check_requeued(folder: str | Path) -> list[Notice]:
    """Notice about a requeued job's checkpoint in the folder of a new training; none outside Slurm.

    Raises:
        ValueError: If Lightning would resume the checkpoint by itself, because its SLURMEnvironment is a plugin.
    """
    numbers = [
        int(match[1])
        for path in Path(folder).glob("hpc_ckpt_*.ckpt")
        if (match := re.fullmatch(r"hpc_ckpt_(\d+)\.ckpt", path.name))
    ]
    if not numbers or not any(name.startswith("SLURM_") for name in (*os.environ, *removed_variables())):
        return []
    file = Path(folder) / f"hpc_ckpt_{max(numbers)}.ckpt"
    if "SLURM_NTASKS" in os.environ:  # set for such a plugin; then Lightning resumes
        raise ValueError(
            f"Lightning's SLURMEnvironment would resume {file}, which may be of another training: name it with "
            "--ckpt_path, or move it away."
        )
    text = f"{file} was not resumed; this training started from the beginning (resume one with --ckpt_path)"
    return [Notice("requeued_checkpoint", text)]
