"""A body of two numbers a text, that writes down what it was asked for."""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray


class CountingBody:
    """Stands for a sentence transformer: the vector tells its text, and who was asked for what is written down."""

    def __init__(self, log: Path, pause_s: float = 0.0) -> None:
        self.log, self.pause_s = log, pause_s

    def encode(self, texts: Sequence[str], *, batch_size: int, show_progress_bar: bool) -> NDArray[np.float32]:
        assert batch_size == len(texts)
        assert not show_progress_bar
        time.sleep(self.pause_s)
        with self.log.open("a") as file:
            file.writelines(f"{text}\n" for text in texts)
        return np.array([[len(text), int(text.split()[-1])] for text in texts], dtype=np.float32)


def numbered(count: int) -> list[str]:
    return [f"{'word ' * (n % 7)}{n}" for n in range(count)]


def expected(texts: Sequence[str]) -> torch.Tensor:
    return torch.tensor([[len(text), int(text.split()[-1])] for text in texts], dtype=torch.float32)
