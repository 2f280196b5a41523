"""`qlit study`: sweeps and searches over a config's keys; one verb a function."""

from qlit.runtime.errors import UsageError, nearest
from qlit.studies.trials.storage import quieten_optuna

_VERBS = {
    "run": "begin a study or go on with it, with worker processes of its own",
    "worker": "work on a study beside others, on this machine or, with PostgreSQL, on any",
    "status": "what is done, running, failed; the best cells so far",
    "stop": "let all workers end, after the trials they are in, or --now",
    "reap": "notice trials and runs whose process has died",
    "best": "the cell with the best validation score, and its test accuracy",
    "export": "all trainings as CSV",
    "report": "which factors matter, as an HTML page with pictures, and as PNG and CSV",
}


def run(command: str, arguments: list[str]) -> int:
    """Run one verb of `qlit study` and return its exit status."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(f"usage: qlit {command} VERB --config configs/studies/X.yaml [OPTIONS]\n")
        print("".join(f"  {verb:<8}{text}\n" for verb, text in _VERBS.items()), end="")
        print("\nqlit study VERB --help lists its options; configs/README.md tells what a study file holds.")
        return 0 if arguments else 2
    verb, *rest = arguments
    if verb == "trial":  # of workers, not of people: a rank of a training of several processes
        from qlit.jobs.study.rank import run_rank

        return run_rank(rest)
    if verb not in _VERBS:
        raise UsageError(f"there is no verb {verb!r}{nearest(verb, _VERBS) or '.'} See qlit {command} --help.")
    quieten_optuna()
    if verb == "run":
        from qlit.commands.study_run import run_study

        return run_study(rest)
    if verb == "worker":
        from qlit.commands.study_run import run_worker

        return run_worker(rest)
    from qlit.commands.study_look import look

    return look(verb, _VERBS[verb], rest)
