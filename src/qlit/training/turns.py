"""Several trainings in the threads of one process, of which one at a time runs Python.

A training has the turn until its steps of an epoch are launched. Then it passes the turn on, and takes it again when
its device has finished. So the steps of several trainings run on a GPU at the same time, in streams of their own. No
training sees another's global state: random number generators and the seed in the environment change with the turn.
"""

import os
import random
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple, final

import numpy as np
import torch

_SEEDS = ("PL_GLOBAL_SEED", "PL_SEED_WORKERS")  # where Lightning keeps the seed of a process


@final
class Turns:
    """Gives threads their turns, in the order in which they ask.

    Args:
        check: Called whenever a training takes the turn again; an error that it raises ends the training.
    """

    def __init__(self, check: Callable[[], None] = lambda: None) -> None:
        self._check = check
        self._asking: deque[int] = deque()
        self._changed = threading.Condition()

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Context in which this thread has the turn, and its training finds it by `turns_of_thread`."""
        self._take()
        token = _TURNS.set(self)
        try:
            with ExitStack() as stack:
                if torch.cuda.is_available():  # else the work of all trainings would be in one stream
                    stack.enter_context(torch.cuda.stream(torch.cuda.Stream()))  # type: ignore[no-untyped-call]
                yield
        finally:
            _TURNS.reset(token)
            self._give()

    def pass_on(self, wait: Callable[[], None] = lambda: None) -> None:
        """Let the others run, and return when it is this thread's turn again.

        Args:
            wait: Called without the turn; returns when the work of this training's device is done.
        """
        state = _State.now()
        self._give()
        try:
            wait()
        finally:
            self._take()
            state.restore()
        self._check()

    def _take(self) -> None:
        own = threading.get_ident()
        with self._changed:
            self._asking.append(own)
            self._changed.wait_for(lambda: self._asking[0] == own)

    def _give(self) -> None:
        with self._changed:
            self._asking.popleft()
            self._changed.notify_all()


_TURNS: ContextVar[Turns | None] = ContextVar("turns", default=None)


def turns_of_thread() -> Turns | None:
    """The turns of this thread; None if its training is the only one of the process."""
    return _TURNS.get()


class _State(NamedTuple):
    """Global state that a training changes."""

    seeds: dict[str, str | None]
    python: Any
    numpy: Any
    torch: torch.Tensor
    cuda: torch.Tensor | None
    is_deterministic: bool
    only_warns: bool

    @classmethod
    def now(cls) -> "_State":
        return cls(
            {name: os.environ.get(name) for name in _SEEDS},
            random.getstate(),
            np.random.get_state(),
            torch.get_rng_state(),
            torch.cuda.get_rng_state() if torch.cuda.is_initialized() else None,  # type: ignore[no-untyped-call]
            torch.are_deterministic_algorithms_enabled(),
            torch.is_deterministic_algorithms_warn_only_enabled(),
        )

    def restore(self) -> None:
        for name, value in self.seeds.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        random.setstate(self.python)
        np.random.set_state(self.numpy)
        torch.set_rng_state(self.torch)
        if self.cuda is not None:
            torch.cuda.set_rng_state(self.cuda)
        torch.use_deterministic_algorithms(self.is_deterministic, warn_only=self.only_warns)
