"""`qlit sync`: send missing events of the runs in this folder to MLflow."""

from qlit.commands.parsers.sync import parser_of
from qlit.runtime.secrets import scrub
from qlit.tracking.kept_runs import KeptRuns


def run(command: str, arguments: list[str]) -> int:
    """Run `qlit sync` and return its exit status: 1 if MLflow still lacks something."""
    kept = KeptRuns(parser_of(f"qlit {command}").parse(arguments).tracking_uri)
    store, waits, is_empty = scrub(kept.uri), False, True
    for synced in kept.sync():
        is_empty = False
        waits = waits or synced.state in ("waits", "unknown")
        sent = "1 event was sent" if synced.num_sent == 1 else f"{synced.num_sent} events were sent"
        text = {
            "sent": f"{sent}; MLflow has everything.",
            "waits": f"{sent}; the others wait in {synced.log}: {synced.reason}.",
            "running": "a process is training it, which sends its log itself.",
            "unknown": f"not in MLflow at {store}, or deleted there; name its store with --tracking_uri. It stays in "
            f"{synced.log}.",
        }[synced.state]
        print(f"run {synced.run_id}: {text}", flush=True)
    if is_empty:
        if kept.folder.is_dir():
            print(f"Nothing in {kept.folder} waits to be sent.")
        else:
            print(f"There are no runs in {kept.folder}: run `qlit sync` in the folder where they were trained.")
    return 1 if waits else 0
