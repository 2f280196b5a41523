"""`qlit study`: sweeps and searches over config keys.

A verb imports what it needs, so that `--help` and the processes of a training start quickly.
"""

import argparse
import json
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from qlit.jobs.config.arguments import CommandParser
from qlit.runtime.errors import UsageError, nearest
from qlit.runtime.interrupts import Interrupts
from qlit.runtime.output_files import check_output

if TYPE_CHECKING:
    from qlit.studies.trials.trials import Trials

_VERBS = {
    "run": "start or continue a study with its own worker processes",
    "worker": "work beside other workers, with PostgreSQL also on other machines",
    "status": "show finished, running and failed trials, and the best cells so far",
    "stop": "stop all workers after their current trials, or with --now at once",
    "reap": "recover trials and close runs of killed processes",
    "best": "show the cell with the best validation score, and its test accuracy",
    "export": "write all trainings as CSV",
    "report": "write which factors matter, as HTML with figures, PNG and CSV",
}


def run(command: str, arguments: list[str]) -> int:
    """Run one verb of `qlit study` and return its exit status."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(f"usage: qlit {command} VERB --config configs/studies/X.yaml [OPTIONS]\n")
        print("".join(f"  {verb:<8}{text}\n" for verb, text in _VERBS.items()), end="")
        print("\nqlit study VERB --help lists its options; docs/studies.md describes study files.")
        return 0 if arguments else 2
    verb, *rest = arguments
    if verb == "trial":  # started by workers: a rank of a training in several processes
        from qlit.jobs.study.rank import run_rank

        return run_rank(rest)
    if verb not in _VERBS:
        raise UsageError(f"there is no verb {verb!r}{nearest(verb, _VERBS) or '.'} See qlit {command} --help.")
    if verb == "run":
        return _run(rest)
    return _work(rest) if verb == "worker" else _show(verb, rest)


def _run(arguments: Sequence[str]) -> int:
    """`qlit study run`."""
    parser = study_parser(
        "run",
        "Start or continue a study: queue the unfinished trials, train them in worker processes on separate cores, and "
        "print the best cell. The same command continues a stopped study; nothing is trained twice.",
        epilog="Options with a dot (--data.source, --trainer.max_epochs) go to the config of every cell.",
    )
    parser.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="number of workers; default: one core, or one GPU, per process of a training",
    )
    parser.add_argument("--yes", action="store_true", help="do not ask before a long study")
    parser.show_help(arguments)
    from qlit.jobs.distributed.launchers import refuse_copies
    from qlit.jobs.study.run import prepare, train_study
    from qlit.jobs.study.setup import parse_arguments
    from qlit.jobs.study.size import confirm_start
    from qlit.jobs.terminal import quieten
    from qlit.reports.study_record import record_study
    from qlit.reports.study_text import best_text, progress_text
    from qlit.studies.trials.storage import quieten_optuna
    from qlit.studies.trials.storage_retry import retry_storage

    start_s = max(0.0, time.time() - psutil.Process().create_time())  # workers import the same modules
    quieten_optuna()
    options, named = parse_arguments(parser, arguments)
    quieten()
    refuse_copies("run this study")
    if options.workers is not None and options.workers < 1:
        raise UsageError(f"`--workers >= 1` must hold, but got {options.workers}.")
    prepared = prepare(named.study, options.workers, named.trials_at_once)
    if not confirm_start(
        named.study,
        prepared.num_workers,
        prepared.placement.num_processes,
        ask=not options.yes,
        start_s=start_s,
    ):
        return 1
    trials, status, stopped_by = train_study(
        named, prepared, Path(options.config), say=_say, progress=progress_text, record=record_study
    )
    if stopped_by is not None:
        return _stopped(stopped_by)
    print(retry_storage(lambda: best_text(trials)))
    failed, counts = retry_storage(lambda: trials.num_given_up), retry_storage(trials.counts)
    if failed or counts["diverged"] or status != "FINISHED":
        _say(f"{retry_storage(lambda: progress_text(trials))}; {failed} failed, `qlit study status` shows why")
    trials.close()
    return 1 if failed or not counts["complete"] else 0  # a study whose cells all diverged has no result


def _work(arguments: Sequence[str]) -> int:
    """`qlit study worker`."""
    parser = study_parser(
        "worker",
        "Work on the trials of a study, beside other workers, until all are finished. With PostgreSQL as storage, "
        "workers can run on several machines.",
    )
    parser.add_argument(
        "--join", action="store_true", help="only join a study that exists: queue nothing, and clear no request to stop"
    )
    parser.add_argument("--cores", metavar="0,1", help="run on these cores only")
    parser.add_argument("--parent", type=int, metavar="PID", help="stop when this process has ended")
    parser.show_help(arguments)
    from qlit.jobs.distributed.cores import use_cores
    from qlit.jobs.study.setup import parse_arguments
    from qlit.jobs.study.worker_process import work_alone, work_for_parent
    from qlit.jobs.terminal import quieten
    from qlit.reports.study_record import record_study
    from qlit.studies.trials.storage import quieten_optuna

    quieten_optuna()
    options, named = parse_arguments(parser, arguments)
    if options.parent is not None:
        sys.stdout = sys.stderr  # both are its log; a full disk must not change the exit status
    if options.cores:
        use_cores(options.cores)
    quieten()
    failed = 0
    with Interrupts() as interrupts:
        if options.parent is None:
            failed = work_alone(named, Path(options.config), interrupts, record_study, joins=options.join)
        else:
            work_for_parent(named, options.parent, interrupts)
    if interrupts.signal is not None:
        return _stopped(interrupts.signal) if options.parent is None else 128 + interrupts.signal
    return 1 if failed else 0


def _show(verb: str, arguments: Sequence[str]) -> int:
    """The verbs that train nothing."""
    parser = study_parser(verb, _VERBS[verb])
    if verb == "stop":
        parser.add_argument("--now", action="store_true", help="stop running trials too; they continue later")
    if verb in ("status", "best"):
        parser.add_argument("--json", action="store_true", help="print JSON")
    if verb == "export":
        parser.add_argument("--output", metavar="FILE", help="write to this file instead of standard output")
    if verb == "report":
        parser.add_argument("--output", metavar="FOLDER", help="default: mlruns/studies/NAME/report")
    parser.show_help(arguments)
    from qlit.jobs.study.contents import warn_of_changes
    from qlit.jobs.study.setup import parse_arguments
    from qlit.studies.trials.storage import quieten_optuna
    from qlit.studies.trials.trials import Trials

    quieten_optuna()
    options, named = parse_arguments(parser, arguments)
    if verb == "export":
        check_output(options.output)
    trials = Trials(named.study, named.location, create=False)
    try:
        if verb in ("status", "best", "export", "report"):
            warn_of_changes(trials)
        text = _text(verb, options, trials)
    finally:
        trials.close()
    if verb == "export" and options.output:
        Path(options.output).write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)
    return 0


def _text(verb: str, options: argparse.Namespace, trials: "Trials") -> str:
    """Do the work of a verb and return the text to print."""
    from qlit.jobs.study.setup import checked_configs
    from qlit.reports.study_json import best_of, status_of
    from qlit.reports.study_report import report_folder, report_of
    from qlit.reports.study_text import best_text, status_text
    from qlit.studies.cell_results import all_results, csv_of, diverged_trainings, table_of
    from qlit.tracking.kept_runs import KeptRuns

    study = trials.definition
    match verb:
        case "status" | "best" if options.json:
            found = status_of(trials) if verb == "status" else best_of(trials)
            return json.dumps(found, indent=2, default=str) + "\n"
        case "status":
            return status_text(trials) + "\n"
        case "best":
            return best_text(trials) + "\n"
        case "stop":
            trials.ask_to_stop()
            now = f", {trials.stop_now()} were asked to stop now" if options.now else ""
            return f"{study.name}: workers end after the trials they are in{now}\n"
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


def study_parser(verb: str, description: str, epilog: str | None = None) -> CommandParser:
    """A parser with the options that name a study."""
    parser = CommandParser(prog=f"qlit study {verb}", description=description, epilog=epilog)
    parser.add_argument("-c", "--config", required=True, metavar="FILE", help="the study file")
    parser.add_argument(
        "--storage",
        metavar="URL",
        help="journal:PATH, sqlite:///PATH or postgresql://.. instead of the file's storage",
    )
    if verb in ("run", "worker"):
        parser.add_argument(
            "--trials_at_once",
            type=int,
            default=1,
            metavar="N",
            help="trials that a worker trains at the same time, for a GPU that one does not fill; default: 1",
        )
    return parser


def _stopped(stopped_by: signal.Signals) -> int:
    """Say that a signal stopped this command; return the exit status."""
    _say(f"stopped by {stopped_by.name}; run the same command again to continue")
    return 128 + stopped_by


def _say(text: str) -> None:
    print(f"qlit study: {text}", file=sys.stderr, flush=True)
