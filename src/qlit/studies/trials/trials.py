"""Trials of a study: queued once, claimed by one worker, and queued again if that worker dies.

A trial of a design is one replicate of a cell. A trial of a search is a point with all replicates, which the sampler
chooses when the trial is claimed. All trials of a search are queued at once, so that their number is exact for any
number of workers. In two stages, the first worker that sees the end of the screening decides and queues the search.
"""

import os
import signal
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, Trial, TrialState

from qlit.runtime.digest import digest
from qlit.runtime.interrupts import seconds_since_stop
from qlit.studies.definition import Cell, Replicate, Study
from qlit.studies.overrides import stored
from qlit.studies.screened import Screened
from qlit.studies.trials.claim import Claimed
from qlit.studies.trials.contents import check_contents, note_contents
from qlit.studies.trials.diverged import DIVERGED, is_diverged
from qlit.studies.trials.opening import check_is_there, drawing_study, loaded
from qlit.studies.trials.queue import is_screened, num_given_up, num_to_come, to_queue
from qlit.studies.trials.recovery import AGAIN, DRAWN_AS, HEARTBEAT, RESTARTS, RETRY, is_lost, owed
from qlit.studies.trials.space import queued_cell, suggested
from qlit.studies.trials.storage import Location, claim_lock, close_storage, open_storage, setup_lock, this_host
from qlit.tracking.processes import process_is_gone, process_tags

_SCREENED, _SEARCH_BEGUN = "screened", "search_begun"  # attributes of a two-stage study
_KEPT_MARKS = ("cell", "replicate", "stage", "fixed")  # attributes that a retry of a trial inherits


class Trials:
    """The trials of one study in its storage.

    Args:
        study: The study.
        location: Location of the storage.
        create: Whether to create a missing study. Otherwise the study is opened with the overrides with which it was
            started.

    Raises:
        ConnectionError: If the storage does not answer.
        ValueError: If the storage contains a study of this name with other factors, design, replicates or base; or
            contains none, and `create` is false; or is a file that belongs to another machine.
    """

    def __init__(self, study: Study, location: Location, *, create: bool = True) -> None:
        self.location = location
        self._taken: int | None = None  # id of a claimed trial that is not yet prepared
        if not create:
            check_is_there(study, location)
        self.storage: BaseStorage = open_storage(location)
        try:
            with setup_lock(location):
                self.definition, self.study = loaded(study, location, self.storage, create=create)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the connections to the storage."""
        close_storage(self.storage)

    def check_contents(self, key: str, facts: Mapping[str, str]) -> None:
        """Raise a ChangedError if what the study reads has changed; record what it reads for the first time.

        Args: as in `contents.check_contents`.

        Raises:
            ChangedError: If it has changed.
        """
        if check_contents(self.definition, self.study, key, facts):
            return
        with setup_lock(self.location):
            if not check_contents(
                self.definition, self.study, key, facts
            ):  # checked again, because another worker may have recorded it
                note_contents(self.study, key, facts)

    def note_overrides(self) -> None:
        """Record the overrides of this process, whose paths of data and body may differ from the first ones."""
        if self.study.user_attrs.get("overrides") != (kept := stored(self.definition.overrides)):
            self.study.set_user_attr("overrides", kept)

    def _check_values(self) -> None:
        """Raise a ValueError if a search would treat values that are not numbers as the best ones."""
        if self.definition.design.sampling.is_search and any(
            is_diverged(trial) for trial in self.all() if trial.state == TrialState.COMPLETE
        ):
            raise ValueError(
                f"The storage of study {self.definition.name!r} contains trials of an older qlit whose values are not "
                "finite numbers, and its sampler would treat them as the best ones. The study can be inspected; to "
                "continue the search, give it another `name`."
            )

    def fill(self) -> int:
        """Queue all trials that are not queued, running or finished, and clear a stop request; return how many.

        Failed trials are queued again, so that a stopped study can continue.
        """
        self._check_values()
        with setup_lock(self.location):
            self.study.set_user_attr("stop", False)
            self._queue_owed()
            return self._queue_missing()

    def _queue_missing(self) -> int:
        screened = self.screened
        missing = to_queue(self.definition, self.all(), screened)
        for number, (cell, marks) in enumerate(missing):
            if seconds_since_stop() is not None:  # large designs take minutes; the next `fill` queues the rest
                return number
            self._queue(cell, marks)
        if screened is not None:
            self.study.set_user_attr(_SEARCH_BEGUN, True)
        return len(missing)

    def begin_search(self) -> Screened | None:
        """Decide which factors a two-stage study searches, and queue the search, if its screening has just ended.

        Returns:
            The decision; None if there is nothing to decide (yet). Only one of several workers decides.
        """
        if not self._search_is_due():
            return None
        from qlit.studies.cell_results import (  # statistics, which other studies do not need
            diverged_trainings,
            results_of,
        )
        from qlit.studies.screening import screened_by

        with setup_lock(self.location):
            if not self._search_is_due():
                return None
            if self.screened is None:  # otherwise the deciding worker died before it queued the search
                decided = screened_by(self.definition, results_of(self.all()), diverged_trainings(self.all()))
                self.study.set_user_attr(_SCREENED, decided.plain())
            self._queue_missing()
            return self.screened

    @property
    def screened(self) -> Screened | None:
        """Result of a two-stage study's screening; None before its end, and for other studies."""
        kept = self.study.user_attrs.get(_SCREENED)
        return None if kept is None else Screened.of(kept)

    def _search_is_due(self) -> bool:
        if self.definition.design.screen is None or self.study.user_attrs.get(_SEARCH_BEGUN):
            return False
        return is_screened(self.definition, self.all())

    def _queue(self, cell: Cell, marks: Mapping[str, Any]) -> None:
        self.study.enqueue_trial(dict(cell), user_attrs=dict(marks))

    def all(self) -> list[FrozenTrial]:
        """All trials, including queued and failed ones."""
        return self.study.get_trials(deepcopy=False)

    def counts(self) -> dict[str, int]:
        """Number of trials by state: waiting, running, complete, pruned, fail (without a retry so far), diverged."""
        found = Counter(DIVERGED if is_diverged(trial) else trial.state.name.lower() for trial in self.all())
        return {state: found[state] for state in (*(state.name.lower() for state in TrialState), DIVERGED)}

    @property
    def num_left(self) -> int:
        """Number of trials that are queued or running, or that the search may have after the screening."""
        counts = self.counts()
        return counts["waiting"] + counts["running"] + num_to_come(self.definition, self.screened)

    @property
    def is_finished(self) -> bool:
        """Whether no trial is queued, running, or about to be queued."""
        unfinished = self.study.get_trials(deepcopy=False, states=(TrialState.WAITING, TrialState.RUNNING))
        return not unfinished and not self._search_is_due()

    @property
    def stop_is_asked(self) -> bool:
        return bool(self.study.user_attrs.get("stop", False))

    @property
    def num_given_up(self) -> int:
        """Number of failed trials that are not queued again, in all stages."""
        return num_given_up(self.definition, self.all(), self.screened)

    @property
    def is_held(self) -> bool:
        """Whether a process holds the study's MLflow run open; a process on another machine is assumed to be alive."""
        holder = self.study.user_attrs.get("holder")
        return holder is not None and not (holder["qlit.host"] == this_host() and process_is_gone(holder))

    def note_holder(self, run_id: str) -> None:
        """Record the study's MLflow run and this process as its holder."""
        self.study.set_user_attr("holder", process_tags())
        self.study.set_user_attr("mlflow_run", run_id)

    def note_release(self) -> None:
        """Record that no process holds the study's MLflow run."""
        self.study.set_user_attr("holder", None)

    def ask_to_stop(self) -> None:
        """Ask workers to stop after their current trials."""
        self.study.set_user_attr("stop", True)

    def stop_now(self) -> int:
        """Send SIGTERM to the training processes on this machine; return how many."""
        running = self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        num_stopped = 0
        for marks in (trial.user_attrs for trial in running):
            if marks.get("qlit.host") == this_host() and not process_is_gone(marks):
                os.kill(int(marks["qlit.pid"]), signal.SIGTERM)
                num_stopped += 1
        return num_stopped

    def claim(self) -> Claimed | None:
        """Claim one queued trial for this worker; None if there is none.

        If the storage becomes unreachable during the call, the next call continues with the claimed trial.
        """
        if self._taken is None:
            with claim_lock(self.location):
                self._taken = self._claimed_id()
        if self._taken is None:
            return None
        claimed = self._prepared(self._drawn(self._taken))
        self._taken = None
        return claimed

    def _drawn(self, trial_id: int) -> Trial:
        """Trial with its own sampler, which draws the point when the levels are requested."""
        if not self.definition.design.sampling.is_search:
            return Trial(self.study, trial_id)
        kept = self.storage.get_trial(trial_id)
        number = kept.user_attrs.get(DRAWN_AS, kept.number)
        # It also needs its own study object: Optuna refreshes its cached list of trials only in `ask` and `tell`, so
        # that a sampler used in another way would know only the cached trials.
        return Trial(drawing_study(self.definition, self.study, number), trial_id)

    def _prepared(self, trial: Trial) -> Claimed:
        self._sign(trial._trial_id)  # signed again, because another worker may have signed it meanwhile
        self.sign_of_life(trial)
        marks = trial.user_attrs
        cell = suggested(trial, self.definition.factors, marks.get("fixed", {}))
        if marks["cell"] is None:
            trial.set_user_attr("cell", digest(cell))
        replicates = (Replicate(*marks["replicate"]),) if "replicate" in marks else self.definition.replicates
        return Claimed(trial, cell, replicates, marks[RESTARTS], marks.get("stage"))

    def _claimed_id(self) -> int | None:
        for waiting in self.study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
            try:
                # Signed before the claim, so that a trial is known to be lost if this worker is killed directly after.
                self._sign(waiting._trial_id)
                if self.storage.set_trial_state_values(waiting._trial_id, state=TrialState.RUNNING):
                    return int(waiting._trial_id)
            except UpdateFinishedTrialError:  # another worker has claimed and finished it
                continue
        return None

    def _sign(self, trial_id: int) -> None:
        """Record that this process trains a trial."""
        kept = self.storage.get_trial(trial_id).user_attrs
        for name, value in process_tags().items():
            if kept.get(name) != value:
                self.storage.set_trial_user_attr(trial_id, name, value)

    def sign_of_life(self, trial: Trial) -> None:
        trial.set_user_attr(HEARTBEAT, time.time())

    def settle_diverged(self, claimed: Claimed, reason: str) -> bool:
        """Record that a trial diverged, so that it is neither chosen nor trained again; returns as `finish`."""
        claimed.trial.set_user_attr(DIVERGED, reason[:2000])
        return self.finish(claimed, None, pruned=True)

    def finish(self, claimed: Claimed, values: Sequence[float] | None, *, pruned: bool = False) -> bool:
        """Record the result of a trial; return False if the trial counted as lost meanwhile, so the result is ignored.

        Args:
            claimed: The trial.
            values: One value per objective; None if it failed.
            pruned: Whether it was pruned; `values` is then None.
        """
        state = TrialState.PRUNED if pruned else TrialState.COMPLETE if values is not None else TrialState.FAIL
        try:
            self.storage.set_trial_state_values(claimed.trial._trial_id, state, values)
        except UpdateFinishedTrialError:
            # Possibly finished by this call before an outage of the storage, after which the call was retried.
            kept = self.storage.get_trial(claimed.trial._trial_id)
            return kept.state == state and kept.values == (None if values is None else list(values))
        return True

    def give_back(self, claimed: Claimed, reason: str) -> None:
        """Queue a trial again that was stopped before it finished."""
        with setup_lock(self.location):  # otherwise `fill` could queue it as well
            self._fail(claimed.trial._trial_id, reason, retry=claimed.restarts)
            self._queue_owed()

    def recover(self) -> list[int]:
        """Fail the trials whose worker has died, queue their retries, and return their numbers.

        If several workers notice it at the same time, only one of them acts, because a trial fails only once.
        """
        running = self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        lost = [trial for trial in running if is_lost(trial) and trial._trial_id != self._taken]
        if not lost and not owed(self.all()):
            return []
        with setup_lock(self.location):
            failed = [trial.number for trial in lost if self._fail_lost(trial, "its process ended without a message")]
            self._queue_owed()
        return failed

    def lose(self, claimed: Claimed, reason: str) -> None:
        """Fail a trial whose processes have died, and queue its retry if one is left."""
        with setup_lock(self.location):
            self._fail_lost(self.storage.get_trial(claimed.trial._trial_id), reason)
            self._queue_owed()

    def _fail_lost(self, trial: FrozenTrial, reason: str) -> bool:
        restarts = int(trial.user_attrs.get(RESTARTS, 0)) + 1
        may_retry = restarts <= self.definition.retries
        return self._fail(trial._trial_id, reason, retry=restarts if may_retry else None)

    def _fail(self, trial_id: int, reason: str, retry: int | None) -> bool:
        """Fail a trial after recording whether to retry it; return False if it was already finished."""
        try:
            self.storage.set_trial_user_attr(trial_id, "error", reason)
            if retry is not None:
                self.storage.set_trial_user_attr(trial_id, RETRY, retry)
            self.storage.set_trial_state_values(trial_id, TrialState.FAIL)
        except UpdateFinishedTrialError:  # another worker failed it first, or it is alive and has finished
            return False
        return True

    def _queue_owed(self) -> None:
        """Queue due retries. The caller holds the lock; otherwise two workers could queue the same retry."""
        for trial in owed(self.all()):
            marks = {name: trial.user_attrs[name] for name in _KEPT_MARKS if name in trial.user_attrs}
            first = trial.user_attrs.get(DRAWN_AS, trial.number)
            again = {RESTARTS: trial.user_attrs[RETRY], AGAIN: trial.number, DRAWN_AS: first}
            self._queue(queued_cell(trial, self.definition.factors), {**marks, **again})
