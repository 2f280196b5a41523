"""`qlit study run` and `qlit study worker`: a study's trainings, by processes on cores of their own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from shutil import disk_usage
from typing import Any

import psutil
import torch

from qlit.jobs.config.arguments import CommandParser
from qlit.jobs.distributed.cores import Placement, placement_of
from qlit.jobs.distributed.launchers import refuse_copies, without_launchers
from qlit.jobs.study.contents import check_study
from qlit.jobs.study.embedding import data_modules_of, embed
from qlit.jobs.study.setup import Named, add_study_options, check_cells, checked_configs, parsed, report_folder
from qlit.jobs.study.size import confirm_start
from qlit.jobs.study.tables import best_text, progress_text
from qlit.jobs.study.worker import Worker
from qlit.jobs.terminal import quieten
from qlit.runtime.allowed import allow_options
from qlit.runtime.errors import UsageError
from qlit.runtime.interrupts import Interrupts, StoppedBySignal
from qlit.runtime.retry import OutageError, first_line, no_retries, retry_until_mlflow_answers
from qlit.studies.trials.storage import setup_lock
from qlit.studies.trials.storage_retry import OUTAGES, retry_storage
from qlit.studies.trials.trials import Trials
from qlit.tracking.kept_runs import KeptRuns
from qlit.tracking.tracker import MLflowTracker, Status

_POLL_S = 1.0
_SAY_S = 15.0
_STOP_S = 7.0  # for workers that are asked to stop; trials and runs of those that take longer are recovered here
_STOPPED = tuple(128 + number for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM))


def run_study(arguments: Sequence[str]) -> int:
    """Begin a study or go on with it, with workers of its own; the exit status."""
    start_s = max(0.0, time.time() - psutil.Process().create_time())  # workers import what this process has
    parser = CommandParser(
        prog="qlit study run",
        description="Begin a study or go on with it: queue the trials that are not done, train them in worker "
        "processes on cores of their own, tell the best. Stopped and run again it goes on; nothing is trained twice.",
        epilog="Options with a dot (--data.source, --trainer.max_epochs) go to the config of every cell.",
    )
    add_study_options(parser)
    parser.add_argument(
        "--workers", type=int, metavar="N", help="default one a core, or one a GPU, for each process of a training"
    )
    parser.add_argument("--yes", action="store_true", help="do not ask before a study that takes long")
    options, named = parsed(parser, arguments)
    quieten()
    refuse_copies("run this study")
    if options.workers is not None and options.workers < 1:
        raise UsageError(f"`--workers >= 1` must hold, but got {options.workers}.")
    configs = checked_configs(named.study)
    places = placement_of(named.study.name, [config["trainer"] for config in configs])
    num_workers = places.num_workers if options.workers is None else options.workers
    torch.set_num_threads(places.num_threads(num_workers))  # for the steps that are timed
    config = configs[0]
    sentences = data_modules_of(named.study, config)  # a study whose data cannot be found is not made
    check_cells(named.study)
    if not confirm_start(named.study, num_workers, places.num_processes, ask=not options.yes, start_s=start_s):
        return 1
    trials = Trials(named.study, named.location)
    check_study(trials)
    lost = retry_storage(trials.recover)
    queued = retry_storage(trials.fill)
    num_left = retry_storage(lambda: trials.num_left)
    num_workers = max(1, min(num_workers, num_left))
    told = retry_storage(lambda: progress_text(trials))
    _say(f"{named.study.name}: {queued} trials queued, {len(lost)} lost ones among them; {told}")
    if num_left:
        embed(sentences, len(places.cores))
    status: Status = "FAILED"
    with Interrupts() as interrupts:
        with interrupts.raising():
            tracker = _parent_run(trials, config, Path(options.config))
        try:
            _supervised(trials, named, num_workers, places, interrupts)
            status = "FINISHED" if retry_storage(lambda: trials.is_finished) else "KILLED"
        finally:
            status = _closed(tracker, trials, status, config["tracking"], interrupts)
    if interrupts.signal is not None:
        _say(f"stopped by {interrupts.signal.name}; the same command goes on")
        return 128 + interrupts.signal
    print(retry_storage(lambda: best_text(trials)))
    failed, counts = retry_storage(lambda: trials.num_given_up), retry_storage(trials.counts)
    if failed or counts["diverged"] or status != "FINISHED":
        _say(f"{retry_storage(lambda: progress_text(trials))}; {failed} failed, `qlit study status` tells why")
    trials.close()
    return 1 if failed or not counts["complete"] else 0  # a study whose cells all diverged has no result


def run_worker(arguments: Sequence[str]) -> int:
    """Work on a study until it is finished; the exit status."""
    parser = CommandParser(
        prog="qlit study worker",
        description="Work on the trials of a study, beside others, until there are none. With PostgreSQL as storage, "
        "on as many machines as there are.",
    )
    add_study_options(parser)
    parser.add_argument("--cores", metavar="0,1", help="run on these cores alone")
    parser.add_argument("--parent", type=int, metavar="PID", help="stop when this process has ended")
    options, named = parsed(parser, arguments)
    if options.parent is not None:
        sys.stdout = sys.stderr  # both are its log; the end of a full disk must not become its exit status
    if options.cores:
        if not all(core.isdecimal() for core in options.cores.split(",")):
            raise UsageError(f"`--cores` must be numbers with commas between them, 0,1 say, but got {options.cores!r}.")
        os.sched_setaffinity(0, set(map(int, options.cores.split(","))))
        torch.set_num_threads(len(options.cores.split(",")))
    quieten()
    with Interrupts() as interrupts:
        tracker = None
        with interrupts.raising():
            # Beside others a worker comes in at any time, and waits as they do; by itself it begins, and tells at once.
            trials = _opened(named) if options.parent is None else retry_storage(lambda: _opened(named))
            if options.parent is None:
                config = checked_configs(named.study)[0]
                check_study(trials)
                retry_storage(trials.fill)
                with setup_lock(named.location):  # of workers that start together one opens it
                    if not trials.is_held:
                        tracker = _parent_run(trials, config, Path(options.config))
        status: Status = "FAILED"
        try:
            parent_run = retry_storage(lambda: str(trials.study.user_attrs["mlflow_run"]))
            Worker(trials, parent_run, interrupts, options.parent).work(named.study.hours)
            status = "FINISHED" if retry_storage(lambda: trials.is_finished) else "KILLED"
        finally:
            if tracker is not None:
                _closed(tracker, trials, status, config["tracking"], interrupts)
        failed = options.parent is None and retry_storage(lambda: trials.num_given_up)
        trials.close()
    if interrupts.signal is not None:
        if options.parent is None:
            _say(f"stopped by {interrupts.signal.name}; the same command goes on")
        return 128 + interrupts.signal
    return 1 if failed else 0


def _opened(named: Named) -> Trials:
    return Trials(named.study, named.location)


def _parent_run(trials: Trials, config: dict[str, Any], file: Path) -> MLflowTracker:
    """The study's own run in MLflow, opened or opened again."""
    study, tracking = trials.definition, config["tracking"]
    tracker = MLflowTracker(
        experiment=tracking["experiment"],
        run_name=study.name,
        tracking_uri=tracking["tracking_uri"],
        tags={"study.name": study.name, "study.design": study.design.kind},
        run_id=retry_storage(lambda: trials.study.user_attrs.get("mlflow_run")),
    )
    try:
        tracker.start()
        run_id = tracker.run_id
        assert run_id is not None
        retry_storage(lambda: trials.note_holder(run_id))
        tracker.log_text(file.read_text(encoding="utf-8"), "study.yaml")
    except BaseException as error:
        tracker.close("FAILED" if isinstance(error, Exception) else "KILLED", first_line(error))
        raise
    return tracker


def _closed(
    tracker: MLflowTracker, trials: Trials, status: Status, tracking: dict[str, Any], interrupts: Interrupts
) -> Status:
    """End the study's own run; the status it got. After an outage or a stop request nothing is retried."""
    is_finished = status == "FINISHED" and interrupts.signal is None
    with nullcontext() if is_finished else no_retries():
        try:
            with interrupts.raising() if is_finished else suppress(OutageError):
                retry_storage(lambda: _record(tracker, trials, status))
        except StoppedBySignal:  # while the report was written, which the same command writes again
            status = "KILLED"
        finally:
            tracker.close(status)
            if status == "FINISHED":
                with suppress(OutageError):
                    retry_until_mlflow_answers(tracker.sync)
    kept = KeptRuns(tracking["tracking_uri"])
    with suppress(OutageError), no_retries():
        # Runs of workers that were killed, or could not reach MLflow at their end; the next run tries it again.
        retry_until_mlflow_answers(lambda: kept.reap(tracking["experiment"]))
        retry_storage(trials.note_release)  # a holder that has ended is known anyway
    return status


def _record(tracker: MLflowTracker, trials: Trials, status: Status) -> None:
    """What the study's own run tells of it."""
    counts = trials.counts()
    tracker.log_metrics({f"trials/{state}": count for state, count in counts.items()})
    from qlit.studies.cell_results import results_of

    has_results = bool(results_of(trials.all()))
    if has_results:
        tracker.log_text(best_text(trials), "best.txt")
    if has_results and status == "FINISHED":
        from qlit.reports.study_report import report_of

        report = report_of(trials)
        report.write(report_folder(trials.definition.name))
        tracker.log_text(report.html, "report.html")


def _supervised(trials: Trials, named: Named, num_workers: int, places: Placement, interrupts: Interrupts) -> None:
    """Keep workers running until the study is finished, or a signal has come."""
    folder = Path("mlruns") / "studies" / named.study.name
    folder.mkdir(parents=True, exist_ok=True)
    places_of_workers = [
        (places.cores_of(number, num_workers), places.environment_of(number, num_workers))
        for number in range(num_workers)
    ]
    workers = [_start(named, folder, number, *place) for number, place in enumerate(places_of_workers)]
    restarts, told, begun = 0, time.monotonic(), time.monotonic()
    while interrupts.signal is None:
        for number, worker in enumerate(workers):
            # Killed: by a want of memory, say. One that ended by itself has said why in its log.
            if worker.poll() is not None and worker.returncode < 0 and restarts < 3 * num_workers:
                restarts += 1
                _say(
                    f"worker {number} was killed by {signal.Signals(-worker.returncode).name}; another takes its place"
                )
                workers[number] = _start(named, folder, number, *places_of_workers[number])
        if all(worker.poll() is not None for worker in workers):
            break
        if time.monotonic() - told > _SAY_S:
            told = time.monotonic()
            with suppress(*OUTAGES):  # workers wait for it; here signals are waited for
                _say(progress_text(trials, seconds=told - begun))
        time.sleep(_POLL_S)
    _stop(workers)
    failed = [number for number, worker in enumerate(workers) if worker.returncode not in (0, *_STOPPED)]
    if not failed or interrupts.signal is not None:
        retry_storage(trials.recover)  # the trial of the last worker that was killed
        return
    with suppress(OutageError), no_retries():
        retry_storage(trials.recover)
    reason = _last_line(folder / f"worker-{failed[0]}.log")
    if disk_usage(folder).free == 0:
        reason = f"the disk of {folder.absolute()} is full, so that its log cannot tell; free space, and run it again."
    raise ValueError(f"Worker {failed[0]} ended with status {workers[failed[0]].returncode}: {reason}")


def _start(named: Named, folder: Path, number: int, cores: list[int], own: dict[str, str]) -> "subprocess.Popen[bytes]":
    command = [
        sys.executable, "-m", "qlit", "study", "worker", *named.arguments, *allow_options(),
        "--cores", ",".join(map(str, cores)), "--parent", str(os.getpid()),
    ]  # fmt: skip
    with (folder / f"worker-{number}.log").open("ab") as log:
        # In a session of its own: Ctrl-C in a terminal reaches the command alone, which passes it on once.
        return subprocess.Popen(
            command, env={**without_launchers(os.environ), **own}, stdout=log, stderr=log, start_new_session=True
        )


def _stop(workers: "Sequence[subprocess.Popen[bytes]]") -> None:
    for worker in workers:
        if worker.poll() is None:
            worker.terminate()
    _, left = psutil.wait_procs([psutil.Process(worker.pid) for worker in workers if worker.poll() is None], _STOP_S)
    for process in left:
        process.kill()
    for worker in workers:
        worker.wait()


def _last_line(log: Path) -> str:
    lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"


def _say(text: str) -> None:
    print(f"qlit study: {text}", file=sys.stderr, flush=True)
