"""Check that the engines of a head can run here, in the precision of the trainer."""

import torch

from qlit.heads import Head
from qlit.jobs.estimates.circuits import circuits_of


def check_engines(head: Head) -> None:
    """Raise a ValueError if an engine of a head lacks a package, a plugin or a key."""
    for used in circuits_of(head, torch.device("cpu")).values():
        if missing := used.engine.missing():
            raise ValueError(missing)


def check_precision(head: Head, precision: str) -> None:
    """Raise a ValueError if a trainer's precision gives the parameters of circuits a type that their engine lacks.

    Args:
        head: The head.
        precision: Option `precision` of a trainer, such as "bf16-true". Mixed precision does not change parameters.
    """
    dtype = {"16-true": torch.float16, "bf16-true": torch.bfloat16}.get(precision)
    for used in circuits_of(head, torch.device("cpu")).values():
        supported = used.engine.capabilities.dtypes
        if dtype is not None and dtype not in supported:
            raise ValueError(
                f"With `trainer.precision: {precision}` the angles of a circuit would be "
                f"{str(dtype).removeprefix('torch.')}, but engine {used.engine.name!r} computes in "
                f"{' and '.join(str(each).removeprefix('torch.') for each in supported)}. Use 32-true, 64-true or "
                f"{precision.replace('true', 'mixed')}."
            )
