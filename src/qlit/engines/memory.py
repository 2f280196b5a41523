"""Check that statevectors fit into memory before they are allocated: a system without memory kills the process."""

import psutil
from torch import Tensor

_ASKED_FROM_BYTES = 2**28  # asking how much is free takes as long as a small circuit


def check_free(num_bytes: int, what: str, instead: str = "Take fewer qubits or a smaller batch.") -> None:
    """Raise a ValueError if the CPU's free memory does not hold `num_bytes`.

    Args:
        num_bytes: Bytes that are needed at once.
        what: What needs them, for the message: "The statevectors of a batch of 16".
        instead: What to do about it, a sentence.
    """
    if num_bytes < _ASKED_FROM_BYTES:
        return
    free = psutil.virtual_memory().available
    if num_bytes > free:
        raise ValueError(f"{what} need {_gib(num_bytes)} GiB, but {_gib(free)} GiB are free. {instead}")


def _gib(num_bytes: int) -> str:
    return f"{num_bytes / 2**30:{'.1f' if num_bytes < 2**60 else '.1e'}}"


def check_states(num_batches: int, batch_size: int, num_qubits: int, like: Tensor) -> None:
    """`check_free` for so many batches of statevectors, of the type of `like`, if that is on the CPU."""
    if like.device.type == "cpu":
        num_bytes = num_batches * batch_size * 2**num_qubits * like.itemsize
        check_free(num_bytes, f"The statevectors of a batch of {batch_size}")
