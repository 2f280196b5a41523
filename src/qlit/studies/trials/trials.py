"""The trials of a study: queued once, each claimed by one worker, noticed and queued again when that worker is gone.

A design's trial is one replicate of a cell. A search's trial is a point that its sampler chooses when it is claimed,
with all replicates; as many as the search has are queued at once, so that the budget is exact whatever the workers do.
In two stages the search is queued by the worker that first sees the screening done, with what was decided then.
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
_KEPT_MARKS = ("cell", "replicate", "stage", "fixed")  # of a trial that is queued again


class Trials:
    """The trials of one study in its storage.

    Args:
        study: The study.
        location: Where they are kept.
        create: Whether to make the study there if there is none. If not, the study is looked at with the overrides that
            it was begun with.

    Raises:
        ConnectionError: If the storage does not answer.
        ValueError: If it holds a study of this name with other factors, design, replicates or base, or none and
            `create` is False; or it is a file that belongs to another machine.
    """

    def __init__(self, study: Study, location: Location, *, create: bool = True) -> None:
        self.location = location
        self._taken: int | None = None  # claimed, and not yet prepared
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
        """Refuse to go on if what the study reads has changed since it began; note what is read for the first time.

        Args: as of `contents.check_contents`.

        Raises:
            ChangedError: If it has changed.
        """
        if check_contents(self.definition, self.study, key, facts):
            return
        with setup_lock(self.location):
            if not check_contents(self.definition, self.study, key, facts):  # nor has another worker noted it
                note_contents(self.study, key, facts)

    def note_overrides(self) -> None:
        """Note the overrides of this process, which may name data and body by other paths than the first ones."""
        if self.study.user_attrs.get("overrides") != (kept := stored(self.definition.overrides)):
            self.study.set_user_attr("overrides", kept)

    def _check_values(self) -> None:
        """Raise a ValueError if a search would take values that are not numbers for its best."""
        if self.definition.design.sampling.is_search and any(
            is_diverged(trial) for trial in self.all() if trial.state == TrialState.COMPLETE
        ):
            raise ValueError(
                f"The storage of study {self.definition.name!r} holds trials whose values are not finite numbers, kept "
                "by an older qlit, and its sampler would take them for the best. It can be looked at; give a search "
                "that goes on another `name`."
            )

    def fill(self) -> int:
        """Queue what is not queued, running or done, and tell workers that may go on; returns how many were queued.

        What failed is queued again, what is done is not: this is how a stopped study goes on.
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
            if seconds_since_stop() is not None:  # large designs take minutes; whoever goes on queues the rest
                return number
            self._queue(cell, marks)
        if screened is not None:
            self.study.set_user_attr(_SEARCH_BEGUN, True)
        return len(missing)

    def begin_search(self) -> Screened | None:
        """Decide which factors a two-stage study searches, and queue the search, if its screening has just been done.

        Returns:
            What was decided; None if there is nothing to decide, yet or any more. Of several workers one decides.
        """
        if not self._search_is_due():
            return None
        from qlit.studies.cell_results import (  # statistics, which workers on other studies do without
            diverged_trainings,
            results_of,
        )
        from qlit.studies.screening import screened_by

        with setup_lock(self.location):
            if not self._search_is_due():
                return None
            if self.screened is None:  # or else who decided died before the search was queued
                decided = screened_by(self.definition, results_of(self.all()), diverged_trainings(self.all()))
                self.study.set_user_attr(_SCREENED, decided.plain())
            self._queue_missing()
            return self.screened

    @property
    def screened(self) -> Screened | None:
        """What the screening of a two-stage study found; None before it is done, and of other studies."""
        kept = self.study.user_attrs.get(_SCREENED)
        return None if kept is None else Screened.of(kept)

    def _search_is_due(self) -> bool:
        if self.definition.design.screen is None or self.study.user_attrs.get(_SEARCH_BEGUN):
            return False
        return is_screened(self.definition, self.all())

    def _queue(self, cell: Cell, marks: Mapping[str, Any]) -> None:
        self.study.enqueue_trial(dict(cell), user_attrs=dict(marks))

    def all(self) -> list[FrozenTrial]:
        """All trials, also those that are queued or failed."""
        return self.study.get_trials(deepcopy=False)

    def counts(self) -> dict[str, int]:
        """Trials by state: waiting, running, complete, pruned, fail (given up or not begun again yet), diverged."""
        found = Counter(DIVERGED if is_diverged(trial) else trial.state.name.lower() for trial in self.all())
        return {state: found[state] for state in (*(state.name.lower() for state in TrialState), DIVERGED)}

    @property
    def num_left(self) -> int:
        """Trials that are queued or running, or that a search may have once the screening is done."""
        counts = self.counts()
        return counts["waiting"] + counts["running"] + num_to_come(self.definition, self.screened)

    @property
    def is_finished(self) -> bool:
        """Whether nothing is queued or running, or about to be queued."""
        unfinished = self.study.get_trials(deepcopy=False, states=(TrialState.WAITING, TrialState.RUNNING))
        return not unfinished and not self._search_is_due()

    @property
    def stop_is_asked(self) -> bool:
        return bool(self.study.user_attrs.get("stop", False))

    @property
    def num_given_up(self) -> int:
        """Trials that failed and are not queued again: replicates of cells, points of a search, or both stages'."""
        return num_given_up(self.definition, self.all(), self.screened)

    @property
    def is_held(self) -> bool:
        """Whether a process holds the MLflow run of the study open; one on another machine is believed."""
        holder = self.study.user_attrs.get("holder")
        return holder is not None and not (holder["qlit.host"] == this_host() and process_is_gone(holder))

    def note_holder(self, run_id: str) -> None:
        """Note the MLflow run of the study, and that this process holds it."""
        self.study.set_user_attr("holder", process_tags())
        self.study.set_user_attr("mlflow_run", run_id)

    def note_release(self) -> None:
        """Note that nobody holds it."""
        self.study.set_user_attr("holder", None)

    def ask_to_stop(self) -> None:
        """Let workers end after the trials they are in."""
        self.study.set_user_attr("stop", True)

    def stop_now(self) -> int:
        """Send SIGTERM to the processes on this machine that train; how many."""
        running = self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        told = 0
        for marks in (trial.user_attrs for trial in running):
            if marks.get("qlit.host") == this_host() and not process_is_gone(marks):
                os.kill(int(marks["qlit.pid"]), signal.SIGTERM)
                told += 1
        return told

    def claim(self) -> Claimed | None:
        """Take one queued trial, which no other worker gets; None if there is none.

        Where the storage goes away meanwhile, the next call goes on with the trial that was taken.
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
        """A trial with a sampler of its own; its point is drawn when its levels are asked for."""
        if not self.definition.design.sampling.is_search:
            return Trial(self.study, trial_id)
        kept = self.storage.get_trial(trial_id)
        number = kept.user_attrs.get(DRAWN_AS, kept.number)
        # A study of its own as well: Optuna's forgets only in `ask` and `tell` which trials it saw last, and a sampler
        # that is asked otherwise would know none but those.
        return Trial(drawing_study(self.definition, self.study, number), trial_id)

    def _prepared(self, trial: Trial) -> Claimed:
        self._sign(trial._trial_id)  # again, if another worker signed it in between
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
                # Before it is taken: a worker that is killed right after that leaves a trial that is known to be lost.
                self._sign(waiting._trial_id)
                if self.storage.set_trial_state_values(waiting._trial_id, state=TrialState.RUNNING):
                    return int(waiting._trial_id)
            except UpdateFinishedTrialError:  # another worker has taken and finished it since
                continue
        return None

    def _sign(self, trial_id: int) -> None:
        """Note that this process trains a trial."""
        kept = self.storage.get_trial(trial_id).user_attrs
        for name, value in process_tags().items():
            if kept.get(name) != value:
                self.storage.set_trial_user_attr(trial_id, name, value)

    def sign_of_life(self, trial: Trial) -> None:
        trial.set_user_attr(HEARTBEAT, time.time())

    def settle_diverged(self, claimed: Claimed, reason: str) -> bool:
        """Note that a trial's training diverged, so that it is neither chosen nor trained again; as `finish`."""
        claimed.trial.set_user_attr(DIVERGED, reason[:2000])
        return self.finish(claimed, None, pruned=True)

    def finish(self, claimed: Claimed, values: Sequence[float] | None, *, pruned: bool = False) -> bool:
        """Note what a trial reached; False if it was taken for lost meanwhile, and its result is of no use.

        Args:
            claimed: The trial.
            values: One an objective; None if it failed.
            pruned: Whether it was given up early; `values` is then None.
        """
        state = TrialState.PRUNED if pruned else TrialState.COMPLETE if values is not None else TrialState.FAIL
        try:
            self.storage.set_trial_state_values(claimed.trial._trial_id, state, values)
        except UpdateFinishedTrialError:
            # Maybe by this very call, where the storage went away before it could say so, and the call was repeated.
            kept = self.storage.get_trial(claimed.trial._trial_id)
            return kept.state == state and kept.values == (None if values is None else list(values))
        return True

    def give_back(self, claimed: Claimed, reason: str) -> None:
        """Queue a trial again that was stopped before its end."""
        with setup_lock(self.location):  # `fill` in between would queue it too
            self._fail(claimed.trial._trial_id, reason, retry=claimed.restarts)
            self._queue_owed()

    def recover(self) -> list[int]:
        """Fail the trials whose worker is gone, and queue them again as often as the study allows; their numbers.

        Of several workers that notice at once one does so: a trial fails only once.
        """
        running = self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        lost = [trial for trial in running if is_lost(trial) and trial._trial_id != self._taken]
        if not lost and not owed(self.all()):
            return []
        with setup_lock(self.location):
            failed = [trial.number for trial in lost if self._fail_lost(trial, "its process ended without a word")]
            self._queue_owed()
        return failed

    def lose(self, claimed: Claimed, reason: str) -> None:
        """Fail a trial whose processes have died, and queue it again as often as the study allows."""
        with setup_lock(self.location):
            self._fail_lost(self.storage.get_trial(claimed.trial._trial_id), reason)
            self._queue_owed()

    def _fail_lost(self, trial: FrozenTrial, reason: str) -> bool:
        restarts = int(trial.user_attrs.get(RESTARTS, 0)) + 1
        may_retry = restarts <= self.definition.retries
        return self._fail(trial._trial_id, reason, retry=restarts if may_retry else None)

    def _fail(self, trial_id: int, reason: str, retry: int | None) -> bool:
        """Fail a trial, first noting whether it is to be tried again; False if it was finished before."""
        try:
            self.storage.set_trial_user_attr(trial_id, "error", reason)
            if retry is not None:
                self.storage.set_trial_user_attr(trial_id, RETRY, retry)
            self.storage.set_trial_state_values(trial_id, TrialState.FAIL)
        except UpdateFinishedTrialError:  # another worker was quicker, or it lives and has finished
            return False
        return True

    def _queue_owed(self) -> None:
        """Queue what is to be tried again. Under the lock: two that look at once would both queue it."""
        for trial in owed(self.all()):
            marks = {name: trial.user_attrs[name] for name in _KEPT_MARKS if name in trial.user_attrs}
            first = trial.user_attrs.get(DRAWN_AS, trial.number)
            again = {RESTARTS: trial.user_attrs[RETRY], AGAIN: trial.number, DRAWN_AS: first}
            self._queue(queued_cell(trial, self.definition.factors), {**marks, **again})
