"""`qlit reap`: end runs whose process was killed."""

from qlit.commands.parsers.reap import parser_of
from qlit.runtime.secrets import scrub
from qlit.tracking.kept_runs import KeptRuns


def run(command: str, arguments: list[str]) -> int:
    """Run `qlit reap` and return its exit status: 1 if a named run cannot be ended."""
    options = parser_of(f"qlit {command}").parse(arguments)
    kept = KeptRuns(options.tracking_uri)
    if options.experiment is not None and not kept.has_experiment(options.experiment):
        raise ValueError(
            f"There is no experiment {options.experiment!r} in MLflow at {scrub(kept.uri)}; check its name."
        )
    for run_id in options.runs:
        print(f"run {run_id}: {'KILLED' if kept.end(run_id) else 'has ended before; nothing is changed'}", flush=True)
    if options.runs:
        return 0
    is_empty = True
    for experiment in kept.experiments() if options.experiment is None else [options.experiment]:
        for run_id in kept.reap(experiment):
            is_empty = False
            print(f"run {run_id}: KILLED", flush=True)
        for found in kept.running(experiment):
            is_empty = False
            if found.is_here:
                text = f"is trained by process {found.pid} of this machine"
            elif found.host:
                text = f"RUNNING, by process {found.pid} of {found.host}, which cannot be checked here"
            else:
                text = "RUNNING, and was not made by qlit"
            print(f"run {found.run_id}: {text}", flush=True)
    if is_empty:
        print(f"No run in MLflow at {scrub(kept.uri)} is RUNNING.")
    return 0
