"""Seeds of a run by purpose, epoch and batch; equal in all processes and after a resume."""

import os
from functools import lru_cache
from typing import Literal, get_args

import numpy as np

Purpose = Literal["train", "val", "test", "dropout"]

_NUMBERS = {purpose: number for number, purpose in enumerate(get_args(Purpose))}
_AT_ONCE = 64


def seed_of(purpose: Purpose, epoch: int, number: int, *, run_seed: int | None = None) -> int:
    """Seed, of 63 bits, for one batch (or process) of one epoch, derived from the run's seed.

    Args:
        purpose: Use of the seed: shots of one of the three splits, or dropout.
        epoch: Epoch.
        number: Number of the batch in the epoch; for dropout, number of the process.
        run_seed: The run's seed; None for the one of this process, which Lightning stores in its environment.
    Cost: negligible, because seeds are drawn 64 at a time.
    """
    first, rest = divmod(number, _AT_ONCE)
    if run_seed is None:
        run_seed = int(os.environ.get("PL_GLOBAL_SEED", "0"))  # set by Lightning, also for child processes
    return _seeds(run_seed, _NUMBERS[purpose], epoch, first)[rest]


@lru_cache(maxsize=16)
def _seeds(*numbers: int) -> list[int]:
    words = np.random.SeedSequence(numbers).generate_state(2 * _AT_ONCE).reshape(-1, 2)
    return [first << 31 ^ second for first, second in words.tolist()]
