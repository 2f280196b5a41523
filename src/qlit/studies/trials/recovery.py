"""Trials whose worker is gone, and failed ones that are to be tried again."""

import time
from collections.abc import Sequence

from optuna.trial import FrozenTrial, TrialState

from qlit.tracking.processes import process_is_gone, process_tags

HEARTBEAT, RESTARTS, AGAIN, RETRY, DRAWN_AS = "heartbeat", "restarts", "again", "retry", "drawn_as"
"""Marks of a trial: its last sign of life; how often it was begun before; the number of the trial that it repeats; of
one that is to be repeated, the restarts of the next; and the number of the first trial in such a row, whose point of a
search all of them draw."""

STALE_S = 300.0
"""A trial without a sign of life for so long is taken for lost. Workers give one every 30 s, but none while they wait
for a storage that is away, for up to three minutes."""


def is_lost(trial: FrozenTrial) -> bool:
    """Whether a running trial's worker has ended, or is taken for ended."""
    marks = trial.user_attrs
    begun = trial.datetime_start.timestamp() if trial.datetime_start is not None else 0.0
    sign = float(marks.get(HEARTBEAT, begun))
    here = process_tags()
    if all(marks.get(name) == here[name] for name in ("qlit.host", "qlit.pid_space")):
        # A process that is there is not taken for lost because somebody set the clock.
        return process_is_gone(marks) or _unchanged_s(trial.number, sign) > STALE_S
    return time.time() - sign > STALE_S


_seen: dict[int, tuple[float, float]] = {}  # by trial: its last sign of life, and when this process saw that first


def _unchanged_s(number: int, sign: float) -> float:
    """Seconds since this process first saw this sign of life of a trial, by a clock that nobody sets."""
    if _seen.get(number, (None,))[0] != sign:
        _seen[number] = (sign, time.monotonic())
    return time.monotonic() - _seen[number][1]


def owed(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Failed trials that are to be tried again and of which that is not queued yet.

    To fail a trial and to queue the next are two steps, and the worker, its storage or its disk may end in between.
    """
    repeated = {trial.user_attrs.get(AGAIN) for trial in trials}
    return [
        trial
        for trial in trials
        if trial.state == TrialState.FAIL and RETRY in trial.user_attrs and trial.number not in repeated
    ]
