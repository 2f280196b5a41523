"""Run small operations of torch on one thread."""

from typing import final

import torch

MOST_NUMBERS = 2**15
"""Size from which on torch uses threads for most operations; some, such as Adam, use them for any size."""


@final
class OneThread:
    """Context in which torch uses one thread, because to wake others takes longer than a small operation."""

    def __enter__(self) -> None:
        self._num_threads = torch.get_num_threads()
        torch.set_num_threads(1)

    def __exit__(self, *_: object) -> None:
        torch.set_num_threads(self._num_threads)
