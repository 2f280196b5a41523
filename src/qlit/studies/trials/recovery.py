"""Find trials whose worker has died, and failed trials to retry."""

import time
from collections.abc import Sequence

from optuna.trial import FrozenTrial, TrialState

from qlit.tracking.processes import process_is_gone, process_tags

HEARTBEAT, RESTARTS, AGAIN, RETRY, DRAWN_AS = "heartbeat", "restarts", "again", "retry", "drawn_as"
"""Attributes of a trial: its last sign of life; the number of earlier attempts; the number of the trial that it
retries; for a trial to retry, the number of attempts of the next one; and the number of the first attempt, whose search
point all attempts draw."""

STALE_S = 300.0
"""Seconds without a sign of life after which a trial counts as lost. Workers send one every 30 s, but not while they
wait for an unreachable storage, for up to three minutes."""


def is_lost(trial: FrozenTrial) -> bool:
    """Whether a running trial's worker has ended, or counts as ended."""
    marks = trial.user_attrs
    begun = trial.datetime_start.timestamp() if trial.datetime_start is not None else 0.0
    sign = float(marks.get(HEARTBEAT, begun))
    here = process_tags()
    if all(marks.get(name) == here[name] for name in ("qlit.host", "qlit.pid_space")):
        # An existing process must not count as lost because the system clock was changed.
        return process_is_gone(marks) or _unchanged_s(trial.number, sign) > STALE_S
    return time.time() - sign > STALE_S


_seen: dict[int, tuple[float, float]] = {}  # by trial: last sign of life, and the time when this process first saw it


def _unchanged_s(number: int, sign: float) -> float:
    """Seconds, on a monotonic clock, since this process first saw this sign of life of a trial."""
    if _seen.get(number, (None,))[0] != sign:
        _seen[number] = (sign, time.monotonic())
    return time.monotonic() - _seen[number][1]


def owed(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Failed trials whose retry is due but not queued yet.

    Failing a trial and queueing its retry are two steps, and a worker, its storage or its disk may fail in between.
    """
    repeated = {trial.user_attrs.get(AGAIN) for trial in trials}
    return [
        trial
        for trial in trials
        if trial.state == TrialState.FAIL and RETRY in trial.user_attrs and trial.number not in repeated
    ]
