"""Results of a study in its own MLflow run: counts of trials, the best cell and the report."""

from qlit.reports.study_text import best_text
from qlit.studies.cell_results import results_of
from qlit.studies.trials.trials import Trials
from qlit.tracking.tracker import MLflowTracker, Status


def record_study(tracker: MLflowTracker, trials: Trials, status: Status) -> None:
    """Log the results of a study to its own run, and write the report of a finished one.

    Args:
        tracker: Tracker of the study's own run.
        trials: The trials of the study.
        status: Status with which the run will be closed; only a finished study gets a report.
    """
    tracker.log_metrics({f"trials/{state}": count for state, count in trials.counts().items()})
    if not results_of(trials.all()):
        return
    tracker.log_text(best_text(trials), "best.txt")
    if status == "FINISHED":
        from qlit.reports.study_report import report_folder, report_of  # imports matplotlib

        report = report_of(trials)
        report.write(report_folder(trials.definition.name))
        tracker.log_text(report.html, "report.html")
