"""The verbs of `qlit study` that train nothing: status, best, stop, reap, export and report."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from qlit.jobs.config.arguments import CommandParser
from qlit.jobs.study.contents import warn_of_changes
from qlit.jobs.study.setup import add_study_options, checked_configs, parsed, report_folder
from qlit.jobs.study.tables import best_text, status_text
from qlit.reports.study_report import report_of
from qlit.runtime.output_files import check_output
from qlit.studies.cell_results import all_results, csv_of, diverged_trainings, table_of
from qlit.studies.trials.trials import Trials
from qlit.tracking.kept_runs import KeptRuns


def look(verb: str, description: str, arguments: Sequence[str]) -> int:
    """Run one of these verbs and return its exit status."""
    parser = CommandParser(prog=f"qlit study {verb}", description=description)
    add_study_options(parser)
    if verb == "stop":
        parser.add_argument("--now", action="store_true", help="stop trials in the middle too; they go on later")
    if verb == "export":
        parser.add_argument("--output", metavar="FILE", help="write there instead of to standard output")
    if verb == "report":
        parser.add_argument("--output", metavar="FOLDER", help="default: mlruns/studies/NAME/report")
    options, named = parsed(parser, arguments)
    if verb == "export":
        check_output(options.output)
    trials = Trials(named.study, named.location, create=False)
    try:
        if verb in ("status", "best", "export", "report"):
            warn_of_changes(trials)
        text = _told(verb, options, trials)
    finally:
        trials.close()
    if verb == "export" and options.output:
        Path(options.output).write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)
    return 0


def _told(verb: str, options: argparse.Namespace, trials: Trials) -> str:
    """What a verb prints, after doing what it does."""
    study = trials.definition
    match verb:
        case "status":
            return status_text(trials) + "\n"
        case "best":
            return best_text(trials) + "\n"
        case "stop":
            trials.ask_to_stop()
            told = f", {trials.stop_now()} were told to stop now" if options.now else ""
            return f"{study.name}: workers end after the trials they are in{told}\n"
        case "reap":
            lost = trials.recover()
            tracking = checked_configs(study)[0]["tracking"]
            killed = KeptRuns(tracking["tracking_uri"]).reap(tracking["experiment"])
            return f"{study.name}: {len(lost)} lost trials, {len(killed)} lost runs\n"
        case "export":
            every = trials.all()
            return csv_of(table_of(study, all_results(every), diverged_trainings(every)))
        case _:
            folder = Path(options.output or report_folder(study.name))
            return f"{report_of(trials).write(folder)}\n"
