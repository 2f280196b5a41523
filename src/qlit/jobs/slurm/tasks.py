"""The processes of a submitted fit: one per task of the job."""

from collections.abc import Mapping
from typing import Any

from qlit.jobs.slurm.settings import SlurmSettings


def task_options(trainer: Mapping[str, Any], settings: SlurmSettings) -> list[str]:
    """Options of `qlit fit` that make every task of a job one process of the training.

    Args:
        trainer: Options of the trainer, as the config has them.
        settings: Nodes and tasks of the job.
    Returns:
        The options; empty for one task, in which the training is as the config says.
    Raises:
        ValueError: If the config asks for other numbers than the Slurm file.
    """
    if settings.num_tasks == 1:
        return []
    wanted = {"devices": settings.tasks_per_node, "num_nodes": settings.nodes}
    defaults = {"devices": "auto", "num_nodes": 1}
    for key, number in wanted.items():
        if str(trainer[key]) not in (str(number), str(defaults[key])):
            raise ValueError(
                f"The Slurm file starts {settings.tasks_per_node} tasks on each of {settings.nodes} nodes, but the "
                f"config has trainer.{key} {trainer[key]}: leave it out, or make the numbers equal."
            )
    options = [f"--trainer.{key}={number}" for key, number in wanted.items()]
    return [*options, "--trainer.strategy=ddp"] if trainer["strategy"] == "auto" else options
