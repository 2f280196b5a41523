"""`qlit jobs`: the submitted jobs of a folder, and how to cancel them."""

import json
import re
import sys
from dataclasses import asdict
from pathlib import Path

from qlit.commands.parsers.jobs import parser_of
from qlit.jobs.slurm.queue import SubmittedJob, cancel, submitted_jobs
from qlit.runtime.errors import UsageError, nearest


def run(command: str, arguments: list[str]) -> int:
    """Show or cancel submitted jobs and return the exit status."""
    options = parser_of(f"qlit {command}").parse(arguments)
    place = Path(options.folder).expanduser()
    if not options.words:
        jobs = submitted_jobs(place)
        print(_json(jobs) if options.json else _table(jobs, place))
        return 0
    verb, *names = options.words
    if verb != "cancel":
        raise UsageError(f"there is no verb {verb!r}{nearest(verb, ['cancel']) or '; the only one is cancel.'}")
    if not names:
        raise UsageError("cancel needs the id of a job; `qlit jobs` shows them.")
    return _cancel(command, names, place)


def _cancel(command: str, names: list[str], place: Path) -> int:
    """Cancel jobs by their ids; all ids are checked before the first job is cancelled."""
    jobs = {job.job_id: job for job in submitted_jobs(place)}
    chosen: list[tuple[SubmittedJob, int | None]] = []
    for name in names:
        found = re.fullmatch(r"(\d+)(?:_(\d+))?", name, re.ASCII)
        if found is None:
            raise UsageError(
                f"{name!r} is no id of a job; ids are numbers such as 12, or 12_3 for worker 3 of a study."
            )
        if found[1] not in jobs:
            raise ValueError(
                f"Job {found[1]} is not one of {place} (in {Path.cwd()}): run this where it was submitted, or name its "
                "folder with --folder. `qlit jobs` shows the jobs."
            )
        chosen.append((jobs[found[1]], None if found[2] is None else int(found[2])))
    status = 0
    for name, (job, number) in zip(names, chosen, strict=True):
        try:
            cancel(job, number)
        except ValueError as error:
            print(f"qlit {command}: {error}", file=sys.stderr)
            status = 1
            continue
        print(f"Cancelled job {name} ({job.name}).")
    return status


def _json(jobs: list[SubmittedJob]) -> str:
    return json.dumps([{**asdict(job), "folder": str(job.folder), "state": job.state} for job in jobs], indent=2)


def _table(jobs: list[SubmittedJob], place: Path) -> str:
    if not jobs:
        return f"There are no submitted jobs in {place} (in {Path.cwd()})."
    rows = [("job", "name", "state", "submitted", "folder")]
    rows += [(job.job_id, job.name, job.state, job.submitted[:16].replace("T", " "), str(job.folder)) for job in jobs]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row[:4], widths, strict=True)), row[4]]) for row in rows
    )
