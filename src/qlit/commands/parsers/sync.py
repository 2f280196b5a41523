"""Options of `qlit sync`."""

from qlit.jobs.config.arguments import CommandParser


def parser_of(prog: str) -> CommandParser:
    """The parser; `prog` is the command as it is typed."""
    parser = CommandParser(
        prog=prog,
        description="Send to MLflow what it lacks of the runs in this folder after an outage. Every run keeps all that "
        "it logs in mlruns/runs/ID/log.jsonl; what MLflow has already is not changed.",
        epilog="Exit status: 0 if MLflow has everything but of runs that are being trained, which send it themselves; "
        "1 if something still waits.",
    )
    parser.add_argument(
        "--tracking_uri", metavar="URI", help="an MLflow server or database; default: MLFLOW_TRACKING_URI or mlruns/"
    )
    return parser
