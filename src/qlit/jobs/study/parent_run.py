"""The MLflow run of a study itself, under which MLflow shows the runs of its trainings."""

from collections.abc import Callable, Mapping
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any, Self

from qlit.runtime.interrupts import Interrupts, StoppedBySignal
from qlit.runtime.retry import OutageError, first_line, no_retries, retry_until_mlflow_answers
from qlit.studies.trials.storage_retry import retry_storage
from qlit.studies.trials.trials import Trials
from qlit.tracking.kept_runs import KeptRuns
from qlit.tracking.tracker import MLflowTracker, Status

Record = Callable[[MLflowTracker, Trials, Status], None]
"""Writes the results of a study to its run before that is closed with a status."""


def parent_run_of(trials: Trials) -> str:
    """Id of the MLflow run of a study, which must have been opened."""
    return retry_storage(lambda: str(trials.study.user_attrs["mlflow_run"]))


def is_closed(trials: Trials, tracking: Mapping[str, Any]) -> bool:
    """Whether the MLflow run of a study is FINISHED; arguments as of `ParentRun`."""
    tracker = MLflowTracker(
        experiment=tracking["experiment"], tracking_uri=tracking["tracking_uri"], run_id=parent_run_of(trials)
    )
    return bool(retry_until_mlflow_answers(tracker.earlier_status) == "FINISHED")


class ParentRun:
    """Context that opens the run of a study, or opens it again, and closes it with its status.

    Args:
        trials: The trials of the study.
        tracking: Section `tracking` of the config of its trainings.
        study_file: The study file, which the run keeps.
        interrupts: Signals of this process.
        record: Writes the results to the run before it is closed.
    """

    def __init__(
        self,
        trials: Trials,
        tracking: Mapping[str, Any],
        study_file: Path,
        interrupts: Interrupts,
        record: Record,
    ) -> None:
        self.status: Status = "FAILED"
        """After the context: FINISHED if all trials are, KILLED if some are left, FAILED after an error."""
        self._trials, self._tracking, self._study_file = trials, tracking, study_file
        self._interrupts, self._record = interrupts, record

    def __enter__(self) -> Self:
        with self._interrupts.raising():
            self._tracker = self._opened()
        return self

    def _opened(self) -> MLflowTracker:
        study = self._trials.definition
        tracker = MLflowTracker(
            experiment=self._tracking["experiment"],
            run_name=study.name,
            tracking_uri=self._tracking["tracking_uri"],
            tags={"study.name": study.name, "study.design": study.design.kind},
            run_id=retry_storage(lambda: self._trials.study.user_attrs.get("mlflow_run")),
        )
        try:
            tracker.start()
            run_id = tracker.run_id
            assert run_id is not None
            retry_storage(lambda: self._trials.note_holder(run_id))
            tracker.log_text(self._study_file.read_text(encoding="utf-8"), "study.yaml")
        except BaseException as error:
            tracker.close("FAILED" if isinstance(error, Exception) else "KILLED", first_line(error))
            raise
        return tracker

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        try:
            if error is None:
                self.status = "FINISHED" if retry_storage(lambda: self._trials.is_finished) else "KILLED"
        finally:
            self._close()

    def _close(self) -> None:
        """Record results and close the run; retry nothing after an outage or a stop request."""
        is_finished = self.status == "FINISHED" and self._interrupts.signal is None
        with nullcontext() if is_finished else no_retries():
            try:
                with self._interrupts.raising() if is_finished else suppress(OutageError):
                    retry_storage(lambda: self._record(self._tracker, self._trials, self.status))
            except StoppedBySignal:  # the same command writes the report again
                self.status = "KILLED"
            finally:
                self._tracker.close(self.status)
                if self.status == "FINISHED":
                    with suppress(OutageError):
                        retry_until_mlflow_answers(self._tracker.sync)
        kept = KeptRuns(self._tracking["tracking_uri"])
        with suppress(OutageError), no_retries():
            # Runs of workers that were killed, or could not reach MLflow at their end. The next `qlit study run` or
            # `worker` tries again.
            retry_until_mlflow_answers(lambda: kept.reap(self._tracking["experiment"]))
            retry_storage(self._trials.note_release)  # other processes also notice a holder that has ended
