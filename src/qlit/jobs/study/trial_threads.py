"""Trials that a worker trains at the same time, each in a thread of its own."""

import threading
from collections.abc import Callable
from typing import final

from qlit.studies.trials.claim import Claimed
from qlit.training.turns import Turns


@final
class TrialThreads:
    """Threads that train trials and take turns.

    Args:
        run: Trains a trial; returns whether it finished.
        turns: Whose turn it is to run Python.
    """

    def __init__(self, run: Callable[[Claimed], bool], turns: Turns) -> None:
        self._run, self._turns = run, turns
        self._threads: list[threading.Thread] = []
        self._ended = threading.Condition()
        self._num_finished = 0
        self.error: BaseException | None = None
        """The first error that ended a thread, after which no trial should start."""

    @property
    def num_running(self) -> int:
        """Number of trials that are being trained."""
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        return len(self._threads)

    def start(self, claimed: Claimed) -> None:
        """Train a trial beside the others."""
        thread = threading.Thread(target=self._work, args=(claimed,), name=f"trial {claimed.trial.number}")
        self._threads.append(thread)
        thread.start()

    def wait(self, seconds: float) -> None:
        """Return when a trial ends, or after so many seconds."""
        with self._ended:
            self._ended.wait(seconds)

    def join(self) -> int:
        """Wait until no trial is being trained; return how many finished.

        Raises: The first error that ended a thread.
        """
        for thread in self._threads:
            thread.join()
        if self.error is not None:
            raise self.error
        return self._num_finished

    def _work(self, claimed: Claimed) -> None:
        try:
            with self._turns.taken():
                self._num_finished += self._run(claimed)
        except BaseException as error:  # the worker's main thread raises it
            self.error = self.error or error
        with self._ended:
            self._ended.notify_all()
