"""`qlit study worker`: a process that works on a study, alone or for `qlit study run`."""

from contextlib import ExitStack
from pathlib import Path

from qlit.jobs.study.contents import check_study
from qlit.jobs.study.parent_run import ParentRun, Record, is_closed, parent_run_of
from qlit.jobs.study.setup import NamedStudy, checked_configs
from qlit.jobs.study.worker import Worker
from qlit.runtime.interrupts import Interrupts
from qlit.studies.trials.storage import setup_lock
from qlit.studies.trials.storage_retry import retry_storage
from qlit.studies.trials.trials import Trials


def work_alone(
    named: NamedStudy, study_file: Path, interrupts: Interrupts, record: Record, *, joins: bool = False
) -> int:
    """Start, continue or join a study in this process, beside other workers; return the number of failed trials.

    If no other worker has opened the run of the study in MLflow, this one opens and closes it. If the worker that
    opened it was stopped, a worker that notices the end of the study closes it.

    Args:
        named: The study.
        study_file: The study file, which its run keeps.
        interrupts: Signals of this process.
        record: As of `ParentRun`.
        joins: Whether the study must exist. Its trials are queued already, and a request to stop it stays.
    Raises:
        OutageError, ValueError: As `Worker.work`; or if the study cannot be trained.
    """
    with ExitStack() as own_run:
        with interrupts.raising():
            # Without retries: a person waits for the error.
            trials = Trials(named.study, named.location, create=not joins)
            tracking = checked_configs(named.study, named.trials_at_once)[0]["tracking"]
            check_study(trials)
            if not joins:
                retry_storage(trials.fill)
            with setup_lock(named.location):  # one of several workers that start together opens the run
                if is_holder := not trials.is_held:
                    own_run.enter_context(ParentRun(trials, tracking, study_file, interrupts, record))
        Worker(trials, parent_run_of(trials), interrupts, trials_at_once=named.trials_at_once).work(named.study.hours)
        if not is_holder and interrupts.signal is None and retry_storage(lambda: trials.is_finished):
            with setup_lock(named.location):
                if not trials.is_held and not is_closed(trials, tracking):
                    own_run.enter_context(ParentRun(trials, tracking, study_file, interrupts, record))
    failed: int = retry_storage(lambda: trials.num_given_up)
    trials.close()
    return failed


def work_for_parent(named: NamedStudy, parent: int, interrupts: Interrupts) -> None:
    """Work on a study for the `qlit study run` that started this process.

    Args:
        named: The study.
        parent: Process id of that command, with whose end this process stops.
        interrupts: Signals of this process.
    Raises:
        OutageError, ValueError: As `Worker.work`.
    """
    with interrupts.raising():
        trials = retry_storage(lambda: Trials(named.study, named.location))
    Worker(trials, parent_run_of(trials), interrupts, parent, named.trials_at_once).work(named.study.hours)
    trials.close()
