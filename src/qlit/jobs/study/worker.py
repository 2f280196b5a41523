"""A worker: trains the trials of a study one after another until all are finished, or until it must stop."""

import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from qlit.data.contents import Contents
from qlit.jobs.callbacks.pruning import GiveUp
from qlit.jobs.job import Job
from qlit.jobs.outcome import Outcome
from qlit.jobs.study.contents import recorded_contents
from qlit.jobs.study.processes import LostError, reason_of
from qlit.jobs.study.setup import job_of, replicate_of
from qlit.jobs.study.trial import train
from qlit.jobs.study.trial_threads import TrialThreads
from qlit.runtime.errors import UsageError, is_about_input
from qlit.runtime.interrupts import Interrupts, StoppedBySignal
from qlit.runtime.quiet import is_quiet
from qlit.runtime.retry import OutageError, cause_of, is_outage, no_retries
from qlit.runtime.secrets import scrub
from qlit.studies.cell_results import note_of
from qlit.studies.definition import Replicate
from qlit.studies.screened import searched_text
from qlit.studies.trials.claim import Claimed
from qlit.studies.trials.contents import ChangedError, contents_key
from qlit.studies.trials.diverged import DIVERGED
from qlit.studies.trials.storage_retry import retry_storage
from qlit.studies.trials.trials import Trials
from qlit.training.turns import Turns

_HEARTBEAT_S = 30.0
_POLL_S = 1.0  # between checks of the trials of other workers
_MOST_FAILURES = 5  # in a row; then all trials probably have the same error


@dataclass
class Worker:
    """A worker on the trials of a study.

    Args:
        trials: The trials of the study.
        parent_run: Id of the study's own MLflow run, the parent of the runs of its trainings.
        interrupts: Signals of this process.
        parent: Process id of the command that started this worker, with which it ends; None without one.
        trials_at_once: Most trials that it trains at the same time.
    """

    trials: Trials
    parent_run: str
    interrupts: Interrupts
    parent: int | None = None
    trials_at_once: int = 1
    _failures: int = field(default=0, init=False)

    def work(self, hours: float | None = None) -> int:
        """Train trials until all are finished, a signal arrives or the time is over; return how many were trained.

        Args:
            hours: Maximum number of hours; no trial starts after that. None for no limit.
        Raises:
            OutageError: If the storage, MLflow or disk space stays unavailable.
            ValueError: If many trials fail in a row, or data, body or settings have changed since the study started.
        """
        deadline = None if hours is None else time.monotonic() + 3600 * hours
        if self.trials_at_once > 1:
            return self._work_at_once(deadline)
        done = 0
        while not self._must_end(deadline):
            found = self._next()
            if isinstance(found, Claimed):
                done += self._run(found)
            elif found == "none left":
                break
            elif found == "none now":  # other workers train the last trials, and may be killed
                time.sleep(_POLL_S)
        return done

    def _work_at_once(self, deadline: float | None) -> int:
        """`work` with several trials at the same time."""
        turns = Turns(self.interrupts.raise_if_stopped)
        threads = TrialThreads(self._run, turns)
        try:
            while threads.error is None and not self._must_end(deadline):
                if threads.num_running == self.trials_at_once:
                    threads.wait(_POLL_S)
                    continue
                with turns.taken():  # a sampler draws random numbers
                    found = self._next()
                if isinstance(found, Claimed):
                    threads.start(found)
                elif found == "none left":
                    break
                elif found == "none now":
                    threads.wait(_POLL_S)
        finally:
            done = threads.join()
        return done

    def _next(self) -> Claimed | Literal["none left", "none now", "look again"]:
        """The next trial, claimed."""
        for number in retry_storage(self.trials.recover):
            self._say(f"trial {number} was lost with its process; it is queued again")
        claimed: Claimed | None = retry_storage(self.trials.claim)
        if claimed is not None:
            return claimed
        if (screened := retry_storage(self.trials.begin_search)) is not None:
            self._say(f"the screening is finished; {searched_text(screened)}")
            return "look again"
        return "none left" if retry_storage(lambda: self.trials.is_finished) else "none now"

    def _must_end(self, deadline: float | None) -> bool:
        orphaned = self.parent is not None and os.getppid() != self.parent
        too_late = deadline is not None and time.monotonic() > deadline
        if self.interrupts.signal is not None or orphaned or too_late:
            return True
        return retry_storage(lambda: self.trials.stop_is_asked)

    def _run(self, claimed: Claimed) -> bool:
        """Train a trial; whether it finished."""
        name = f"trial {claimed.trial.number}"
        levels = ", ".join(f"{factor} {level}" for factor, level in claimed.cell.items())
        if not is_quiet():
            self._say(f"{name}: {levels}")
        begun = time.monotonic()
        try:
            with self._heartbeat(claimed):
                outcomes = self._trained(claimed)
        except LostError as lost:
            why = str(lost)
            retry_storage(lambda: self.trials.lose(claimed, why))
            self._say(f"{name} was lost: {why}")
            return False
        except ChangedError as changed:  # not an error of this trial; no other trial can be trained either
            reason = str(changed)
            retry_storage(lambda: self.trials.give_back(claimed, reason))
            raise
        except Exception as error:
            if is_outage(error):  # not an error of the trial; another worker or the next `run` trains it
                cause = cause_of(error)
                with suppress(OutageError), no_retries():  # otherwise it is recovered as a lost trial
                    retry_storage(lambda: self.trials.give_back(claimed, cause))
                raise error if isinstance(error, OutageError) else OutageError(cause) from error
            reason = reason_of(error)
            retry_storage(lambda: claimed.trial.set_user_attr("error", scrub(reason)[:2000]))
            retry_storage(lambda: self.trials.finish(claimed, None))
            if os.environ.get("QLIT_TRACEBACK") or not is_about_input(error):
                traceback.print_exc()  # into the worker's log; the study continues
            self._say(f"{name} failed: {reason}")
            self._failures += 1
            if self._failures >= _MOST_FAILURES:
                raise ValueError(f"{self._failures} trials failed one after the other; the last: {reason}") from error
            return False
        last = outcomes[-1]
        if last.stopped_by is not None:
            cause = f"stopped by {last.stopped_by.name}"
            retry_storage(lambda: self.trials.give_back(claimed, cause))
            return False
        self._failures = 0
        if last.status == "failed":
            if retry_storage(lambda: self.trials.settle_diverged(claimed, last.reason)):
                self._say(f"{name} diverged: {last.reason}")
            return True
        pruned = last.status == "pruned"
        values = None if pruned else self._values(outcomes)
        seconds = time.monotonic() - begun
        retry_storage(lambda: claimed.trial.set_user_attr("seconds", seconds))
        if not retry_storage(lambda: self.trials.finish(claimed, values, pruned=pruned)):
            self._say(f"{name} was recovered as lost meanwhile; its result is not counted")
            return False
        scores = "pruned" if values is None else ", ".join(f"{value:.4f}" for value in values)
        if not is_quiet():
            self._say(f"{name}: {scores} ({seconds:.0f} s)")
        return True

    def _trained(self, claimed: Claimed) -> list[Outcome]:
        """Train the replicates of a trial; return their outcomes, up to the first that did not finish."""
        outcomes = []
        cell = job_of(self.trials.definition, claimed.cell)
        for number, replicate in enumerate(claimed.replicates):
            job = replicate_of(cell, replicate, self._run_name(claimed, replicate))
            outcome = self._outcome(job, claimed, replicate, self._give_up(claimed) if number == 0 else None)
            outcomes.append(outcome)
            if outcome.status != "stopped":
                retry_storage(lambda found=outcome, of=replicate: self._note(claimed, of, found))  # type: ignore[misc]
            if outcome.status != "finished":
                break
        return outcomes

    def _outcome(self, job: Job, claimed: Claimed, replicate: Replicate, give_up: GiveUp | None) -> Outcome:
        needed = [objective.metric for objective in self.trials.definition.objectives]
        tags, check = self._tags(claimed, replicate), self._check(claimed)
        try:
            # A signal's exception would end the main thread, not that of this trial, which looks for signals itself.
            with self.interrupts.raising() if self.trials_at_once == 1 else nullcontext():
                return train(job, tags, self.interrupts.raise_if_stopped, give_up, check, needed)
        except StoppedBySignal as stop:
            return Outcome("stopped", stopped_by=stop.signal)

    def _check(self, claimed: Claimed) -> Callable[[Contents], None]:
        key = contents_key(self.trials.definition, claimed.cell)
        return lambda contents: retry_storage(lambda: self.trials.check_contents(key, recorded_contents(contents)))

    def _note(self, claimed: Claimed, replicate: Replicate, outcome: Outcome) -> None:
        diverged = {DIVERGED: outcome.reason} if outcome.status == "failed" else {}
        claimed.trial.set_user_attr(note_of(replicate), {"run_id": outcome.run_id, **outcome.scores, **diverged})

    def _give_up(self, claimed: Claimed) -> GiveUp | None:
        if self.trials.definition.pruner.kind == "none":
            return None

        metric = self.trials.definition.objectives[0].metric  # its direction is the direction of the pruner

        def give_up(epoch: int, scores: Mapping[str, float]) -> bool:
            if (score := scores.get(metric)) is None:  # AUROC of a validation with a single class
                return False
            retry_storage(lambda: claimed.trial.report(score, epoch))
            return claimed.may_be_pruned and retry_storage(claimed.trial.should_prune)

        return give_up

    def _values(self, outcomes: list[Outcome]) -> list[float]:
        values = []
        for objective in self.trials.definition.objectives:
            found = [outcome.scores.get(objective.metric) for outcome in outcomes]
            known = [value for value in found if value is not None]
            if len(known) < len(found):
                names = sorted(name for name in outcomes[0].scores if not name.startswith("test/"))
                raise UsageError(f"a training has no score {objective.metric!r}; it has {', '.join(names)}.")
            values.append(float(np.mean(known)))
            if not np.isfinite(values[-1]):  # storages and samplers may not support it
                raise ValueError(f"A training has the score {objective.metric} {values[-1]}, which is not finite.")
        return values

    def _run_name(self, claimed: Claimed, replicate: Replicate) -> str:
        levels = ", ".join(f"{factor.rpartition('.')[2]} {level}" for factor, level in claimed.cell.items())
        return f"{claimed.trial.number}: {levels}, seed {replicate.seed}, split {replicate.split}"

    def _tags(self, claimed: Claimed, replicate: Replicate) -> dict[str, str]:
        levels = {f"study.factor.{name}": str(level) for name, level in claimed.cell.items()}
        return {
            "mlflow.parentRunId": self.parent_run,
            "study.name": self.trials.definition.name,
            "study.trial": str(claimed.trial.number),
            "study.cell": str(claimed.trial.user_attrs["cell"]),
            "study.replicate": f"seed {replicate.seed}, split {replicate.split}",
            **({"study.stage": claimed.stage} if claimed.stage is not None else {}),
            **levels,
        }

    @contextmanager
    def _heartbeat(self, claimed: Claimed) -> Iterator[None]:
        ended = threading.Event()

        def send() -> None:
            begun = time.monotonic()
            while not ended.wait(1.0):
                if self.parent is not None and os.getppid() != self.parent:
                    os.kill(os.getpid(), signal.SIGTERM)  # as the ended command would have done
                    return
                if time.monotonic() - begun >= _HEARTBEAT_S:
                    begun = time.monotonic()
                    try:
                        self.trials.sign_of_life(claimed.trial)
                    except Exception as error:  # the training continues; its end needs the storage again
                        self._say(f"the storage does not answer: {type(error).__name__}")

        thread = threading.Thread(target=send, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _say(self, text: str) -> None:
        print(f"qlit study [{os.getpid()}] {text}", file=sys.stderr, flush=True)
