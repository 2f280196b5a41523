"""Check that statevectors fit into memory before they are allocated: a system without memory kills the process."""

import psutil
from torch import Tensor

_CHECKED_FROM_BYTES = 2**28  # a query for free memory takes as long as a small circuit


def check_free(num_bytes: int, what: str, instead: str = "Take fewer qubits or a smaller batch.") -> None:
    """Raise a ValueError if the CPU's free memory does not hold `num_bytes`.

    Args:
        num_bytes: Bytes that are needed at once.
        what: Subject of the message: "The statevectors of a batch of 16".
        instead: A way out, one sentence.
    """
    if num_bytes < _CHECKED_FROM_BYTES:
        return
    free = psutil.virtual_memory().available
    if num_bytes > free:
        raise ValueError(f"{what} need {_gib(num_bytes)} GiB, but {_gib(free)} GiB are free. {instead}")


def _gib(num_bytes: int) -> str:
    return f"{num_bytes / 2**30:{'.1f' if num_bytes < 2**60 else '.1e'}}"


def check_states(num_batches: int, batch_size: int, num_qubits: int, like: Tensor) -> None:
    """`check_free` for a number of batches of statevectors with the type of `like`, if `like` is on the CPU."""
    if like.device.type == "cpu":
        num_bytes = num_batches * batch_size * 2**num_qubits * like.itemsize
        check_free(num_bytes, f"The statevectors of a batch of {batch_size}")
